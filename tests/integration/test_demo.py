"""The main job end to end, as a user runs it: real ranks, a real kill, a real report."""

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.docs.shown import check

from drivetrain import ledger
from drivetrain.store import RunFolder, home, open_run

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Demo:
    """What one `drivetrain demo` printed, and the run it left."""

    printed: str
    run: RunFolder

    def weights(self) -> dict[str, list[str]]:
        """Hashes of the tensors in the last checkpoint: of the model, the averages and the optimizer."""
        newest = max(self.run.checkpoints.glob("step-*"))
        tensors = json.loads((newest / "manifest.json").read_bytes())["tensors"]
        hashes = {name: [piece["xxh3"] for piece in stored["pieces"]] for name, stored in tensors.items()}
        found = {name: each for name, each in hashes.items() if not name.startswith("rank/")}
        assert {name.partition("/")[0] for name in found} == {"model", "ema", "optimizer"}
        return found

    def score(self, name: str) -> float:
        found = re.search(rf"^ *{name} +([0-9.]+)$", self.printed, re.MULTILINE)
        assert found, self.printed
        return float(found[1])


def cli(*args: str, timeout: float = 200) -> str:
    done = subprocess.run([sys.executable, "-m", "drivetrain", *args], capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def demo(*args: str, timeout: float = 200) -> Demo:
    return Demo(cli("demo", *args, timeout=timeout), open_run("latest"))


def demo_profiled_meanwhile(*args: str, timeout: float = 200) -> tuple[Demo, list[Path]]:
    """Both ranks are asked for two steps while the demo trains; its traces."""
    command = [sys.executable, "-m", "drivetrain", "demo", *args]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            begun = next(line for line in process.stdout if "run run-" in line)
            run = open_run(begun.split()[-1])
            while not (run.launcher_journal.exists() or process.poll() is not None):
                pass
            traces = cli("profile", run.id, "--steps", "2", "--ranks", "all", timeout=timeout)
            rest, _ = process.communicate(timeout=timeout)
        finally:
            process.kill()
    assert process.returncode == 0
    return Demo(begun + rest, run), [Path(line) for line in traces.splitlines()]


@pytest.mark.slow
@pytest.mark.timeout(420)
def test_the_demo_is_what_the_readme_shows_and_its_report_accounts_for_the_kill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DRIVETRAIN_HOME", str(tmp_path / ".drivetrain"))
    monkeypatch.setenv("COLUMNS", "110")
    monkeypatch.setenv("NO_COLOR", "1")
    killed = demo(timeout=400)
    shown = re.search(r"^\$ make demo\n(.*?)^\$ make test", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    assert shown
    check("drivetrain demo", shown[1], killed.printed)
    assert [run["id"] for run in json.loads(cli("runs", "--json"))] == [killed.run.id]

    report = json.loads(cli("report", killed.run.id, "--json"))
    assert sum(report["leaves"].values()) == report["allocated_ns"] > 0
    assert report["num_attempts"] == 2
    assert report["leaves"]["lost"] > 0
    assert report["leaves"].get("unknown", 0) < 0.01 * report["allocated_ns"]
    ledger.account(killed.run).check()

    page = killed.run.report_file.read_text(encoding="utf-8")
    assert len(page) < 2_000_000
    assert not re.findall(r"(?:src|href)=[\"']?https?://", page)
    assert page.count("data:image/jpeg") >= 4
    assert killed.score("mean IoU, held out") > killed.score("majority class")


@pytest.mark.slow
@pytest.mark.timeout(420)
def test_killed_in_training_its_weights_are_those_of_a_run_that_is_profiled_and_not_killed() -> None:
    whole, traces = demo_profiled_meanwhile("--steps", "30", "--no-fault")
    assert [path.name.split(".")[1] for path in traces] == ["rank-0", "rank-1"]
    assert whole.run.profile_page.as_uri() in whole.printed
    assert 'href="profile.html"' in whole.run.report_file.read_text(encoding="utf-8")
    report = json.loads(cli("report", whole.run.id, "--json"))
    assert report["ideal_ns"] == pytest.approx(report["program_goodput_pct"] / 100 * report["leaves"]["productive"])
    assert "PG " in cli("report", whole.run.id)

    (dataset,) = (home() / "datasets").iterdir()
    recipe = (sys.executable, str(ROOT / "recipes" / "segment.py"), str(dataset), "--steps", "30")
    cli("run", "--ranks", "2", "--fault", "kill:rank=1,step=12", "--", *recipe)
    killed = Demo("", open_run("latest"))
    assert {path.name.partition(".")[0] for path in killed.run.journal.glob("attempt-*")} == {"attempt-0", "attempt-1"}
    assert whole.weights() == killed.weights()
    assert [run["id"] for run in json.loads(cli("runs", "--json"))] == [killed.run.id, whole.run.id]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_real_drive_trains_through_a_kill_and_beats_both_guesses(shared_data: Path) -> None:
    log = ("--log", str(shared_data / "pandaset_002"))
    killed = demo(*log, timeout=400)
    score = killed.score("mean IoU, held out")
    assert score >= 0.50
    assert score > killed.score("per-pixel prior") > killed.score("majority class")
    assert json.loads(cli("report", killed.run.id, "--json"))["num_attempts"] == 2


def test_a_log_that_is_none_is_one_clear_error() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "drivetrain", "demo", "--log", "/nowhere/at/all"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 65
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
