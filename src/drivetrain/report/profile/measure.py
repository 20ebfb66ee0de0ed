"""A trace -> all that is said of it, by the analyses of `profile`. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict

import numpy as np

from drivetrain.core.units import count_text
from drivetrain.figures import NUM_COLUMNS, Column
from drivetrain.profile import Kind, Trace
from drivetrain.profile.analyse import (
    Breakdown,
    HtaBreakdown,
    IdleCause,
    Phase,
    breakdown_by_device,
    collectives,
    device_gaps,
    host_spans,
    hta_breakdown,
    kineto_steps,
    launch_stats,
    rank_steps,
)
from drivetrain.profile.analyse.overview import Shares, device_overview, host_overview
from drivetrain.report.profile.across import Measured
from drivetrain.report.profile.facts import Facts
from drivetrain.report.profile.looks import Looks, device_name, look_at
from drivetrain.report.profile.measure_facts import Further, facts_of
from drivetrain.report.profile.measure_limits import held_memory, roofline_of
from drivetrain.report.profile.measure_path import critical_of
from drivetrain.report.profile.measure_tables import tables_of
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


def measure(trace: Trace, label: str, path: str, *, with_figures: bool = True) -> Measured:
    """Everything that is said of one trace, and what comparing it with others needs.

    Args:
      label: what to call it.
      path: of its file.
      with_figures: also by other tools' definitions, which only programs read.
    """
    looks = look_at(trace)
    steps = step_lines(looks)
    found = collectives(trace, label)
    tables = tables_of(trace, looks.tree, found)
    held, roof = held_memory(trace, looks.tree), roofline_of(trace, looks.tree)
    critical = critical_of(trace, looks.tree)
    facts = facts_of(looks, label, steps, Further(tables, held.memory, roof, critical))
    begin_ns, end_ns = _window(trace)
    process = Process(
        label=label,
        path=path,
        file=trace.origin.name,
        rank=trace.origin.rank,
        world_size=trace.origin.world_size,
        device=device_name(trace),
        num_events=len(trace),
        counts=_counts(trace),
        skipped=trace.origin.skipped,
        breakdown=asdict(looks.whole),
        figures=_figures(looks) if with_figures else {},
        facts=facts,
        steps=steps,
        kernels=tables.kernels,
        operators=tables.operators,
        modules=tables.modules,
        collectives=tables.collectives,
        memory_line=held.line,
        memory=held.memory,
        roofline=roof,
        critical=critical,
        bands=_bands(looks, begin_ns, end_ns),
        length_ns=end_ns - begin_ns,
        notes=_notes(looks, facts),
    )
    return Measured(process, found, rank_steps(trace, label))


def _figures(looks: Looks) -> Mapping[str, object]:
    """The same time by other tools' definitions, and each accelerator's own; plain values."""
    trace = looks.trace
    gaps, launches = device_gaps(trace).by_cause_ns(), launch_stats(trace)
    return {
        "tracelens": asdict(looks.whole) if looks.whole.source == "device" else None,
        "hta": _hta(hta_breakdown(trace)),
        "hta_with_last_step": _hta(hta_breakdown(trace, include_last_step=True)),
        "kineto": [asdict(step) for step in kineto_steps(trace)],
        "by_device": {str(device): asdict(one) for device, one in breakdown_by_device(trace).items()},
        "idle_by_queue_ns": {cause.name.lower(): gaps[cause] for cause in IdleCause},
        "launches": None if launches is None else asdict(launches),
    }


def _hta(found: HtaBreakdown | None) -> Mapping[str, object] | None:
    """With causes by name."""
    if found is None:
        return None
    return {**asdict(found), "idle": [{**asdict(one), "cause": one.cause.name.lower()} for one in found.idle]}


def _counts(trace: Trace) -> Mapping[str, int]:
    each = Counter(dict(enumerate(np.bincount(trace.kind, minlength=len(Kind)).tolist())))
    return {word: each[kind] for kind, word in _WORDS.items() if each[kind]}


def _window(trace: Trace) -> tuple[int, int]:
    return (int(trace.ts_ns[0]), int(trace.end_ns.max())) if len(trace) else (0, 0)


def step_lines(looks: Looks) -> tuple[StepLine, ...]:
    """Each step by the device's time, the host's spans and the causes of idle time."""
    spans = {one.number: one for one in host_spans(looks.trace, looks.tree.nesting)}
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


def _notes(looks: Looks, facts: Facts) -> list[str]:
    if not len(looks.trace):
        return ["there are no events in it"]
    notes = []
    if not facts.is_host_traced:
        unknown = "why the device idles" if facts.device else "what took the time"
        notes.append(f"nothing of the host as PyTorch's profiler names operators and calls: {unknown} is not known")
    elif looks.whole.source == "host":
        notes.append("no device events: all figures are the host's")
    if not looks.steps.annotated:
        notes.append("no steps are marked (call profiler.step() after each): all that was done is taken as one")
    if looks.whole.num_unlaunched:
        left_out = count_text(looks.whole.num_unlaunched, "device event")
        notes.append(f"not counted in the breakdown: {left_out} whose launch is not in the trace")
    return notes
