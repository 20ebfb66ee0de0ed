"""The optimisation shelf: each change that applies in paired trials against the recipe as it is."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from drivetrain.bench.candidates import Candidate, LeftOut, Machine, candidates
from drivetrain.bench.compare import Comparison, Verdict, compare, judge
from drivetrain.bench.contest import PLAIN, Entry, Results, RunTrial, hold_contest
from drivetrain.bench.measure import Measured
from drivetrain.bench.trials import Failed
from drivetrain.core.errors import RunFailedError
from drivetrain.core.trials import Facts, Trial

FALSE_ALARMS = 0.05
"""Chance that any of the changes of one table is called faster or slower though none has an effect."""
TOGETHER = "together"
_PROBE_STEPS = 10
_FEWEST_STEPS, _USUAL_STEPS, _MOST_STEPS = 12, 40, 400
_LEAST_S = 2.0  # of steps in one trial, where the recipe is quick
_WANTED_BLOCKS = 4  # within the time; where steps are slow, trials are made shorter for it
_FIRST_SHARE = 0.7  # of the time, for the changes one by one; the rest for those adopted, together


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What became of one change.

    Attributes:
      name: for people.
      adopt: what to write in the recipe.
      verdict: see `compare.judge`.
      why: where the verdict needs words.
      found: what was measured; None where no pair was completed.
    """

    name: str
    adopt: str
    verdict: Verdict
    why: str = ""
    found: Comparison | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """What the trials of a recipe have shown.

    Attributes:
      facts: about recipe and machine.
      num_steps: training steps of each trial.
      plain: the recipe as it is, of the first block.
      level: of each interval, so that all of the table hold together with 95 %.
      rows: one for each change tried.
      together: all adopted changes at once, where there are several and time allowed.
      left_out: what does not apply.
      is_stopped: whether a person ended it early.
      failure: why the recipe as it is failed in a later block, which ended the trials; empty otherwise.
    """

    facts: Facts
    num_steps: int
    plain: Measured
    level: float
    rows: list[Row]
    together: Row | None
    left_out: list[LeftOut]
    is_stopped: bool
    failure: str

    @property
    def adopted(self) -> list[Row]:
        """The changes to make."""
        return [row for row in self.rows if row.verdict == "adopt"]


class Tuner:
    """Tries the shelf on one recipe, within a time."""

    def __init__(
        self, run: RunTrial, facts: Callable[[], Facts | None], *, now_s: Callable[[], float], budget_s: float
    ) -> None:
        """Prepare; starts nothing.

        Args:
          run: runs a trial.
          facts: what the newest trial found out.
          now_s: seconds on a clock.
          budget_s: how long all may take; trials that have begun are finished.
        """
        self._run, self._facts, self._now_s = run, facts, now_s
        self._began_s = now_s()
        self._until_s = self._began_s + budget_s

    def run(self, machine: Machine, num_steps: int | None = None) -> Tuning:
        """Try what applies.

        Args:
          num_steps: of each trial; by default see `enough_steps`.
        Raises:
          RunFailedError: the recipe as it is does not run.
          StoppedError: a person stopped it before anything was known.
        """
        probe = self._run(PLAIN, Trial(num_steps=_PROBE_STEPS))
        probe_s = self._now_s() - self._began_s
        facts = self._facts()
        if isinstance(probe, Failed) or facts is None:
            raise RunFailedError(f"the recipe as it is does not run: {probe.why if isinstance(probe, Failed) else ''}")
        tried, left_out = candidates(facts, machine, probe.wait_share)
        share = _FIRST_SHARE if len(tried) > 1 else 1.0
        trial_s = share * (self._until_s - self._now_s()) / (_WANTED_BLOCKS * (len(tried) + 1))
        base = Trial(num_steps=num_steps or enough_steps(probe.step_s, probe_s, trial_s))
        results = self._contest(tried, base, share=share)
        failure = results.failed.get(PLAIN, "")
        if failure and len(results.blocks) == 1:
            raise RunFailedError(f"the recipe as it is ran once, and then not again: {failure}")
        level = 1 - FALSE_ALARMS / max(1, len(tried))
        rows = [_row(candidate, results, level) for candidate in tried]
        together = None if results.is_stopped else self._together(tried, rows, base)
        return Tuning(
            facts=facts,
            num_steps=base.num_steps or 0,
            plain=next((block[PLAIN] for block in results.blocks if PLAIN in block), probe),
            level=level,
            rows=rows,
            together=together,
            left_out=left_out,
            is_stopped=results.is_stopped,
            failure=failure,
        )

    def _contest(self, tried: Sequence[Candidate], base: Trial, *, share: float) -> Results:
        entries = [Entry(c.name, c.trial, may_be_slow=c.aim == "memory") for c in tried]
        if not entries:
            return Results()
        now_s = self._now_s()
        until_s = now_s + share * (self._until_s - now_s)
        return hold_contest(self._run, entries, base, now_s=self._now_s, until_s=until_s)

    def _together(self, tried: Sequence[Candidate], rows: Sequence[Row], base: Trial) -> Row | None:
        """What is adopted one by one may not add up, so it is tried together too."""
        chosen = [c for c, row in zip(tried, rows, strict=True) if row.verdict == "adopt"]
        if len(chosen) < 2:
            return None
        all_at_once = Trial()
        for candidate in chosen:
            all_at_once = all_at_once.joined(candidate.trial)
        joined = Candidate(TOGETHER, all_at_once, "; ".join(c.adopt for c in chosen))
        return _row(joined, self._contest([joined], base, share=1.0), 1 - FALSE_ALARMS)


def look_at_machine() -> Machine:
    """What this machine has that decides about changes."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        flags = ""
    return Machine(
        has_compiler=shutil.which(os.environ.get("CXX") or "g++") is not None,
        has_bf16="avx512_bf16" in flags or "amx_bf16" in flags,
    )


def enough_steps(step_s: float, probe_s: float, trial_s: float) -> int:
    """How many steps a trial should make.

    At least 40, and of a quick recipe as many as take two seconds, up to 400; fewer, but 12, where otherwise four
    blocks of trials would not be over in time.

    Args:
      step_s: of one step.
      probe_s: of the probe in all, with its 10 steps.
      trial_s: that a trial may take.
    """
    wanted = max(_USUAL_STEPS, min(_MOST_STEPS, round(_LEAST_S / step_s)))
    start_s = max(0.0, probe_s - _PROBE_STEPS * step_s)
    return max(_FEWEST_STEPS, min(wanted, int((trial_s - start_s) / step_s)))


def _row(candidate: Candidate, results: Results, level: float) -> Row:
    row = Row(name=candidate.name, adopt=candidate.adopt, verdict="cannot tell")
    if candidate.name in results.failed:
        return replace(row, verdict="failed", why=results.failed[candidate.name])
    pairs = results.pairs(candidate.name)
    if not pairs:
        return replace(row, why="the time was up before its first pair")
    found = compare(pairs, level)
    row = replace(row, found=found)
    if candidate.name in results.hopeless:
        ratio = results.hopeless[candidate.name]
        return replace(row, verdict="slower", why=f"left out after one pair at {ratio:.1f} times the step time")
    verdict = judge(found, candidate.aim)
    why = "one pair says nothing about noise" if len(pairs) == 1 and verdict == "cannot tell" else ""
    return replace(row, verdict=verdict, why=why)
