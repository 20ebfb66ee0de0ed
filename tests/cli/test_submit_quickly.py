"""The quick way to submit understands a part of what the command does, and nothing otherwise than that."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from drivetrain.cli.submit import command
from drivetrain.cli.submit_quickly import FLAGS, VALUES, plain_values

OPTIONS = {option: each for each in command.params if isinstance(each, click.Option) for option in each.opts}


def test_its_options_are_the_command_s_own() -> None:
    kinds: dict[type, click.ParamType] = {str: click.STRING, int: click.INT, float: click.FLOAT}
    for option, (name, kind) in VALUES.items():
        assert (OPTIONS[option].name, OPTIONS[option].type) == (name, kinds[kind]), option
    for option, name in FLAGS.items():
        assert (OPTIONS[option].name, OPTIONS[option].is_flag) == (name, True), option


@pytest.mark.parametrize(
    "line",
    [
        "-- python train.py --steps 3",
        "python train.py",
        "--on slurm --nodes 2:4 --gpus 0.5 --preemptible -- sh -c x",
        "--name=a=b --ranks=2 -- true",
        "--name -- -- true",
    ],
)
def test_plain_arguments_mean_what_they_mean_to_the_command(line: str) -> None:
    context = command.make_context("submit", line.split())
    meant = {name: value for name, value in context.params.items() if value not in (None, False, ())}
    meant["command"] = list(meant.pop("command_line"))
    found = plain_values(line.split())
    assert found is not None
    assert found == meant


@pytest.mark.parametrize(
    "line",
    ["", "--", "--help", "--dry-run -- true", "--env A=b -- true", "--ranks two -- true", "--name", "-x -- true",
     "--json=1 -- true", "--file job.toml", "--array 0-3 -- true", "- true"],
)  # fmt: skip
def test_all_else_is_left_to_the_command(line: str) -> None:
    assert plain_values(line.split()) is None


def test_it_imports_nothing_that_takes_long() -> None:
    program = (
        "import sys, drivetrain.cli.main, drivetrain.cli.submit_quickly, drivetrain.server.client\n"
        "import drivetrain.compute.snapshot.listing, drivetrain.compute.snapshot.unchanged; print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    slow = {"click", "msgspec", "typing", "dataclasses", "inspect", "http.client", "ssl", "email", "hashlib", "secrets"}
    slow |= {"re", "enum", "functools", "contextlib", "json", "socket"}
    assert not (slow | {"pathlib", "urllib.parse", "threading"}) & set(done.stdout.split())
