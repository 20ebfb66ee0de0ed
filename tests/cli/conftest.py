"""What the tests of `drivetrain data ...` share: one small data set, and a way to run a verb."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from drivetrain.cli.data import command
from drivetrain.core.errors import DrivetrainError
from drivetrain.data import SynthSpec, build_dataset, synth


@pytest.fixture
def verb() -> Callable[..., Result]:
    """Run `drivetrain data ...`; errors of ours come out as they are, as `main` meets them."""

    def run(*args: str) -> Result:
        result = CliRunner().invoke(command, list(args), standalone_mode=False)
        if isinstance(result.exception, DrivetrainError):
            raise result.exception
        assert result.exception is None, result.exception
        return result

    return run


@pytest.fixture
def small(own_home: Path) -> str:
    """The name of a small data set in the home."""
    log = synth(SynthSpec(duration_s=0.5, width=64, height=36))
    build_dataset(log, own_home / "datasets" / "small", size=(32, 18))
    return "small"
