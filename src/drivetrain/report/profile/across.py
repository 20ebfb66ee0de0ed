"""Ranks of one run together: who waits for whom, and who is slow. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from drivetrain.core.units import count_text
from drivetrain.profile.analyse import Collectives, RankSteps, Skew, Straggler, skew, stragglers
from drivetrain.report.profile.facts import Facts, Slow
from drivetrain.report.profile.story import Process


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """One trace: what is said of it, and what comparing it with others needs; free of the trace itself."""

    process: Process
    collectives: Collectives
    steps: RankSteps


@dataclass(frozen=True, slots=True)
class Together:
    """Processes with what they know of each other.

    Attributes:
      processes: in the order of the ranks.
      figures: of all together; plain values.
      notes: what does not fit together.
    """

    processes: tuple[Process, ...]
    figures: Mapping[str, object]
    notes: tuple[str, ...]


def together(each: Sequence[Measured]) -> Together:
    """Compare ranks of one run; traces that are no ranks of one run stay as they are."""
    processes = tuple(one.process for one in each)
    why_not = why_not_one_run(processes)
    if len(each) < 2 or why_not:
        notes = (f"looked at side by side, not as ranks of one run: {why_not}",) if len(each) > 1 else ()
        return Together(processes, {}, notes)
    waiting = skew([replace(one.collectives, label=one.process.label) for one in each])
    slow = stragglers([replace(one.steps, label=one.process.label) for one in each], waiting)
    figures = {"skew": _skew_json(waiting), "stragglers": [asdict(one) for one in slow]}
    slowest_ns = max(process.facts.step_ns for process in processes)
    known = tuple(
        replace(one, facts=replace(one.facts, slowest_step_ns=slowest_ns))
        for one in (_told(process, index, waiting, slow) for index, process in enumerate(processes))
    )
    return Together(known, figures, tuple(_step_notes(processes)))


def why_not_one_run(processes: Sequence[Process]) -> str:
    """What tells that these are no ranks of one run; empty if they may be."""
    ranks = Counter(process.rank for process in processes)
    if None in ranks:
        return f"{ranks[None]} of {len(processes)} do not say which rank they are"
    doubled = [f"rank {rank} comes {count} times" for rank, count in ranks.items() if count > 1]
    sizes = sorted({process.world_size for process in processes if process.world_size})
    if len(sizes) > 1:
        doubled.append(f"their numbers of ranks are {', '.join(map(str, sizes))}")
    return "; ".join(doubled)


def _told(process: Process, index: int, waiting: Skew, slow: Sequence[Straggler]) -> Process:
    own = next((one for one in slow if one.label == process.label), None)
    facts: Facts = replace(
        process.facts,
        late_ns=round(int(waiting.late_ns[index]) / max(len(waiting.steps), 1)) if waiting.num_matched else 0,
        wait_ns=round(int(waiting.wait_ns[index]) / max(len(waiting.steps), 1)) if waiting.num_matched else 0,
        slow=None if own is None else Slow(own.part, own.excess_ns, own.chance),
    )
    return replace(process, facts=facts)


def _skew_json(waiting: Skew) -> Mapping[str, object]:
    per_rank = zip(
        waiting.labels, waiting.wait_ns.tolist(), waiting.num_last.tolist(), waiting.late_ns.tolist(), strict=True
    )
    return {
        "num_matched": waiting.num_matched,
        "num_unmatched": waiting.num_unmatched,
        "pure_ns": waiting.pure_ns,
        "skew_ns": waiting.skew_ns,
        "last": waiting.last,
        "ranks": [
            {"label": label, "wait_ns": wait_ns, "num_last": num_last, "late_ns": late_ns}
            for label, wait_ns, num_last, late_ns in per_rank
        ],
        "kinds": [asdict(line) for line in waiting.lines],
    }


def _step_notes(processes: Sequence[Process]) -> list[str]:
    steps = [{step.name for step in process.steps} for process in processes]
    common = set.intersection(*steps)
    if all(one == common for one in steps):
        return []
    compared = (
        f"comparisons are of the {count_text(len(common), 'step')} that all have" if common else "none is compared"
    )
    return [f"ranks have different steps: {compared}"]
