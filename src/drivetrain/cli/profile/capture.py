"""Ask a run that is running to profile its next steps."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from drivetrain.core.errors import RunFailedError, StoreError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drivetrain.core.profiling import ProfileSpec
    from drivetrain.store import RunFolder
    from drivetrain.store.captures import Captured

_POLL_S = 0.5


@click.command("capture")
@click.argument("run_name", metavar="RUN")
@click.option(
    "--steps", default="3", show_default=True, metavar="N|A:B", help="The next N steps, or those of range(A, B)."
)
@click.option(
    "--ranks", default="0", show_default=True, metavar="R,R|all", help="Which ranks; all record the same steps."
)
@click.option("--memory", is_flag=True, help="Record each allocation; on CUDA a snapshot of the allocator too.")
@click.option("--stacks", is_flag=True, help="Sample what all Python threads do, some 200 times a second.")
@click.option("--json", "as_json", is_flag=True, help="One JSON array, an object a rank.")
def command(run_name: str, steps: str, ranks: str, memory: bool, stacks: bool, as_json: bool) -> None:
    """Profile the next steps of RUN (an id, the beginning of one, or `latest`), which goes on training.

    Waits until the traces are there and prints their paths. Ctrl-C takes the request back and leaves nothing.
    """
    import msgspec

    from drivetrain.core.profiling import ProfileSpec
    from drivetrain.launch import asking_for_profile
    from drivetrain.store import open_run

    run = open_run(run_name)
    words = [f"steps={steps}", f"ranks={ranks}", *["memory"] * memory, *["stacks"] * stacks]
    spec, chosen = _of_this_run(ProfileSpec.parse(" ".join(words)), run)
    with asking_for_profile(run, spec) as request:
        found = _wait(run, request, chosen)
    if as_json:
        click.echo(msgspec.json.encode(found).decode())
        return
    for captured in found:
        click.echo(captured_line(captured), err=True)
        for name in captured.files:
            click.echo(run.profile / name)
    click.echo(f"drivetrain profile report {run.id}", err=True)


def captured_line(captured: Captured) -> str:
    """What a rank has recorded and what that cost it, for people."""
    from drivetrain.core.units import duration_text

    steps = f"rank {captured.rank}, steps {captured.first} to {captured.until - 1}"
    if captured.error:
        return f"{steps}: no profile: {captured.error}"
    during, without = duration_text(captured.during_ns), "what it takes without is not known"
    if captured.before_ns is not None:
        without = f"{duration_text(captured.before_ns)} without (cost: {captured.cost_text})"
    held_up = duration_text(captured.held_up_ns)
    return f"{steps}: a step took {during} profiled, {without}; held up for {held_up} to begin and to end"


def _of_this_run(spec: ProfileSpec, run: RunFolder) -> tuple[ProfileSpec, list[int]]:
    """Name steps that all ranks can still reach together, where several are asked for; and say which ranks.

    Waits until they make steps. Raises: UsageError: it does not run, or has no such rank.
    """
    from drivetrain.cli.progress import bar
    from drivetrain.launch import reachable_step

    with bar("profile", 1) as advance:
        while True:
            attempt = _running_attempt(run)
            there = _ranks(run, attempt)
            chosen = there if spec.ranks is None else list(spec.ranks)
            missing = sorted(set(chosen) - set(there))
            first = None if missing or not there else reachable_step(run, attempt, chosen)
            if first is not None:
                break
            if there and missing and max(there) < missing[0] and reachable_step(run, attempt, there) is not None:
                raise UsageError(f"rank {missing[0]} of {run.id} cannot be profiled: its ranks are {_listed(there)}")
            advance(0, "waiting for its first steps")
            time.sleep(_POLL_S)
    if spec.first is None and len(chosen) > 1:
        import msgspec

        spec = msgspec.structs.replace(spec, first=first)
    return spec, chosen


def _running_attempt(run: RunFolder) -> int:
    """The newest. Raises UsageError: the run is not running."""
    if not _is_running(run):
        raise UsageError(
            f"{run.id} is not running", hint='profile it from its start: drivetrain run --profile "steps=20:23" ...'
        )
    return _attempt(run)


def _ranks(run: RunFolder, attempt: int) -> list[int]:
    """Those of an attempt that have begun."""
    names = [path.name for path in run.journal.glob(f"attempt-{attempt}.rank-*.jsonl")]
    return sorted(int(name.split(".rank-")[1].split(".")[0]) for name in names)


def _attempt(run: RunFolder) -> int:
    names = [path.name for path in run.journal.glob("attempt-*.rank-*.jsonl")]
    return max((int(name.split(".")[0].removeprefix("attempt-")) for name in names), default=0)


def _is_running(run: RunFolder) -> bool:
    """By its launcher's claim; a run without a launcher by its lease."""
    from drivetrain import ledger
    from drivetrain.launch import is_claimed

    return is_claimed(run) or (not run.launcher_journal.exists() and ledger.account(run).is_running)


def _wait(run: RunFolder, request: str, chosen: Sequence[int]) -> list[Captured]:
    """Until all ranks have written. Raises: RunFailedError: they never will. StoreError: a rank could not."""
    from drivetrain.cli.progress import bar
    from drivetrain.store.captures import read_captured

    progress = _Progress(run)
    with bar("profile", len(chosen)) as advance:
        while True:
            is_running = _is_running(run)
            found = read_captured(run.profile, request)
            left = sorted(set(chosen) - {each.rank for each in found})
            advance(len(chosen) - len(left), progress.look())
            if not left:
                break
            if not is_running:
                raise RunFailedError(f"{run.id} ended before these steps were profiled", hint=progress.look())
            _check_asked(run, request)
            progress.check_there(left)
            time.sleep(_POLL_S)
    errors = [each.error for each in found if each.error]
    if errors:
        raise StoreError(f"{run.id} could not be profiled: {errors[0]}", hint="the run goes on")
    return found


def _check_asked(run: RunFolder, request: str) -> None:
    """Raises UsageError: somebody else has asked meanwhile."""
    from drivetrain.launch import is_asked

    if not is_asked(run, request) and _is_running(run):  # a launcher that ends forgets what was asked
        raise UsageError(f"somebody else has asked {run.id} for a profile meanwhile", hint="ask once more")


class _Progress:
    """How far a run is, whatever attempt it is in."""

    def __init__(self, run: RunFolder) -> None:
        self._run = run
        self._attempt = -1
        self._ranks: list[int] = []

    def look(self) -> str:
        """In words."""
        from drivetrain.launch import Watch

        attempt = _attempt(self._run)
        if attempt != self._attempt:
            self._attempt, self._ranks = attempt, _ranks(self._run, attempt)
            self._watch = Watch(self._run, attempt=attempt, num_ranks=max(self._ranks, default=0) + 1)
        self._watch.poll(time.monotonic_ns())
        step = self._watch.furthest_step
        return f"attempt {attempt} is at step {'-' if step is None else step}"

    def check_there(self, ranks: Sequence[int]) -> None:
        """Raises RunFailedError: the attempt makes steps, without one of these ranks."""
        there = _ranks(self._run, self._attempt)
        gone = sorted(set(ranks) - set(there))
        if gone and self._watch.furthest_step is not None:
            raise RunFailedError(
                f"rank {gone[0]} is gone: {self._run.id} goes on with {len(there)}", hint="profile one of those"
            )


def _listed(ranks: Sequence[int]) -> str:
    return ", ".join(map(str, ranks[:16])) + (", ..." if len(ranks) > 16 else "")
