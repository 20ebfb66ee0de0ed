"""One session: every case on both sides in turns, each sample in a fresh process, whatever some of them do."""

from __future__ import annotations

import math
import re
import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from drivetrain.bench.results import Result
from drivetrain.bench.suites.cases import Case, Suite, read_suite
from drivetrain.bench.suites.code import Code, checked_out, working_tree
from drivetrain.bench.suites.counters import can_count
from drivetrain.bench.suites.machine import describe, idlest
from drivetrain.bench.suites.metrics import Sample, metrics_of, noise_floor, turns_of
from drivetrain.bench.suites.sandbox import Job, Order, Outcome, Trouble, TroubleKind, carry_out
from drivetrain.core import clock, ids

Side = Literal["A", "B"]
OnProgress = Callable[[int, int, str], None]
"""`on_progress(done, total, note)`."""

REMARKS: frozenset[TroubleKind] = frozenset({"printed", "unsettled"})
"""Troubles that leave a measurement as good as it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What went wrong with a case, or was noticed.

    Attributes:
      case: its name.
      side: of the code that did it.
      trouble: the first of its kind.
      count: how many samples did the same.
      log: where what the case printed lies.
    """

    case: str
    side: Side
    trouble: Trouble
    count: int
    log: Path

    @property
    def is_remark(self) -> bool:
        """Whether what was measured stands all the same."""
        return self.trouble.kind in REMARKS


@dataclass(frozen=True, slots=True)
class Session:
    """What a session gave.

    Attributes:
      results: one for each side of each case that measured anything, in the order of the cases.
      findings: what went wrong; those cases keep the samples that they made before.
      is_stopped: whether a person ended it early.
    """

    results: tuple[Result, ...]
    findings: tuple[Finding, ...]
    is_stopped: bool = False


@dataclass(slots=True)
class _Measured:
    """What is known of a case so far."""

    case: Case
    samples: dict[Side, list[Sample]] = field(default_factory=lambda: {"A": [], "B": []})
    over: set[Side] = field(default_factory=set)
    counts: Counter[tuple[Side, TroubleKind]] = field(default_factory=Counter)
    first: dict[tuple[Side, TroubleKind], Trouble] = field(default_factory=dict)
    is_own: bool = False

    def note(self, side: Side, trouble: Trouble) -> None:
        self.counts[side, trouble.kind] += 1
        self.first.setdefault((side, trouble.kind), trouble)


@contextmanager
def opened(file: Path, against: str | None) -> Iterator[Bench]:
    """A suite ready to be measured, its code and its folders; nothing but logs is left of it afterwards.

    Args:
      file: of the suite.
      against: a commit for side A; None where there is no such side.
    Raises:
      UsageError: there is no such commit.
      DataError: the suite cannot be read.
    """
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(TemporaryDirectory(prefix="drivetrain-bench-", ignore_cleanup_errors=True)))
        codes: dict[Side, Code] = {"B": working_tree(file)}
        if against is not None:
            codes["A"] = stack.enter_context(checked_out(file, against, scratch / "code"))
        for side in codes:
            (scratch / side).mkdir()
        suite = read_suite(file, codes["B"].paths, folder=scratch / "B", log=scratch / "listing.log")
        yield Bench(suite, codes, scratch)


