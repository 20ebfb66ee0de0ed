"""The page's tables, and what its words mean."""

from __future__ import annotations

from collections.abc import Sequence

from drivetrain.core.units import duration_text
from drivetrain.figures import Markup, element, share_text
from drivetrain.report.html import section, table
from drivetrain.report.profile.names import by_plain_name, plain_kernel
from drivetrain.report.profile.story import Critical, Process, ProfileStory, TableLine
from drivetrain.report.profile.text import short, skipped_text, unread_text

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
    ("idle: other", "neither runs: Python between operators, other processes, the system"),
    ("forward, backward, optimizer", "by annotations, or else by operators of autograd; of the leading thread"),
    ("total, self", "of an operator: with and without the operators that it calls"),
)
"""What the page's words mean, for people who see a profile for the first time."""


def tables_sections(process: Process, num_processes: int) -> list[Markup]:
    """Operators, modules, kernels and collectives of one process."""
    of = process.label if num_processes > 1 else ""
    each = (
        ("Kernels", by_plain_name(process.kernels)),
        ("Operators", process.operators),
        ("Modules", process.modules),
        ("Collectives", process.collectives),
    )
    tables = [_lines_section(title, lines, of) for title, lines in each if lines]
    return [*tables, _critical_section(process.critical, of)] if process.critical is not None else tables


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
        cells = [_cell_name(line.name, title), f"{line.count:,}", duration_text(line.total_ns)]
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


def _cell_name(name: str, title: str) -> str:
    """Modules by the end of their path, which tells them apart."""
    if title == "Modules":
        return name if len(name) <= _MOST_NAME else f"…{name[-_MOST_NAME:]}"
    return short(name, _MOST_NAME)


def _critical_section(critical: Critical, of: str) -> Markup:
    """What the steps took as long as they did for, and what a step would take without it."""
    rows = [
        [
            part.where,
            short(plain_kernel(part.name), _MOST_NAME),
            f"{part.num_pieces:,}",
            duration_text(part.dur_ns),
            share_text(part.dur_ns, critical.total_ns),
        ]
        for part in critical.parts[:_MOST_ROWS]
    ]
    path = table(["where", "name", "#pieces", "#time", "#of the path"], rows, caption="The critical path", dense=True)
    free = [
        [short(plain_kernel(name), _MOST_NAME), duration_text(round(ns)), duration_text(round(critical.step_ns - ns))]
        for name, ns in critical.free
    ]
    columns = ["if this took no time", "#a step would take", "#less by"]
    note = f"what the steps took as long as they did for; mean step {duration_text(round(critical.step_ns))}"
    content = [path, table(columns, free, caption="What if", dense=True)] if free else [path]
    return section("Critical path", *content, note=f"{of}; {note}" if of else note)


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
    notes += [f"not read: {unread_text(file, why)}" for file, why in list(story.unread.items())[:_MOST_ROWS]]
    content += [element("p", note) for note in notes]
    return section("What was read", *content)


def words_section() -> Markup:
    """Definitions."""
    return section("Words", table(["word", "meaning"], WORDS, caption="What the words on this page mean"))
