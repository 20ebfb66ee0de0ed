"""Be part of a Ray cluster for a while: one that runs already, or one of this machine's own."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from drivetrain.core.errors import UsageError
from drivetrain.core.extras import require

_OBJECT_STORE_BYTES = 128 << 20
_PATIENCE_S = 10.0
_VARIABLES = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}


@dataclass(frozen=True)
class Cluster:
    """Which cluster.

    Attributes:
      address: of a running one; empty takes RAY_ADDRESS, or starts one here.
      num_cpus: of one that is started here.
    """

    address: str
    num_cpus: int


@contextmanager
def connected(cluster: Cluster) -> Iterator[Any]:
    """The `ray` module, connected; what was started or joined here is left at the end, and what was not is untouched.

    Raises: MissingExtraError: Ray is not installed. UsageError: no cluster answers at the address.
    """
    with _variables():
        ray: Any = require("ray", extra="ray")
        if ray.is_initialized():
            yield ray
            return
        address = cluster.address or os.environ.get("RAY_ADDRESS", "")
        folder = "" if address else tempfile.mkdtemp(prefix="drivetrain-ray-", dir="/tmp")
        try:
            _join(ray, address, cluster.num_cpus, folder)
            yield ray
        finally:
            ray.shutdown()
            if folder:
                shutil.rmtree(folder, ignore_errors=True)


def _join(ray: Any, address: str, num_cpus: int, folder: str) -> None:
    # Workers find modules where this process does; they put one path after the other in front of theirs.
    paths = ray.job_config.JobConfig(_py_driver_sys_path=[path for path in reversed(sys.path) if path])
    common = {"job_config": paths, "log_to_driver": False, "logging_level": "error"}
    if not address:
        ray.init(
            address="local",
            num_cpus=num_cpus,
            include_dashboard=False,
            object_store_memory=_OBJECT_STORE_BYTES,
            _temp_dir=folder,
            **common,
        )
        return
    try:
        _knock(address)
        ray.init(address=address, **common)
    except (OSError, ValueError, RuntimeError) as exc:
        raise UsageError(
            f"no Ray cluster answers at {address}: {exc}",
            hint="start one with `ray start --head`, or leave the address out",
        ) from exc


def _knock(address: str) -> None:
    """Raise OSError when nothing listens at HOST:PORT: Ray itself would try for minutes."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=_PATIENCE_S).close()


@contextmanager
def _variables() -> Iterator[None]:
    """Ray reads these when it is imported and when it starts processes; what it sets itself is taken back."""
    before = dict(os.environ)
    os.environ.update({**_VARIABLES, **before})
    try:
        yield
    finally:
        for name in set(os.environ) - set(before):
            if name.startswith("RAY_") or name == "PYTHONBREAKPOINT":
                del os.environ[name]