@dataclass(frozen=True, slots=True)
class Bench:
    """A suite, the code on each side, and where its processes work.

    Attributes:
      suite: what is measured; see `Suite.only` to choose.
      codes: by side.
      scratch: folder with one for each side, in which its samples run and may leave what later ones need.
    """

    suite: Suite
    codes: dict[Side, Code]
    scratch: Path

    def run(self, suite: Suite, num_samples: int, logs: Path, on_progress: OnProgress) -> Session:
        """Measure; Ctrl-C ends it with what is known so far.

        Args:
          num_samples: of each case and side.
          logs: folder for what the cases print; made when it is needed.
        """
        at_ns, session = clock.wall_ns(), ids.new_id("bench")
        cores = idlest(suite.settings.num_cores)
        environment = describe(cores)
        order = turns_of(num_samples, has_other="A" in self.codes)
        found = [_Measured(case) for case in suite.cases]
        sampler = _Sampler(self, suite, cores, can_count(), logs)
        is_stopped = False
        try:
            for turn in range(0, len(order), 2):
                sides: list[Side] = ["A" if side == "A" else "B" for side in order[turn : turn + 2]]
                for at, measured in enumerate(found):
                    on_progress(turn * len(found) + at * len(sides), len(order) * len(found), measured.case.name)
                    sampler.take(measured, sides, seed=turn // 2)
        except KeyboardInterrupt:
            is_stopped = True
        _remove_empty(logs)
        about: dict[str, Any] = {"at_ns": at_ns, "session": session, "environment": environment}
        results = [r for measured in found for r in _results(measured, suite, self.codes, order, about)]
        return Session(tuple(results), tuple(_findings(found, logs)), is_stopped)


@dataclass(frozen=True, slots=True)
class _Sampler:
    bench: Bench
    suite: Suite
    cores: tuple[int, ...]
    counts_instructions: bool
    logs: Path

    def take(self, measured: _Measured, sides: Sequence[Side], *, seed: int) -> None:
        """Add a sample of each side, or say why there is none; a case that B cannot run is over."""
        sides = [side for side in sides if side not in measured.over]
        if "B" in measured.over:
            return
        jobs = [self._job(measured.case, side, seed, at) for at, side in enumerate(sides)]
        outcomes = carry_out(*jobs)
        if any(trouble.kind == "hung" for each in outcomes for trouble in each.troubles if each.took_turns):
            outcomes = [carry_out(job)[0] for job in jobs]  # whose fault it is
        for side, outcome in zip(sides, outcomes, strict=True):
            if side not in measured.over:
                self._note(measured, side, outcome)

    def _note(self, measured: _Measured, side: Side, outcome: Outcome) -> None:
        values = _values(outcome.report or {})
        for trouble in (*outcome.troubles, *([values] if isinstance(values, Trouble) else [])):
            measured.note(side, trouble)
        if outcome.report is None or isinstance(values, Trouble):
            measured.over.add(side)
            return
        measured.is_own = outcome.report.get("form") == "numbers"
        if outcome.report.get("is_settled") is False:
            measured.note(side, Trouble("unsettled", "its times were still changing when the sample ended"))
        measured.samples[side].append(values)

    def _job(self, case: Case, side: Side, seed: int, at: int) -> Job:
        self.logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        order = Order(
            suite=self.suite.file,
            module=self.suite.module,
            paths=self.bench.codes[side].paths,
            case=case.case,
            params=case.params,
            counts_instructions=self.counts_instructions,
        )
        return Job(
            order=order,
            limits=self.suite.limits(self.cores),
            folder=self.bench.scratch / side,
            report=self.bench.scratch / f"{at}.report",
            log=log_file(self.logs, case.name, side),
            seed=seed,
        )


def log_file(logs: Path, case: str, side: Side) -> Path:
    """Where what a case prints lies."""
    return logs / f"{re.sub(r'[^A-Za-z0-9_.=,-]', '_', case)[:150]}.{side}.log"


def _values(report: dict[str, Any]) -> dict[str, float] | Trouble:
    """One number for each name: the median, where a process measured several; of CPU time the lower quartile.

    What else the machine does can only add to CPU time (caches, shared cores), so its quicker calls tell more.
    """
    values: dict[str, float] = {}
    for name, numbers in report.get("numbers", {}).items():
        if not numbers or not all(isinstance(each, int | float) and math.isfinite(each) for each in numbers):
            return Trouble("failed", f"it gave {name}={numbers[:3]}, where finite numbers were expected")
        quick = sorted(numbers)[: (len(numbers) + 1) // 2]
        values[name] = statistics.median(quick if name == "cpu_s" else numbers)
    return values


def _results(
    measured: _Measured, suite: Suite, codes: dict[Side, Code], order: str, about: dict[str, Any]
) -> Iterator[Result]:
    """One for each side; where both have samples, so many as both have, and each a pair."""
    sides = [side for side in codes if measured.samples[side]]
    num_pairs = min((len(measured.samples[side]) for side in sides), default=0)
    settings = suite.settings
    a, b = (measured.samples[side][:num_pairs] for side in ("A", "B"))
    pairs = list(zip(a, b, strict=True) if len(sides) == 2 else zip(b[::2], b[1::2], strict=False))
    for side in sorted(sides):
        samples = measured.samples[side][:num_pairs]
        turns = order[: num_pairs * len(sides)] if len(sides) == 2 else side * num_pairs
        yield Result(
            suite=suite.name,
            case=measured.case.case,
            params=dict(measured.case.params),
            metrics=metrics_of(samples, settings.higher_is_better, settings.judged, is_own=measured.is_own),
            commit=codes[side].commit,
            side=side,
            against=codes["A"].commit if side == "B" and len(sides) == 2 else "",
            order=turns if len(sides) == 2 else "",
            noise_floor=noise_floor(pairs, is_same_code=len(sides) == 1),
            **about,
        )


def _remove_empty(logs: Path) -> None:
    for log in logs.glob("*.log"):
        if not log.stat().st_size:
            log.unlink()
    with suppress(OSError):  # something was printed, or nothing was ever run
        logs.rmdir()


def _findings(found: Sequence[_Measured], logs: Path) -> Iterator[Finding]:
    for measured in found:
        for (side, kind), count in measured.counts.items():
            name = measured.case.name
            yield Finding(
                case=name,
                side=side,
                trouble=measured.first[side, kind],
                count=count,
                log=log_file(logs, name, side),
            )
