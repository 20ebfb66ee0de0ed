"""`drivetrain bench run`: measure a suite, record it, and say what went wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
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
    for cases in (["--case", "prints"], ["--case", "prints[n=1]", "--case", "prints[n=2]"]):
        done = bench_run(tmp_path, "lanes.py", *cases, "--samples", "2", "--json")
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


def test_of_a_folder_the_suites_that_can_be_read_are_measured(tmp_path: Path) -> None:
    folder = tmp_path / "suites"
    folder.mkdir()
    (folder / "broken.py").write_text("import nowhere\n\n\ndef bench_x():\n    pass\n")
    (folder / "lanes.py").write_text("def bench_x():\n    return {'x': 1}\n")
    done = bench_run(tmp_path, "suites", "--samples", "1")
    assert done.returncode == 65
    assert "broken.py cannot be read as a suite: ModuleNotFoundError" in done.stderr
    assert [result.name for result in open_history(str(tmp_path / "benchmarks" / "results")).read().results] == [
        "lanes/x"
    ]


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


def test_nothing_is_left_of_a_session_that_is_stopped(tmp_path: Path) -> None:
    waiting = "import threading\nfrom pathlib import Path\n\n\ndef bench_first():\n    return {'x': 1}\n\n\n"
    waiting += "def bench_second():\n    Path(__file__).with_name('waits').touch()\n    threading.Event().wait()\n"
    (tmp_path / "lanes.py").write_text(waiting)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    command = [sys.executable, "-m", "drivetrain", "bench", "run", "lanes.py"]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(scratch)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        deadline_s = time.monotonic() + 60
        while not (tmp_path / "waits").exists():
            assert time.monotonic() < deadline_s
            time.sleep(0.02)
        process.terminate()
        printed, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"first  x" in printed
    assert list(scratch.iterdir()) == []
    assert len(open_history(str(tmp_path / "benchmarks" / "results")).read().results) == 1
