"""`drivetrain bench run`: measure a suite, record it, and say what went wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from drivetrain.bench.history import open_history

SUITE = """
def bench_prints(n=(1, 2)):
    print("a bar: 100 %")
    return {"num_lanes": n}


def bench_raises():
    raise ValueError("no such lane")
"""


def bench_run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "drivetrain", "bench", "run", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def test_results_are_added_to_the_history_and_what_a_suite_prints_is_kept_from_ours(tmp_path: Path) -> None:
    (tmp_path / "lanes.py").write_text(SUITE)
    for _ in range(2):
        done = bench_run(tmp_path, "lanes.py", "--case", "prints", "--samples", "2", "--json")
        assert done.returncode == 0, done.stderr
    session = json.loads(done.stdout)
    assert [result["params"] for result in session["results"]] == [{"n": 1}, {"n": 2}]
    assert "printed: prints[n=1]: it printed 1 line, kept from ours (2 samples)" in done.stderr
    found = open_history(str(tmp_path / "benchmarks" / "results")).read()
    assert [result.name for result in found.results] == ["lanes/prints[n=1]", "lanes/prints[n=2]"] * 2
    assert len({result.session for result in found.results}) == 2


def test_a_case_that_fails_is_named_and_the_rest_is_recorded(tmp_path: Path) -> None:
    (tmp_path / "lanes.py").write_text(SUITE)
    done = bench_run(tmp_path, "lanes", "--samples", "1", "--history", "kept")
    assert done.returncode == 1
    assert "failed: raises: ValueError: no such lane (line 8)" in done.stderr
    assert "prints[n=2]  num_lanes" in done.stdout
    assert len(open_history(str(tmp_path / "kept")).read().results) == 2


def test_what_is_no_suite_or_no_case_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "lanes.py").write_text(SUITE)
    (tmp_path / "empty").mkdir()
    for words, code, said in [
        (["nowhere"], 2, "there is no suite nowhere"),
        (["empty"], 2, "no file in empty has a function bench_..."),
        (["lanes.py", "--case", "paints"], 2, "lanes has no case 'paints'"),
        (["lanes.py", "--against", "HEAD"], 2, "in no git repository"),
    ]:
        done = bench_run(tmp_path, *words)
        assert (done.returncode, done.stdout) == (code, "")
        assert said in done.stderr
        assert "Traceback" not in done.stderr
