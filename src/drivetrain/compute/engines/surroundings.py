"""Which of the server's own variables agents, and so ranks, get to see: a few by name, no secrets unasked.

What tells a database's password, a token or a cloud's keys to the server is nothing for everybody who may submit.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping

_NAMES = frozenset(
    {
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "SHELL",
        "LANG",
        "LANGUAGE",
        "TZ",
        "TMPDIR",
        "LD_LIBRARY_PATH",
        "LD_PRELOAD",
        "VIRTUAL_ENV",
        "XDG_CACHE_HOME",
        "PYTHONPATH",
        "PYTHONHOME",
        "PYTHONSAFEPATH",
        "PYTHONNOUSERSITE",
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONPYCACHEPREFIX",
        "PIP_CONFIG_FILE",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
        "http_proxy",
        "https_proxy",
        "no_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "SLURM_CONF",
    }
)
_PREFIXES = ("LC_", "CUDA_", "NVIDIA_", "NCCL_", "OMP_", "MKL_")


def surroundings(secrets: Collection[str] = (), environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What is passed on of an environment.

    Args:
      secrets: other variables that a job named as where its secrets are.
    """
    return {
        name: value
        for name, value in environment.items()
        if name in _NAMES or name in secrets or name.startswith(_PREFIXES)
    }
