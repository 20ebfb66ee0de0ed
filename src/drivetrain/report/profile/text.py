"""A profile for the terminal: what was read, where the time goes, and at the end what to do about it."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from drivetrain.core.columns import aligned
from drivetrain.core.units import bytes_text, count_text, duration_text
from drivetrain.figures import share_text
from drivetrain.report.profile.names import by_plain_name, plain_kernel
from drivetrain.report.profile.story import Process, ProfileStory, StepLine, TableLine

_MOST_PROCESSES = 16
_MOST_STEPS = 12
_MOST_LINES = 8
_MOST_NAME = 48
_MOST_FREE = 3
_WIDTH = 100
_NO_BREAK = "\u00a0%"


def profile_text(story: ProfileStory) -> str:
    """All of it as lines; ends in the findings."""
    parts = [
        "\n".join(map(_read_line, story.processes)),
        _breakdown_text(story.processes),
        *(_process_text(process, len(story.processes)) for process in story.processes[:1]),
        "\n".join(f"note: {note}" for note in _notes(story)),
        findings_text(story),
    ]
    return "\n\n".join(part for part in parts if part)


def findings_text(story: ProfileStory) -> str:
    """The findings, numbered, each with its evidence, change and gain."""
    if not story.findings:
        return "Nothing is large enough to act on."
    lines = []
    for number, finding in enumerate(story.findings, start=1):
        lines += _wrapped(f"{number}. ", finding.text)
        for name, part in (("why: ", finding.evidence), ("do: ", finding.change), ("gain: ", finding.gain)):
            lines += _wrapped(f"   {name}", part) if part else []
    return "\n".join(lines)


def table_text(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Aligned columns; a name that starts with `#` is right-aligned, the `#` not shown."""
    head = [column.removeprefix("#") for column in columns]
    numbers = [place for place, column in enumerate(columns) if column.startswith("#")]
    return "\n".join(aligned([head, *rows], numbers))


def _wrapped(start: str, text: str) -> list[str]:
    """Lines of a paragraph; neither a hyphen nor the space before a percent sign breaks them."""
    lines = textwrap.wrap(
        text.replace(" %", _NO_BREAK),
        _WIDTH,
        initial_indent=start,
        subsequent_indent=" " * len(start),
        break_on_hyphens=False,
        break_long_words=False,
    )
    return [line.replace(_NO_BREAK, " %") for line in lines]


def _read_line(process: Process) -> str:
    steps = count_text(len(process.steps), "step")
    told = [count_text(process.num_events, "event"), steps, process.device or "no device events"]
    if process.skipped:
        told.append(f"skipped: {skipped_text(process.skipped)}")
    name = process.file if process.label in ("", process.file) else f"{process.label} ({process.file})"
    return f"{name}: {', '.join(told)}"


def skipped_text(skipped: Mapping[str, int]) -> str:
    """What was skipped, with its counts: `an event without a duration (3)`."""
    return ", ".join(f"{what} ({count:,})" for what, count in skipped.items())


def _breakdown_text(processes: Sequence[Process]) -> str:
    columns = ["", "#compute", "#exposed comm", "#exposed copy", "#idle", "#total"]
    rows = [_breakdown_row(process) for process in processes[:_MOST_PROCESSES]]
    more = len(processes) - _MOST_PROCESSES
    table = table_text(columns, rows) + (f"\n… and {more} more: --json has all" if more > 0 else "")
    return f"{window_text(processes[0])}\n{table}" if processes else ""


def window_text(process: Process) -> str:
    """Of which stretch of time the breakdown is."""
    return "from the first device event to the last" if process.device else "from the first step to the last"


def _breakdown_row(process: Process) -> list[str]:
    keys = ("compute_us", "exposed_comm_us", "exposed_memcpy_us", "idle_us")
    total_ns = _ns(process.breakdown["total_us"])
    cells = [process.label]
    for key in keys:
        value = process.breakdown[key]
        ns = _ns(value)
        cells.append("–" if value is None else f"{duration_text(ns)} {share_text(ns, total_ns):>7}")
    return [*cells, duration_text(total_ns)]


def _ns(value_us: object) -> int:
    return round(1000 * value_us) if isinstance(value_us, int | float) else 0


def _process_text(process: Process, num_processes: int) -> str:
    of = f" of {process.label}" if num_processes > 1 else ""
    parts = [
        _titled(f"steps{of}", steps_table(process.steps)),
        _titled(f"kernels{of}", lines_table(by_plain_name(process.kernels)[:_MOST_LINES])),
        _titled(f"operators{of}", lines_table(process.operators[:_MOST_LINES])),
        _titled(f"collectives{of}", lines_table(process.collectives[:_MOST_LINES])),
        _what_if_text(process),
        _memory_text(process),
        _arithmetic_text(process),
    ]
    return "\n\n".join(filter(None, parts))


