"""Environments made of lock files, by the real pip, of a package that is made here."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import pytest

from drivetrain.compute.agent.environment import environment_of, inside
from drivetrain.compute.job import Job
from drivetrain.core.errors import DataError, UsageError


def wheel(folder: Path) -> Path:
    """A package `lanes` with one number in it."""
    path = folder / "lanes-1.0-py3-none-any.whl"
    about = "Metadata-Version: 2.1\nName: lanes\nVersion: 1.0\n"
    kind = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("lanes.py", "NUMBER = 3\n")
        archive.writestr("lanes-1.0.dist-info/METADATA", about)
        archive.writestr("lanes-1.0.dist-info/WHEEL", kind)
        archive.writestr("lanes-1.0.dist-info/RECORD", "lanes.py,,\n")
    return path


def test_a_lock_file_becomes_an_environment_once_and_python_means_its_own(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text(f"{wheel(tmp_path)}\n")
    folder = environment_of(lock, tmp_path / "envs")
    words, variables = inside(
        folder, ("python", "-c", "import lanes, sys; print(lanes.NUMBER, sys.prefix)"), {"A": "1"}
    )
    done = subprocess.run(words, env=variables, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["3", str(folder)]
    assert variables["A"] == "1"
    made_ns = (folder / "complete").stat().st_mtime_ns
    assert environment_of(lock, tmp_path / "envs") == folder
    assert (folder / "complete").stat().st_mtime_ns == made_ns


def test_one_that_was_made_halfway_is_made_anew(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("# nothing is needed\n")
    folder = environment_of(lock, tmp_path / "envs")
    (folder / "complete").unlink()
    (folder / "left behind").touch()
    assert environment_of(lock, tmp_path / "envs") == folder
    assert not (folder / "left behind").exists()


def test_what_pip_cannot_install_is_said_in_its_words(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text(f"{tmp_path}/nothing-1.0-py3-none-any.whl\n")
    with pytest.raises(DataError, match=r"the environment of requirements.lock cannot be made: .*nothing-1.0"):
        environment_of(lock, tmp_path / "envs")
    with pytest.raises(DataError, match=r"the lock file other\.lock cannot be read: No such file"):
        environment_of(tmp_path / "other.lock", tmp_path / "envs")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"image": "team/train:7"}, "no engine runs containers yet"),
        ({"lock": "../requirements.lock"}, "expected a path within the code"),
        ({"lock": "/requirements.lock"}, "expected a path within the code"),
        ({"lock": "requirements.lock", "venv": "/venvs/a"}, "no venv beside it"),
    ],
)
def test_an_environment_that_cannot_be_is_refused(asked: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Job(command=("python", "train.py"), **asked)  # type: ignore[arg-type]
