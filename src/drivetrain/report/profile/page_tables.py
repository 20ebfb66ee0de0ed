"""The page's tables, and what its words mean."""

from __future__ import annotations

from collections.abc import Sequence

from drivetrain.core.units import duration_text
from drivetrain.figures import Markup, element, share_text
from drivetrain.report.html import section, table
from drivetrain.report.profile.story import Process, ProfileStory, TableLine
from drivetrain.report.profile.text import short, skipped_text

_MOST_ROWS = 30
_MOST_NAME = 84

WORDS = (
    ("step", "a ProfilerStep#N of the trace, on a device until that has done what was launched in it"),
    ("compute", "kernels that are no communication, and sets of memory"),
    ("exposed communication", "kernels of collectives while no compute runs"),
    ("exposed copies", "copies of memory while neither runs"),
    ("idle", "the rest: the device does nothing"),
    ("idle: loader", "the leading thread waits for the next batch meanwhile"),
    ("idle: sync", "the host had waited for the device, so that its queue ran empty"),
    ("idle: host", "operators or runtime calls run on the host: launching is not fast enough"),
    ("idle: other", "nothing that was traced runs: Python, other processes, the system"),
    ("forward, backward, optimizer", "by annotations, or else by operators of autograd; of the leading thread"),
    ("total, self", "of an operator: with and without the operators that it calls"),
)
"""What the page's words mean, for people who see a profile for the first time."""


def tables_sections(process: Process, num_processes: int) -> list[Markup]:
    """Operators, modules, kernels and collectives of one process."""
    of = process.label if num_processes > 1 else ""
    each = (
        ("Kernels", process.kernels),
        ("Operators", process.operators),
        ("Modules", process.modules),
        ("Collectives", process.collectives),
    )
    return [_lines_section(title, lines, of) for title, lines in each if lines]


def _lines_section(title: str, lines: Sequence[TableLine], of: str) -> Markup:
    has_self = any(line.self_ns != line.total_ns for line in lines)
    has_device = any(line.device_ns is not None for line in lines)
    has_mean = any(line.mean_ns is not None for line in lines)
    has_note = any(line.note for line in lines)
    whole_ns = sum(line.self_ns for line in lines)
    columns = ["name", "#count", "#total", "#of all"]
    columns += ["#self"] * has_self + ["#device"] * has_device + ["#mean"] * has_mean + [""] * has_note
    rows = []
    for line in lines[:_MOST_ROWS]:
        cells = [short(line.name, _MOST_NAME), f"{line.count:,}", duration_text(line.total_ns)]
        cells.append(share_text(line.self_ns, whole_ns))
        cells += [duration_text(line.self_ns)] * has_self
        cells += ["–" if line.device_ns is None else duration_text(line.device_ns)] * has_device
        cells += ["–" if line.mean_ns is None else duration_text(line.mean_ns)] * has_mean
        rows.append([*cells, *[line.note] * has_note])
    told = [of] if of else []
    told.append("by device time of their own" if has_device else "by time")
    if len(lines) > _MOST_ROWS:
        told.append(f"the first {_MOST_ROWS} of {len(lines):,}")
    return section(title, table(columns, rows, caption=title, dense=True), note="; ".join(told))


def read_section(story: ProfileStory) -> Markup:
    """Which files, how many events, and what could not be read."""
    rows = [
        [
            process.label,
            short(process.file, _MOST_NAME),
            f"{process.num_events:,}",
            ", ".join(f"{count:,} {what}" for what, count in process.counts.items()),
            skipped_text(process.skipped) or "nothing",
        ]
        for process in story.processes[:_MOST_ROWS]
    ]
    content = [table(["", "file", "#events", "of which", "skipped"], rows, caption="What was read")]
    notes = [*story.notes, *(f"{p.label}: {note}" for p in story.processes[:_MOST_ROWS] for note in p.notes)]
    notes += [f"not read: {file}: {why}" for file, why in list(story.unread.items())[:_MOST_ROWS]]
    content += [element("p", note) for note in notes]
    return section("What was read", *content)


def words_section() -> Markup:
    """Definitions."""
    return section("Words", table(["word", "meaning"], WORDS, caption="What the words on this page mean"))
