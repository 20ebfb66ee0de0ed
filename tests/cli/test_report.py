from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from drivetrain.ledger import Recorder
from drivetrain.store import (
    CheckpointManifest,
    LocalShelf,
    RunFolder,
    SavedState,
    StoredFile,
    create_run,
    manifest_json,
)

TRUTH = "truth.json"


def drivetrain(*args: str | Path) -> subprocess.CompletedProcess[str]:
    """The command line as a user starts it."""
    command = [sys.executable, "-m", "drivetrain", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def run(own_home: Path) -> RunFolder:
    """A run of one process that was its own supervisor: two steps, a checkpoint, the end."""
    run = create_run(["python", "train.py"], 1, name="tiny")
    with Recorder.open(run.journal / "attempt-0.rank-0.jsonl", run=run.id, attempt=0, rank=0, lease_ns=10**10) as tell:
        tell.submit()
        tell.alloc()
        tell.start()
        for step in range(2):
            tell.step_begin(step)
            tell.log(step, {"loss": 1.0 / (step + 1)})
            tell.step_end(step)
        tell.commit(2)
        tell.exit()
        tell.release()
    return run


def test_a_run_is_accounted_for_and_its_page_written(run: RunFolder) -> None:
    done = drivetrain("report", "latest")
    assert (done.returncode, done.stderr) == (0, "")
    assert "productive" in done.stdout
    assert f"report: {run.report_file}" in done.stdout
    assert run.report_file.is_file()


@pytest.mark.parametrize(("tier", "words"), [("bitwise", "bitwise the same weights"), ("samples", "the same samples")])
def test_it_says_where_and_how_exactly_the_run_would_go_on(run: RunFolder, tier: str, words: str) -> None:
    shelf = LocalShelf(run.checkpoints)
    shelf.begin(1200)
    manifest = CheckpointManifest(step=1200, world_size=1, tier=tier, made_at_ns=0, state=SavedState({}, [{}]))
    shelf.seal(1200, manifest_json(manifest), {})
    assert f"resumes: at step 1,200, with {words}" in drivetrain("report", "latest").stdout
    assert json.loads(drivetrain("report", "latest", "--json").stdout)["checkpoints"] == [{"step": 1200, "tier": tier}]


def test_it_names_no_checkpoint_that_training_would_not_go_on_from(run: RunFolder) -> None:
    shelf = LocalShelf(run.checkpoints)
    files = {"rank-0.pt": StoredFile(4, "0" * 64)}
    for step, content, finite in ((1, b"four", True), (2, b"four", False), (3, b"cut", True), (4, None, True)):
        shelf.begin(step)
        if content is not None:
            shelf.put(step, "rank-0.pt", content)
        made = CheckpointManifest(step, 1, "bitwise", 0, SavedState({}, [{}]), files, finite=finite)
        shelf.seal(step, manifest_json(made), {})
    assert "resumes: at step 1, with bitwise" in drivetrain("report", "latest").stdout
    page = run.report_file.read_text(encoding="utf-8")
    for words in ("never: its weights are not finite", "rank-0.pt has 3 bytes", "rank-0.pt cannot be read"):
        assert words in page
    told = json.loads(drivetrain("report", "latest", "--json").stdout)["checkpoints"]
    assert [one["tier"] for one in told] == ["bitwise", None, None, None]


def test_lines_of_a_journal_that_cannot_be_read_are_counted_aloud(run: RunFolder) -> None:
    with next(run.journal.iterdir()).open("ab") as journal:
        journal.write(b"\xff\xfe\nno json\n")
    done = drivetrain("report", "latest")
    assert done.returncode == 0
    assert done.stderr == "lines of its journals left out because they cannot be read: 2\n"


@pytest.mark.parametrize("by", ["id", "beginning", "path"])
def test_json_has_the_account_at_its_top_however_the_run_is_named(run: RunFolder, by: str) -> None:
    name = {"id": run.id, "beginning": run.id[:-3], "path": str(run.path)}[by]
    told = json.loads(drivetrain("report", name, "--json").stdout)
    assert told["id"] == run.id
    assert told["status"] == "finished"
    assert sum(told["leaves"].values()) == told["allocated_ns"] > 0
    assert told["leaves"]["productive"] > 0
    assert told["by_rank"]["0"] == told["leaves"]
    assert (told["num_attempts"], told["num_steps_kept"], told["is_running"]) == (1, 2, False)
    assert told["queued_ns"] >= 0


def test_a_run_that_is_not_there_is_wrong_usage(run: RunFolder) -> None:
    done = drivetrain("report", "run-zzz")
    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no run run-zzz" in done.stderr


def test_two_runs_at_once_are_wrong_usage(run: RunFolder) -> None:
    done = drivetrain("report", run.id, run.id)
    assert done.returncode == 2
    assert "for timeline files add --timeline" in done.stderr


def test_timelines_agree_with_the_truth_to_the_millisecond(shared_data: Path) -> None:
    folder = shared_data / "ledger_timelines"
    truth = json.loads((folder / TRUTH).read_text(encoding="utf-8"))
    done = drivetrain("report", "--timeline", *sorted(folder.glob("*.jsonl")), "--json")
    told = {line.pop("name"): line for line in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 0
    assert told == truth


GOOD = '{"timeline": 1, "name": "good", "lease_ms": 1000, "read_at_wall_ms": 5000}\n'


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"\x00\x01\xff\xfe binary",
        b"not json\n",
        b'{"timeline": 9, "name": "x", "lease_ms": 1, "read_at_wall_ms": 1}',
    ],
    ids=["empty", "binary", "text", "version"],
)
def test_a_bad_timeline_is_one_clear_error_and_the_others_are_printed(tmp_path: Path, damaged: bytes) -> None:
    good, bad = tmp_path / "good.jsonl", tmp_path / "bad.jsonl"
    good.write_text(GOOD, encoding="utf-8")
    bad.write_bytes(damaged)
    done = drivetrain("report", "--timeline", bad, good, tmp_path / "absent", "--json")
    assert done.returncode == 65
    assert json.loads(done.stdout)["name"] == "good"
    errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 2
    assert str(bad) in errors[0]
    assert str(tmp_path / "absent") in errors[1]
    assert "Traceback" not in done.stderr


def test_lines_that_cannot_be_read_are_counted_and_the_rest_stands(tmp_path: Path) -> None:
    path = tmp_path / "torn.jsonl"
    path.write_bytes(GOOD.encode() + b'\xff\xfe\n{"kind": "alloc"}\n{"kind": "al')
    done = drivetrain("report", "--timeline", path)
    assert done.returncode == 0
    assert "lines left out because they cannot be read: 3" in done.stderr
    assert done.stdout.startswith("good\n")
