"""Tracks that show, in Perfetto, what the findings say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from drivetrain.profile import read_trace
from drivetrain.profile.analyse import Phase
from drivetrain.profile.analyse.idle_by_host import idle_times, phase_times
from drivetrain.profile.analyse.intervals import Intervals
from drivetrain.profile.analyse.overview import device_parts
from drivetrain.profile.perfetto import Mark, PerfettoWriter, Track
from drivetrain.report.profile.looks import Looks, look_at
from drivetrain.report.profile.story import ProfileStory
from drivetrain.report.profile_findings import ProfileFinding
from drivetrain.store import publish_file

_SHOWN_BY = {
    "loader": ("idle: loader", "loader"),
    "launch": ("idle: host", "idle: other"),
    "sync": ("idle: sync",),
    "communication": ("exposed communication",),
    "straggler": ("exposed communication",),
    "pageable": ("exposed copies",),
    "uneven": ("steps",),
}
"""Kind of finding -> tracks whose longest span is its example."""


def write_perfetto(path: Path, story: ProfileStory, advance: Callable[[int], None]) -> None:
    """Write one file with all traces and our tracks; each trace is read once more, one at a time.

    Ranks of one run keep their times; traces side by side all begin at 0.

    Args:
      path: ends in `.json.gz`; replaced when the file is whole.
      story: what was found.
      advance: called now and then with how many events are written.
    Raises: StoreError: the disk would not take it. DataError: a trace is no longer there.
    """
    zero_ns: int | None = None
    with publish_file(path) as file, PerfettoWriter(file, advance) as writer:
        for process in story.processes:
            trace = read_trace(process.path)
            zero_ns = trace.origin.base_ns if zero_ns is None or not story.across else zero_ns
            own = [finding for finding in story.findings if finding.label in ("", process.label)]
            writer.add(trace, process.label, tracks(look_at(trace), own), zero_ns)


def tracks(looks: Looks, findings: Sequence[ProfileFinding]) -> list[Track]:
    """Findings, steps, the host's phases, exposed communication and copies, and idle time by cause."""
    steps = looks.steps
    each = zip(steps.number.tolist(), steps.begin_ns.tolist(), steps.end_ns.tolist(), strict=True)
    found = {"steps": Track("steps", [Mark(f"step {number}", begin, end) for number, begin, end in each])}
    named = {phase.name.lower(): phase_times(looks.phases, phase) for phase in Phase if phase != Phase.OTHER}
    if looks.causes is not None:
        parts = device_parts(looks.trace)
        idle = idle_times(looks.trace, looks.phases, steps.begin_ns, steps.end_ns)
        named |= {"exposed communication": parts["communication"], "exposed copies": parts["copy"]}
        named |= {f"idle: {cause}": getattr(idle, cause) for cause in ("loader", "sync", "host", "other")}
    found |= {name: Track(name, _marks(name, times)) for name, times in named.items() if len(times)}
    examples = [mark for finding in findings if (mark := _example(finding, found)) is not None]
    return [*(Track(f"finding {number}", [mark]) for number, mark in enumerate(examples, start=1)), *found.values()]


def _marks(name: str, times: Intervals) -> list[Mark]:
    return [Mark(name, int(begin), int(end)) for begin, end in zip(times.begin, times.end, strict=True)]


def _example(finding: ProfileFinding, found: dict[str, Track]) -> Mark | None:
    """The finding where its evidence is longest; None where no track shows it."""
    shown = [mark for name in _SHOWN_BY.get(finding.kind, ()) if name in found for mark in found[name].marks]
    if not shown:
        return None
    longest = max(shown, key=lambda mark: mark.end_ns - mark.begin_ns)
    args = {"why": finding.evidence, "change": finding.change, "gain": finding.gain}
    return Mark(finding.text, longest.begin_ns, longest.end_ns, {key: value for key, value in args.items() if value})