def _titled(title: str, table: str) -> str:
    return f"{title}\n{table}" if table else ""


def steps_table(steps: Sequence[StepLine]) -> str:
    """Steps by the host's spans and the device's time; of many the first ones and the slowest."""
    if not steps:
        return ""
    shown = list(steps[:_MOST_STEPS])
    slowest = max(steps, key=lambda step: step.length_ns)
    if slowest not in shown:
        shown[-1] = slowest
    hosts = [
        part for part in ("loader", "forward", "backward", "optimizer", "other") if any(part in s.host for s in steps)
    ]
    devices = [part for part in ("compute", "communication", "copy", "idle") if any(s.device.get(part) for s in steps)]
    columns = ["#step", "#length", *(f"#{part}" for part in hosts), *(f"#· {part}" for part in devices)]
    rows = [
        [step.name, duration_text(step.length_ns)]
        + [duration_text(step.host.get(part, 0)) for part in hosts]
        + [duration_text(step.device.get(part, 0)) for part in devices]
        for step in shown
    ]
    more = len(steps) - len(shown)
    return table_text(columns, rows) + (f"\n… and {more} more" if more > 0 else "")


def lines_table(lines: Sequence[TableLine]) -> str:
    """Kernels, operators or collectives; columns that nobody fills are left out."""
    if not lines:
        return ""
    has_self = any(line.self_ns != line.total_ns for line in lines)
    has_device = any(line.device_ns is not None for line in lines)
    has_mean = any(line.mean_ns is not None for line in lines)
    columns = ["name", "#count", "#total"]
    columns += ["#self"] * has_self + ["#device"] * has_device + ["#mean"] * has_mean
    columns += [""] * any(line.note for line in lines)
    return table_text(columns, [_line_row(line, has_self, has_device, has_mean)[: len(columns)] for line in lines])


def _line_row(line: TableLine, has_self: bool, has_device: bool, has_mean: bool) -> list[str]:
    cells = [short(line.name), f"{line.count:,}", duration_text(line.total_ns)]
    cells += [duration_text(line.self_ns)] if has_self else []
    cells += ["–" if line.device_ns is None else duration_text(line.device_ns)] if has_device else []
    cells += ["–" if line.mean_ns is None else duration_text(line.mean_ns)] if has_mean else []
    return [*cells, line.note]


def short(name: str, most: int = _MOST_NAME) -> str:
    """A name that fits a column; kernels tell themselves apart at both ends."""
    return name if len(name) <= most else f"{name[: most - 16]}…{name[-15:]}"


def _memory_text(process: Process) -> str:
    memory = process.memory
    if memory is None:
        return ""
    owners = ", ".join(f"{short(owner.name)} {bytes_text(owner.size_bytes)}" for owner in memory.owners[:4])
    return f"memory: {bytes_text(memory.peak_bytes)} at the peak" + (f", of which {owners}" if owners else "")


def _what_if_text(process: Process) -> str:
    critical = process.critical
    if critical is None or not critical.free:
        return ""
    rows = [
        [short(plain_kernel(name)), duration_text(round(ns)), duration_text(round(critical.step_ns - ns))]
        for name, ns in critical.free[:_MOST_FREE]
    ]
    return table_text(["if this took no time", "#a step would take", "#less by"], rows)


def _arithmetic_text(process: Process) -> str:
    found = process.roofline
    if found is None:
        return ""
    told = [f"{flops_text(found.flops_per_step)} a step"]
    if found.mfu is not None:
        told.append(f"MFU {100 * found.mfu:.1f} % of {found.peak_flops_per_s / 1e12:.4g} TFLOP/s ({found.dtype})")
    told.append(f"arithmetic unknown for {100 * found.unknown_share:.0f} % of operators' time")
    return f"arithmetic: {', '.join(told)}"


def flops_text(flops: float) -> str:
    """Arithmetic for people: `8.95 TFLOP`, `19.4 MFLOP`."""
    for factor, unit in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M")):
        if flops >= factor:
            return f"{flops / factor:.3g} {unit}FLOP"
    return f"{flops:,.0f} FLOP"


def _notes(story: ProfileStory) -> list[str]:
    several = len(story.processes) > 1
    notes = [*story.notes]
    for process in story.processes:
        notes += [f"{process.label}: {note}" if several else note for note in process.notes]
    return notes + [f"not read: {unread_text(file, why)}" for file, why in story.unread.items()]


def unread_text(file: str, why: str) -> str:
    """Which file could not be read, and why; its name once."""
    return why if why.startswith(file) else f"{file}: {why}"
