"""Where the store's root is when nobody says."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivetrain.core.variables import home


@pytest.fixture(autouse=True)
def unsaid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DRIVETRAIN_HOME", raising=False)


@pytest.fixture
def below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder two below a repository's root; we are in it."""
    (tmp_path / "repository" / ".git").mkdir(parents=True)
    folder = tmp_path / "repository" / "a" / "b"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    return folder


def test_from_a_subfolder_of_a_repository_it_is_the_one_above(below: Path) -> None:
    assert home() == below / ".drivetrain"
    above = below.parents[1] / ".drivetrain"
    above.mkdir()
    assert home() == above
    (below.parent / ".drivetrain").mkdir()
    assert home() == below.parent / ".drivetrain"


def test_nothing_above_the_repository_is_taken(below: Path) -> None:
    (below.parents[2] / ".drivetrain").mkdir()
    assert home() == below / ".drivetrain"


def test_a_file_of_that_name_is_no_root(below: Path) -> None:
    (below.parent / ".drivetrain").write_text("no folder")
    assert home() == below / ".drivetrain"


def test_nothing_above_is_taken_where_there_is_no_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".drivetrain").mkdir()
    (tmp_path / "below").mkdir()
    monkeypatch.setenv("HOME", "/nowhere")
    monkeypatch.chdir(tmp_path / "below")
    assert home() == tmp_path / "below" / ".drivetrain"


def test_what_is_below_the_users_own_folder_finds_its_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".drivetrain").mkdir()
    (tmp_path / "below").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path / "below")
    assert home() == tmp_path / ".drivetrain"
