"""Which host this is, for names and to know whether two clocks are one."""

from __future__ import annotations

import os

_known: list[str] = []


def host_id() -> str:
    """This host since its last boot, such as `node-a/5f0c21d3`: within it all monotonic clocks agree."""
    if not _known:
        _known.append(_host_id())
    return _known[0]


def _host_id() -> str:
    name = os.uname().nodename
    try:
        with open("/proc/sys/kernel/random/boot_id", "rb") as file:  # as text it would take a codec, to be imported
            return f"{name}/{file.read(8).decode('ascii')}"
    except OSError:
        return name
