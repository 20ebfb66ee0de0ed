"""Several ranks at once, each in a process of its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from tests.profile.read.rows import rows
from tests.profile.read.writers import WRITERS

from drivetrain.core.errors import DataError
from drivetrain.profile import Trace, map_traces, read_trace, read_traces


def _files(folder: Path, num: int) -> list[Path]:
    paths = [folder / f"rank{rank}.json" for rank in range(num)]
    for rank, path in enumerate(paths):
        events = [{"ph": "X", "name": f"op {at}", "ts": at, "dur": rank + 1} for at in range(20)]
        path.write_bytes(WRITERS["bare"](events))
    return paths


def _where(trace: Trace) -> tuple[int | None, int, bool]:
    return trace.origin.rank, os.getpid(), "torch" in sys.modules


def _die(trace: Trace) -> None:
    os._exit(9)


def test_ranks_are_read_by_processes_in_the_order_asked_for(tmp_path: Path) -> None:
    paths = _files(tmp_path, 3)
    found = read_traces(paths, processes=2)
    assert [trace.origin.rank for trace in found] == [0, 1, 2]
    assert [rows(trace) for trace in found] == [rows(read_trace(path)) for path in paths]


def test_an_analysis_runs_where_its_trace_was_read_without_torch(tmp_path: Path) -> None:
    found = map_traces(_where, _files(tmp_path, 3), processes=2)
    assert [rank for rank, _, _ in found] == [0, 1, 2]
    assert os.getpid() not in {pid for _, pid, _ in found}
    assert not any(has_torch for _, _, has_torch in found)
    assert map_traces(_where, _files(tmp_path, 1), processes=2)[0][1] == os.getpid()


def test_a_rank_that_cannot_be_read_or_whose_process_dies_is_one_error(tmp_path: Path) -> None:
    paths = _files(tmp_path, 2)
    with pytest.raises(DataError, match="memory"):
        map_traces(_die, paths, processes=2)
    paths[1].write_text("none")
    with pytest.raises(DataError, match=r"rank1\.json is no JSON"):
        read_traces(paths, processes=2)
