"""A trace -> all that is said of it, by the analyses of `profile`. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from drivetrain.core.units import count_text
from drivetrain.figures import NUM_COLUMNS, Column
from drivetrain.profile import DEVICE_KINDS, Kind, Trace
from drivetrain.profile.analyse import (
    Breakdown,
    HtaBreakdown,
    IdleCause,
    Nesting,
    Phase,
    Steps,
    breakdown,
    breakdown_by_device,
    breakdown_by_step,
    device_gaps,
    host_spans,
    host_steps,
    hta_breakdown,
    kineto_steps,
    nest,
)
from drivetrain.profile.analyse.idle_by_host import IdleCauses, idle_causes
from drivetrain.profile.analyse.overview import Shares, device_overview, host_overview
from drivetrain.profile.analyse.pieces import Pieces
from drivetrain.profile.analyse.spans import phase_pieces
from drivetrain.profile.analyse.words import LOADER, flags
from drivetrain.report.profile.facts import Facts
from drivetrain.report.profile.story import Process, StepLine

_WORDS = {
    Kind.CPU_OP: "operators",
    Kind.RUNTIME: "runtime calls",
    Kind.KERNEL: "kernels",
    Kind.MEMCPY: "copies",
    Kind.MEMSET: "sets of memory",
    Kind.ANNOTATION: "annotations",
    Kind.PYTHON: "Python calls",
}

_DEVICE_PARTS = ("compute", "communication", "copy", "idle")
_IDLE_PARTS = ("loader", "sync", "host", "other")


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """What several analyses of one trace begin with, made once.

    Attributes:
      trace: of one process.
      nesting: of its host events.
      phases: of the leading thread.
      whole: all of its time.
      steps, by_step: with a device, until that has done what was launched in them.
      causes: of idle time in each step; None without a device.
    """

    trace: Trace
    nesting: Nesting
    phases: Pieces
    whole: Breakdown
    steps: Steps
    by_step: tuple[Breakdown, ...]
    causes: IdleCauses | None


def look_at(trace: Trace) -> Looks:
    """What all that follows needs."""
    nesting = nest(trace)
    phases = phase_pieces(trace, nesting, host_steps(trace))
    whole = breakdown(trace)
    steps, by_step = breakdown_by_step(trace)
    causes = idle_causes(trace, phases, steps.begin_ns, steps.end_ns) if whole.source == "device" else None
    return Looks(trace, nesting, phases, whole, steps, by_step, causes)


def process_of(trace: Trace, label: str) -> Process:
    """Everything that a page says about one trace."""
    looks = look_at(trace)
    steps = step_lines(looks)
    begin_ns, end_ns = _window(trace)
    return Process(
        label=label,
        file=trace.origin.name,
        rank=trace.origin.rank,
        device=device_name(trace),
        num_events=len(trace),
        counts=_counts(trace),
        skipped=trace.origin.skipped,
        breakdown=asdict(looks.whole),
        figures=_figures(looks),
        facts=facts_of(looks, label, steps),
        steps=steps,
        bands=_bands(looks, begin_ns, end_ns),
        length_ns=end_ns - begin_ns,
        notes=_notes(looks),
    )


def _figures(looks: Looks) -> Mapping[str, object]:
    """The same time by other tools' definitions, and each accelerator's own; plain values."""
    trace = looks.trace
    gaps = device_gaps(trace).by_cause_ns()
    return {
        "tracelens": asdict(looks.whole) if looks.whole.source == "device" else None,
        "hta": _hta(hta_breakdown(trace)),
        "hta_with_last_step": _hta(hta_breakdown(trace, include_last_step=True)),
        "kineto": [asdict(step) for step in kineto_steps(trace)],
        "by_device": {str(device): asdict(one) for device, one in breakdown_by_device(trace).items()},
        "idle_by_queue_ns": {cause.name.lower(): gaps[cause] for cause in IdleCause},
    }


def _hta(found: HtaBreakdown | None) -> Mapping[str, object] | None:
    """With causes by name."""
    if found is None:
        return None
    return {**asdict(found), "idle": [{**asdict(one), "cause": one.cause.name.lower()} for one in found.idle]}


def device_name(trace: Trace) -> str:
    """The accelerator that worked, `accelerator` if its name is not told; empty without one."""
    worked = np.unique(trace.device[trace.rows(*DEVICE_KINDS)])
    if not len(worked):
        return ""
    names = {device.name for device in trace.origin.devices if device.index in worked and device.name}
    return ", ".join(sorted(names)) or "accelerator"


def _counts(trace: Trace) -> Mapping[str, int]:
    each = Counter(dict(enumerate(np.bincount(trace.kind, minlength=len(Kind)).tolist())))
    return {word: each[kind] for kind, word in _WORDS.items() if each[kind]}


def _window(trace: Trace) -> tuple[int, int]:
    return (int(trace.ts_ns[0]), int(trace.end_ns.max())) if len(trace) else (0, 0)


def step_lines(looks: Looks) -> tuple[StepLine, ...]:
    """Each step by the device's time, the host's spans and the causes of idle time."""
    spans = {one.number: one for one in host_spans(looks.trace, looks.nesting)}
    causes = looks.causes
    each = (
        {}
        if causes is None
        else {"loader": causes.loader_ns, "sync": causes.sync_ns, "host": causes.host_ns, "other": causes.other_ns}
    )
    lines = []
    for index, (number, part) in enumerate(zip(looks.steps.number.tolist(), looks.by_step, strict=True)):
        host = spans.get(number)
        lines.append(
            StepLine(
                name=str(number),
                length_ns=int(looks.steps.end_ns[index] - looks.steps.begin_ns[index]),
                device=_device_parts(part),
                host={} if host is None else {phase.name.lower(): host.part_ns(phase) for phase in Phase},
                idle={name: int(values[index]) for name, values in each.items()},
            )
        )
    return tuple(lines)


def _device_parts(part: Breakdown) -> Mapping[str, int]:
    each = {
        "compute": part.compute_us,
        "communication": part.exposed_comm_us,
        "copy": part.exposed_memcpy_us or 0.0,
        "idle": part.idle_us,
    }
    return {name: round(1000 * us) for name, us in each.items()}


def facts_of(looks: Looks, label: str, steps: Sequence[StepLine]) -> Facts:
    """What rules ask."""
    num = max(len(steps), 1)

    def mean(values: Iterable[int]) -> int:
        return round(sum(values) / num)

    device = {part: mean(step.device[part] for step in steps) for part in _DEVICE_PARTS}
    idle = {part: mean(step.idle.get(part, 0) for step in steps) for part in _IDLE_PARTS}
    waits = mean(step.host.get("loader", 0) for step in steps)
    return Facts(
        label=label,
        device=device_name(looks.trace),
        num_steps=len(steps),
        step_ns=mean(step.length_ns for step in steps),
        step_lengths_ns=tuple(step.length_ns for step in steps),
        step_names=tuple(step.name for step in steps),
        compute_ns=device["compute"],
        exposed_comm_ns=device["communication"],
        exposed_copy_ns=device["copy"],
        idle_ns=device["idle"],
        loader_ns=idle["loader"] if looks.causes is not None else waits,
        sync_ns=idle["sync"],
        host_ns=idle["host"],
        other_ns=idle["other"],
        loader_wait_ns=waits,
        loader=_loader_name(looks),
    )


def _loader_name(looks: Looks) -> str:
    """What the first call of the loader is named; empty without one."""
    rows = looks.trace.rows(Kind.CPU_OP, Kind.ANNOTATION)
    rows = rows[flags(looks.trace, rows, LOADER.match)]
    return looks.trace.names[looks.trace.name[rows[0]]] if len(rows) else ""


def _bands(looks: Looks, begin_ns: int, end_ns: int) -> Mapping[str, list[Column]]:
    devices = device_overview(looks.trace, begin_ns, end_ns, NUM_COLUMNS)
    bands = {f"device {index}": _columns(shares) for index, shares in devices.items()}
    return {**bands, "host": _columns(host_overview(looks.phases, begin_ns, end_ns, NUM_COLUMNS))}


def _columns(shares: Shares) -> list[Column]:
    columns: list[Column] = [{} for _ in range(NUM_COLUMNS)]
    for part, values in shares.items():
        for index in np.flatnonzero(values).tolist():
            columns[index][part] = float(values[index])
    return columns


def _notes(looks: Looks) -> list[str]:
    notes = []
    if looks.whole.source == "host":
        notes.append("no device events: all figures are the host's")
    if not looks.steps.annotated:
        notes.append("no steps are marked (call profiler.step() after each): all that was recorded is taken as one")
    if looks.whole.num_unlaunched:
        left_out = count_text(looks.whole.num_unlaunched, "device event")
        notes.append(f"not counted in the breakdown: {left_out} whose launch is not in the trace")
    return notes
