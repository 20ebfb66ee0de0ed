from __future__ import annotations

import sys
from pathlib import Path

import pytest

from drivetrain.core.errors import DataError
from drivetrain.data import open_log

GOOD = """
from drivetrain.data import SynthSpec, synth
def recognise(path):
    return "" if path.suffix == ".ours" else "its name does not end with .ours"
def open_log(path):
    return synth(SynthSpec(seed=7, duration_s=0.1, width=8, height=8))
"""
FAILING = """
def recognise(path):
    return ""
def open_log(path):
    raise KeyError("speed")
"""
ASKED_WRONGLY = """
def recognise(path):
    raise RuntimeError("no")
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """Install packages that bring readers: `install(name=code)`."""
    site = tmp_path / "site"
    monkeypatch.syspath_prepend(site)

    def _install(**readers: str) -> None:
        info = site / "teamreaders-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: teamreaders\nVersion: 1.0\n")
        points = "\n".join(f"{name} = plugin_{name}" for name in readers)
        (info / "entry_points.txt").write_text(f"[drivetrain.sources]\n{points}\n")
        for name, code in readers.items():
            (site / f"plugin_{name}.py").write_text(code)
            monkeypatch.delitem(sys.modules, f"plugin_{name}", raising=False)

    return _install


@pytest.fixture
def log_file(tmp_path: Path) -> Path:
    file = tmp_path / "drive.ours"
    file.write_bytes(b"")
    return file


def test_a_package_brings_a_reader(install, log_file: Path) -> None:  # type: ignore[no-untyped-def]
    install(ours=GOOD)
    assert open_log(log_file).name == "synth-7"


def test_a_broken_reader_is_named_and_stands_in_no_others_way(install, log_file: Path) -> None:  # type: ignore[no-untyped-def]
    install(a_broken="import no_such_module", b_wrong=ASKED_WRONGLY, z_good=GOOD)
    assert open_log(log_file).name == "synth-7"
    with pytest.raises(DataError, match="no reader takes") as caught:
        open_log(log_file.parent)
    assert "plugin_a_broken of teamreaders is broken: ModuleNotFoundError" in caught.value.hint
    assert "plugin_b_wrong of teamreaders is broken: RuntimeError: no" in caught.value.hint
    assert "z_good: its name does not end with .ours" in caught.value.hint


def test_a_reader_that_fails_is_one_error_that_names_it(install, log_file: Path) -> None:  # type: ignore[no-untyped-def]
    install(failing=FAILING)
    with pytest.raises(DataError, match=r"plugin_failing of teamreaders failed to open .*drive.ours: KeyError"):
        open_log(log_file)


def test_our_own_readers_are_asked_first_and_no_plug_in_is_loaded_for_them(install) -> None:  # type: ignore[no-untyped-def]
    install(failing="raise SystemError('loaded')")
    assert open_log("synth").name == "synth-0"
    assert "plugin_failing" not in sys.modules


def test_of_a_path_where_nothing_is_readers_that_are_broken_are_named_all_the_same(install, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    install(a_broken="import no_such_module")
    with pytest.raises(DataError, match="there is no log at") as caught:
        open_log(tmp_path / "gone")
    assert "plugin_a_broken of teamreaders is broken" in caught.value.hint
