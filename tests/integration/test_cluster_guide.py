"""The guide's cluster, step by step: what its commands print is what it shows, on real PostgreSQL and Slurm."""

from __future__ import annotations

import os
import re
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.docs.shown import check
from tests.postgres_server import PostgresServer
from tests.slurm_cluster import SlurmCluster

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "guides" / "cluster.md"
BLOCK = re.compile(r"<!-- not run: tests/integration/test_cluster_guide.py[^>]*-->\n```console\n(.*?)```", re.DOTALL)
FILE = re.compile(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", re.DOTALL)


@pytest.fixture
def cluster() -> Iterator[None]:
    try:
        yield
    finally:
        with ExitStack() as ends:
            ends.callback(PostgresServer(ROOT / ".postgres").down)
            ends.callback(SlurmCluster(ROOT / ".slurm").down)
    for name in (".slurm", ".postgres"):
        shutil.rmtree((ROOT / name).resolve(), ignore_errors=True)
        if (ROOT / name).is_symlink():
            (ROOT / name).unlink()


@pytest.mark.timeout(300)
def test_the_guides_cluster_is_set_up_as_it_says(cluster: None, tmp_path: Path) -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name, content in FILE.findall(text):
        (tmp_path / name).write_text(content, encoding="utf-8")
    outside_make = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL")}
    env = {
        **outside_make,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "DRIVETRAIN_HOME": str(tmp_path / ".drivetrain"),
    }
    servers: list[subprocess.Popen[str]] = []
    try:
        for block in BLOCK.findall(text):
            for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                command, _, expected = part.partition("\n")
                check(command, expected, run(command, env, tmp_path, servers))
    finally:
        for server in servers:
            server.terminate()
            server.communicate()


def run(command: str, env: dict[str, str], folder: Path, servers: list[subprocess.Popen[str]]) -> str:
    """What a command prints; what it says to export is exported, and a URL is the database."""
    if command.endswith("&"):
        words = ["bash", "-c", f"exec {command.removesuffix('&')}"]
        server = subprocess.Popen(words, cwd=folder, env=env, stderr=subprocess.PIPE, text=True)
        servers.append(server)
        assert server.stderr is not None
        return server.stderr.readline() if select.select([server.stderr], [], [], 60)[0] else ""
    where = ROOT if command.startswith("make ") else folder
    command = command.replace("make ", "make --old-file .venv/.installed ", 1)  # the set-up that runs this test
    words = ["bash", "-c", command]
    done = subprocess.run(words, cwd=where, env=env, capture_output=True, text=True, timeout=120, check=False)
    for line in done.stdout.splitlines():
        if line.startswith("export "):
            name, _, value = line.removeprefix("export ").partition("=")
            env[name] = value
        elif line.startswith("postgresql://"):
            env["DATABASE"] = line
    return re.sub(r"(=|host=)/\S*/\.", r"\1/path/to/drivetrain/.", done.stdout) if done.returncode == 0 else done.stderr
