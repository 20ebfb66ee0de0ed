"""`drivetrain simulate`: what goes with what it plays, and what it needs."""

from __future__ import annotations

import bz2
import gzip
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from drivetrain.cli.simulate import command
from drivetrain.cli.simulate.inputs import TAKES
from drivetrain.core.errors import DataError, UsageError


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("", "nothing to replay"),
        ("--replay", "nothing to replay"),
        ("jobs.csv --pods pods.csv", "TRACE and --pods are both given"),
        ("jobs.csv --nodes 2 --demand 90", "--demand does not go with TRACE"),
        ("jobs.csv --nodes 2 --profiles traces", "--profiles does not go with TRACE"),
        ("history.jsonl --replay --html page.html", "--html does not go with --replay"),
        ("history.jsonl --replay --nodes 2", "--nodes does not go with --replay"),
        ("--pods pods.csv --nodes nodes.csv --html page.html", "--html does not go with --pods"),
        ("--workload jobs.csv --profiles traces --nodes 2 --gpus-per-node 2 --replay", "--replay does not go with"),
        ("--workload jobs.csv --profiles traces --nodes 0 --gpus-per-node 2", "--nodes is '0'"),
        (
            "--workload a.csv --profiles b --nodes 100000000 --gpus-per-node 2",
            "expected a whole number from 1 to 100,000",
        ),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(words: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        CliRunner().invoke(command, words.split(), catch_exceptions=False)


def test_nodes_without_gpus_are_refused() -> None:
    shown = CliRunner().invoke(command, ["jobs.csv", "--nodes", "2", "--gpus-per-node", "0"])
    assert (shown.exit_code, "0 is not in the range 1<=x<=64" in shown.stderr) == (2, True)


@pytest.mark.parametrize(("packed", "unpack"), [(gzip.compress, "gzip"), (bz2.compress, "bzip2")])
@pytest.mark.parametrize("words", ["{} --nodes 2", "--pods {} --nodes nodes.csv", "jobs.csv --fleet {}"])
def test_a_compressed_file_is_refused_with_what_unpacks_it(
    packed: Callable[[bytes], bytes], unpack: str, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "packed.csv"
    path.write_bytes(packed(b"job_id,gpu_num\n"))
    with pytest.raises(DataError, match="is compressed, expected plain text") as caught:
        CliRunner().invoke(command, words.format(path).split(), catch_exceptions=False)
    assert caught.value.hint == f"{unpack} -d packed.csv"


def test_each_option_goes_with_something() -> None:
    assert {each.name for each in command.params} == frozenset().union(*TAKES.values())


@pytest.mark.parametrize(
    "words",
    [
        ("jobs.csv", "--nodes", "2"),
        ("--pods", "pods.csv", "--nodes", "nodes.csv"),
        ("--workload", "jobs.csv", "--profiles", ".", "--nodes", "2", "--gpus-per-node", "2"),
    ],
)
def test_without_the_extra_it_says_the_install_command(words: tuple[str, ...], tmp_path) -> None:
    (tmp_path / "jobs.csv").touch()
    absent = "for name in ('numpy', 'numba', 'scipy'): sys.modules[name] = None"
    program = (
        f"import sys\n{absent}\nsys.argv[1:] = {['simulate', *words]}\nfrom drivetrain.cli.main import main\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert (done.returncode, "pip install 'drivetrain[compute]'" in done.stderr) == (69, True)
