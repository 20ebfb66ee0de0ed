"""RESULTS.md is what the recorded results say, and each of its figures can be measured again."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def from_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))


def test_the_page_is_made_from_the_recorded_results(from_root: None) -> None:
    from benchmarks.page import PAGE, page

    assert PAGE.read_text(encoding="utf-8") == page(), "make results"


def test_each_figure_of_the_page_is_of_a_case_that_exists(from_root: None) -> None:
    from benchmarks.rows import SECTIONS

    for suite, rows in SECTIONS.items():
        for figure in [figure for row in rows for figure in (row.figure, *(peer for _, peer in row.peers))]:
            named, case = re.fullmatch(r"(\w+)/(\w+)(?:\[.+\])?:\w+", figure).groups()  # type: ignore[union-attr]
            assert named == suite
            source = (ROOT / "benchmarks" / f"{suite}.py").read_text(encoding="utf-8")
            assert f"\ndef bench_{case}(" in source, figure


def test_what_is_recorded_can_all_be_read_and_names_no_path_of_the_machine(from_root: None) -> None:
    from benchmarks.page import HISTORY

    from drivetrain.bench.history import open_history

    found = open_history(str(HISTORY)).read()
    assert found.skipped == {}
    assert not [value for result in found.results for value in result.environment.values() if value.startswith("/")]


def test_a_benchmark_that_does_not_exist_is_one_error() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "speed"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: no benchmark speed; there are imports, ")
