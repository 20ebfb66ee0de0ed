"""The page's pictures, each with the same in numbers beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from drivetrain.core.units import bytes_text, duration_text
from drivetrain.figures import (
    Dot,
    Markup,
    Series,
    account_bar,
    band_timeline,
    element,
    join,
    line_chart,
    roofline,
    share_text,
    stack_chart,
    stacking_order,
    swatch,
)
from drivetrain.report.html import section, table
from drivetrain.report.profile.story import Process, Roofline, StepLine
from drivetrain.report.profile.text import flops_text, short, window_text

_DEVICE = ("compute", "communication", "copy", "idle")
_HOST = ("loader", "forward", "backward", "optimizer", "other")
_MOST_BANDS = 32
_MOST_ROWS = 40


def breakdown_section(processes: Sequence[Process]) -> Markup:
    """The whole of each trace by what its device did."""
    if not processes:
        return Markup("")
    of = "device time" if processes[0].device else "host time"
    parts = [_parts_ns(process) for process in processes]
    if len(processes) == 1:
        picture = account_bar(parts[0], key="breakdown", title="Where the time went", of=of)
    else:
        stacks = [(process.label.removeprefix("rank "), one) for process, one in zip(processes, parts, strict=True)]
        chart = stack_chart(stacks, key="breakdown", title="Where the time of each went", x_label="rank or trace")
        picture = join(chart, _key(_present(_DEVICE, parts), "breakdown"))
    rows = [
        [
            process.label,
            *(_part_text(one[part], sum(one.values())) for part in _DEVICE),
            duration_text(sum(one.values())),
        ]
        for process, one in zip(processes[:_MOST_ROWS], parts, strict=False)
    ]
    columns = ["", "#compute", "#exposed communication", "#exposed copies", "#idle", "#total"]
    numbers = table(columns, rows, caption="The breakdown in numbers")
    return section("Where the time went", picture, numbers, note=f"of {of}, {window_text(processes[0])}")


def _parts_ns(process: Process) -> dict[str, int]:
    keys = ("compute_us", "exposed_comm_us", "exposed_memcpy_us", "idle_us")
    values = (process.breakdown[key] for key in keys)
    return {
        part: round(1000 * value) if isinstance(value, int | float) else 0
        for part, value in zip(_DEVICE, values, strict=True)
    }


def _part_text(part_ns: int, total_ns: int) -> str:
    return f"{duration_text(part_ns)} · {share_text(part_ns, total_ns)}" if part_ns else "–"


def steps_section(processes: Sequence[Process]) -> Markup:
    """Each step of the process with the longest one, by the host's spans and by the device."""
    process = max(processes, key=_longest_ns, default=None)
    if process is None or not process.steps:
        return Markup("")
    charts = []
    if any(step.host for step in process.steps):
        hosts = [(step.name, step.host) for step in process.steps]
        charts += [
            element("h3", "by what the leading thread does"),
            stack_chart(hosts, key="host-steps", title="Steps by the host's spans", x_label="step"),
            _key(_present(_HOST, (step.host for step in process.steps)), "host-steps"),
        ]
    if process.device:
        devices = [(step.name, _with_causes(step)) for step in process.steps]
        order = _present((*_DEVICE[:3], "loader", "sync", "host", "other"), (parts for _, parts in devices))
        charts += [
            element("h3", "by what the device does, and why it is idle"),
            stack_chart(devices, key="device-steps", title="Steps by the device's time", x_label="step"),
            _key(order, "device-steps"),
        ]
    of = f"of {process.label}, which has the longest step" if len(processes) > 1 else ""
    return section("Steps", *charts, _steps_table(process), note=of)


def _longest_ns(process: Process) -> int:
    return max((step.length_ns for step in process.steps), default=0)


def _with_causes(step: StepLine) -> dict[str, int]:
    """The device's parts with idle time under the names of its causes."""
    return {**{part: ns for part, ns in step.device.items() if part != "idle"}, **step.idle}


def _present(order: Iterable[str], each: Iterable[object]) -> list[str]:
    seen = {part for parts in each if isinstance(parts, dict) for part, ns in parts.items() if ns}
    return [part for part in order if part in seen]


def _steps_table(process: Process) -> Markup:
    shown = process.steps
    if len(shown) > _MOST_ROWS:
        shown = sorted(process.steps, key=lambda step: -step.length_ns)[:_MOST_ROWS]
    hosts = _present(_HOST, (step.host for step in shown))
    devices = _present(_DEVICE, (step.device for step in shown))
    whose = "device" if process.device else "all threads"
    columns = ["#step", "#length", *(f"#{part}" for part in hosts), *(f"#{whose}: {part}" for part in devices)]
    rows = [
        [step.name, duration_text(step.length_ns)]
        + [duration_text(step.host.get(part, 0)) for part in hosts]
        + [duration_text(step.device.get(part, 0)) for part in devices]
        for step in shown
    ]
    what = f"the {len(shown)} longest of {len(process.steps):,} steps" if len(shown) < len(process.steps) else ""
    words = element("p", what, class_="note") if what else Markup("")
    return join(words, table(columns, rows, caption="Steps in numbers", dense=len(columns) > 9))


