"""Trials in mirrored blocks, so that a machine that slowly changes favours nobody, until the time is up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from drivetrain.bench.compare import Pair
from drivetrain.bench.measure import Measured
from drivetrain.bench.trials import Failed, StoppedError
from drivetrain.core.trials import Trial

PLAIN = "as it is"
MOST_BLOCKS = 12
HOPELESS = 3.0  # times the step time: a change for speed that starts so gets no second pair; noise seldom makes that

RunTrial = Callable[[str, Trial], Measured | Failed]
"""Runs a trial of this name; raises StoppedError when a person stops it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One that takes part.

    Attributes:
      name: unique in the contest.
      trial: what it changes.
      may_be_slow: whether it stays in though its first pair was hopelessly slow.
    """

    name: str
    trial: Trial
    may_be_slow: bool = False


@dataclass(slots=True)
class Results:
    """What a contest has found so far.

    Attributes:
      blocks: in each, what was measured by name; block b has the seed offset b.
      failed: who failed, and why.
      hopeless: who was left out after the first pair, with its ratio of step times.
      is_stopped: whether a person ended it.
    """

    blocks: list[dict[str, Measured]] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    hopeless: dict[str, float] = field(default_factory=dict)
    is_stopped: bool = False

    def pairs(self, name: str) -> list[Pair]:
        """Of each block that has both, the plain trial and that of a name."""
        return [(block[PLAIN], block[name]) for block in self.blocks if PLAIN in block and name in block]

    def is_in(self, entry: Entry) -> bool:
        """Whether it still takes part."""
        return entry.name not in self.failed and entry.name not in self.hopeless


def mirrored(entries: Sequence[Entry], block: int) -> list[Entry]:
    """The order in a block: every second one is turned round (ABBA), so that a steady drift cancels out."""
    return list(entries) if block % 2 == 0 else list(reversed(entries))


def hold_contest(
    run: RunTrial,
    entries: Sequence[Entry],
    base: Trial,
    *,
    now_s: Callable[[], float],
    until_s: float,
) -> Results:
    """Run the plain recipe and the entries in blocks; a block begins only when it should be over in time.

    Args:
      run: runs one trial.
      entries: who takes part beside the plain recipe.
      base: what all have in common: steps, seed.
      now_s: seconds on a clock.
      until_s: when to be done, on that clock; a first block that takes longer is cut short.
    """
    results = Results()
    last_s = 0.0
    while len(results.blocks) < MOST_BLOCKS and now_s() + last_s <= until_s:
        began_s = now_s()
        left = [entry for entry in entries if results.is_in(entry)]
        if entries and not left:
            break
        number = len(results.blocks)
        results.blocks.append({})
        try:
            _run_block(run, [Entry(PLAIN, Trial()), *left], base, number, results, lambda: now_s() >= until_s)
        except StoppedError:
            results.is_stopped = True
            break
        if PLAIN in results.failed:
            break
        last_s = now_s() - began_s
    return results


def _run_block(
    run: RunTrial,
    entries: Sequence[Entry],
    base: Trial,
    number: int,
    results: Results,
    is_late: Callable[[], bool],
) -> None:
    block = results.blocks[number]
    for entry in mirrored(entries, number):
        if is_late() and (entry.name != PLAIN or not block):
            continue  # the plain trial is what all others of a block are compared with
        measured = run(entry.name, replace(base.joined(entry.trial), seed_offset=number))
        if isinstance(measured, Failed):
            results.failed[entry.name] = measured.why
            if entry.name == PLAIN:
                return
            continue
        block[entry.name] = measured
        plain = block.get(PLAIN)
        if number == 0 and plain is not None and not entry.may_be_slow:
            ratio = measured.step_s / plain.step_s
            if ratio > HOPELESS:
                results.hopeless[entry.name] = ratio
