"""A nursery in waiting: taken where it can be what an interpreter would be, and gone with whoever forked it."""

from __future__ import annotations

import subprocess
import sys

import pytest

BEGIN = """
import os, socket
from pathlib import Path
from drivetrain.launch import spares

def lives(pid):
    return Path(f"/proc/{pid}").exists()

spares.prepare()
pid = spares._waiting[0]._pid
"""
"""In a process of one thread, as an agent is when it forks."""
SCENES = {
    "nobody wants it": """
spares.drop()
spares.drop()
print(lives(pid), spares.take(dict(os.environ)))
""",
    "it becomes one and ends with its line": """
ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
spare = spares.take(dict(os.environ))
print(spare.become(theirs, env=dict(os.environ), cwd=Path("/"), grace_ns=10**9), spares.take(dict(os.environ)))
theirs.close()
ours.close()
spare.wait(60)
spare.wait()
spare.kill()
print(lives(pid))
""",
    "an interpreter would be another": """
print(spares.take({**os.environ, "PYTHONHASHSEED": "7"}), spares.take({**os.environ, "LD_PRELOAD": "x.so"}))
print(spares.take({**os.environ, "OTHER": "1"}) is not None, flush=True)
os._exit(0)
""",
    "it is told too much": """
ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
spare = spares.take(dict(os.environ))
print(spare.become(theirs, env={"A": "x" * (1 << 18)}, cwd=Path("/"), grace_ns=0))
spare.wait(60)
print(lives(pid))
""",
}
SAID = {
    "nobody wants it": "False None\n",
    "it becomes one and ends with its line": "True None\nFalse\n",
    "an interpreter would be another": "None None\nTrue\n",
    "it is told too much": "False\nFalse\n",
}


@pytest.mark.parametrize("scene", SCENES)
def test_a_spare(scene: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + SCENES[scene]], capture_output=True, text=True, timeout=100, check=False
    )
    assert (done.stdout, done.stderr) == (SAID[scene], "")
