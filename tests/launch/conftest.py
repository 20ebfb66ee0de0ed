"""Starting real ranks from small scripts that the tests write."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from drivetrain.core.units import NS_PER_S
from drivetrain.launch import Launcher, LaunchSpec, Outcome
from drivetrain.ledger import Event, JournalTail
from drivetrain.store import RunFolder, create_run


@dataclass
class Launched:
    """A run that has ended, with all that can be asked about it."""

    run: RunFolder
    outcome: Outcome
    notes: list[str]
    printed: dict[tuple[int, str], bytes] = field(default_factory=dict)

    def text(self, rank: int, stream: str = "stdout") -> str:
        return self.printed.get((rank, stream), b"").decode()

    def records(self, *kinds: str) -> list[Event]:
        events = JournalTail(self.run.journal / "launcher.jsonl").poll()
        return [event for event in events if event.kind in kinds]


Launch = Callable[..., Launched]


@pytest.fixture
def launch(tmp_path: Path) -> Launch:
    """Write a script and run it as ranks to the end, without torch unless asked for."""

    def run_script(
        script: str,
        *arguments: str,
        num_ranks: int = 2,
        preload: tuple[str, ...] = (),
        run: RunFolder | None = None,
        grace_s: float = 3,
        hang_after_s: float = 60,
        restarts: int = 3,
        env: Mapping[str, str] | None = None,
        faults: tuple[str, ...] = (),
    ) -> Launched:
        path = tmp_path / "script.py"
        path.write_text(script, encoding="utf-8")
        spec = LaunchSpec(
            command=("python", str(path), *arguments),
            num_ranks=num_ranks,
            preload=preload,
            grace_ns=int(grace_s * NS_PER_S),
            hang_after_ns=int(hang_after_s * NS_PER_S),
            restarts=restarts,
            env=env or {},
            cwd=tmp_path,
            faults=faults,
        )
        return run_spec(spec, run)

    return run_script


def run_spec(spec: LaunchSpec, run: RunFolder | None = None) -> Launched:
    folder = run or create_run(list(spec.command), spec.num_ranks)
    printed: dict[tuple[int, str], bytes] = {}
    notes: list[str] = []

    def keep(rank: int, stream: str, chunk: bytes) -> None:
        printed[rank, stream] = printed.get((rank, stream), b"") + chunk

    outcome = Launcher(spec, folder, output=keep, on_note=notes.append).run()
    return Launched(folder, outcome, notes, printed)


@pytest.fixture
def launch_spec() -> Callable[[LaunchSpec], Launched]:
    """Run a spec to the end."""
    return run_spec


@pytest.fixture(autouse=True)
def no_process_left() -> None:
    """Nothing that a launcher started outlives it; checked after each test."""
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    yield
    left = [process for process in psutil.Process().children(recursive=True) if process.pid not in before]
    assert not left, f"processes left running: {left}"
