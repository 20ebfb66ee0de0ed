"""Damaged traces are read or refused: none crashes, hangs, or asks for more memory than there is."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.profile.read import fuzz_traces

_REAL = (
    "hta/trace_diff_control/control.json.gz",
    "hta/nccl_data/nccl_data.json.gz",
    "kineto_resnet50/num_workers_0/worker0.1623143566756.pt.trace.json.gz",
    "tracelens/h100/gaunernst_bert-small-uncased__1016001.json.gz",
)
_PART_BYTES = 60_000


def _parts(folder: Path, shared_data: Path) -> list[Path]:
    """The begin of each real trace, some of its middle and its end, as one file."""
    files = []
    for number, name in enumerate(_REAL):
        text = gzip.decompress((shared_data / name).read_bytes())
        begin = text.index(b'"traceEvents"')
        middle = text.index(b"{", text.index(b'"ph": "X"', len(text) // 2) + 500)
        end = text.rindex(b'"ph"', 0, len(text) - 2000)
        parts = text[: begin + _PART_BYTES], text[middle : middle + _PART_BYTES], text[end:]
        files.append(folder / f"part-{number}")
        files[-1].write_bytes(b"".join(parts))
    return files


def _fuzz(folder: Path, shared_data: Path, *, seed: int, count: int) -> dict[str, int]:
    files = _parts(folder, shared_data)
    command = [sys.executable, fuzz_traces.__file__, str(folder), str(seed), str(count), *map(str, files)]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, env=env)
    assert done.returncode == 0, done.stderr[-3000:]
    totals: dict[str, int] = json.loads(done.stdout)
    assert totals["read"] + totals.get("refused", 0) == count * len(files)
    return totals


def test_damaged_traces_are_read_or_refused(tmp_path: Path, shared_data: Path) -> None:
    totals = _fuzz(tmp_path, shared_data, seed=1, count=15)
    assert totals["events"] > 100 * totals["read"]
    assert totals["skipped"] > totals["read"]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 5))
def test_many_more_damaged_traces_are_read_or_refused(tmp_path: Path, shared_data: Path, seed: int) -> None:
    assert _fuzz(tmp_path, shared_data, seed=seed, count=150)["read"] > 300