def timeline_section(processes: Sequence[Process]) -> Markup:
    """Devices and leading threads over time."""
    several = len(processes) > 1
    bands = {
        (f"{process.label} {name}" if several else name): columns
        for process in processes
        for name, columns in process.bands.items()
        if name != "host" or not several or not process.device
    }
    shown = dict(list(bands.items())[:_MOST_BANDS])
    length_ns = max((process.length_ns for process in processes), default=0)
    if not shown or length_ns <= 0:
        return Markup("")
    names = {name: str(number) for number, name in enumerate(shown)} if several else {}
    drawn = {names.get(name, name): columns for name, columns in shown.items()}
    chart = band_timeline(drawn, length_ns, key="timeline", title="Devices over time", what="band")
    parts = stacking_order({part for columns in shown.values() for column in columns for part in column})
    rows = [
        [*([names[name]] if several else []), name, *(_part_text(_total(columns, part), length_ns) for part in parts)]
        for name, columns in shown.items()
    ]
    columns = [*(["band"] if several else []), "of", *(f"#{part}" for part in parts)]
    note = "each column of a band is split by share; what is empty is idle"
    if len(shown) < len(bands):
        note += f"; the first {len(shown)} of {len(bands)}"
    return section("Over time", chart, _key(parts, "timeline"), table(columns, rows, caption="Over time"), note=note)


def _total(columns: Sequence[dict[str, float]], part: str) -> int:
    return round(sum(column.get(part, 0.0) for column in columns))


def memory_section(processes: Sequence[Process]) -> Markup:
    """Memory over time of the process that holds most, and what held it at the peak."""
    held = [process for process in processes if process.memory is not None]
    if not held:
        return Markup("")
    process = max(held, key=lambda one: one.memory.peak_bytes if one.memory else 0)
    memory = process.memory
    assert memory is not None
    content = []
    if process.memory_line:
        points = [(at_ns / 1e6, num_bytes / 2**20) for at_ns, num_bytes in process.memory_line]
        content.append(line_chart([Series("MiB", points)], key="memory", title="Memory in MiB", x_label="ms"))
    rows = [
        [short(owner.name, 72), bytes_text(owner.size_bytes), share_text(owner.size_bytes, memory.peak_bytes)]
        for owner in memory.owners[:_MOST_ROWS]
    ]
    if rows:
        content.append(table(["held at the peak by", "#size", "#of the peak"], rows, caption="The peak's owners"))
    of = f" of {bytes_text(memory.capacity_bytes)}" if memory.capacity_bytes else ""
    note = f"{process.label}; {bytes_text(memory.peak_bytes)} at the peak{of}; chart in MiB over ms"
    return section("Memory", *content, note=note)


def arithmetic_section(processes: Sequence[Process]) -> Markup:
    """Operators under the roof of the device."""
    process = next((process for process in processes if process.roofline is not None), None)
    if process is None or process.roofline is None:
        return Markup("")
    found = process.roofline
    dots = [Dot(one.name, one.flops_per_byte, one.flops_per_s, one.share) for one in found.points]
    chart = Markup("")
    if found.peak_flops_per_s:
        chart = roofline(dots, found.peak_flops_per_s, found.bytes_per_s, key="roofline")
    rows = [
        [
            short(one.name, 72),
            one.dtype,
            f"{one.flops_per_byte:.3g}" if one.flops_per_byte else "–",
            f"{one.flops_per_s / 1e12:.3g}",
            "–" if one.of_peak is None else f"{100 * one.of_peak:.1f} %",
            f"{100 * one.share:.1f} %",
        ]
        for one in found.points[:_MOST_ROWS]
    ]
    columns = ["operator and shapes", "type", "#FLOP per byte", "#TFLOP/s", "#of its peak", "#of such time"]
    numbers = table(columns, rows, caption="Arithmetic in numbers", dense=True)
    return section("Arithmetic", chart, numbers, note=_roofline_note(process.label, found))


def _roofline_note(label: str, found: Roofline) -> str:
    told = [label, f"{flops_text(found.flops_per_step)} a step"]
    if found.mfu is not None:
        told.append(f"MFU {100 * found.mfu:.1f} %")
    if found.peak_flops_per_s:
        told.append(f"peak {found.peak_flops_per_s / 1e12:.4g} TFLOP/s dense {found.dtype} ({found.source})")
    told.append(f"arithmetic unknown for {100 * found.unknown_share:.0f} % of operators' time")
    return "; ".join(told)


def _key(parts: Iterable[str], key: str) -> Markup:
    return element("div", *(element("span", swatch(part, f"{key}-key-{part}"), part) for part in parts), class_="key")
