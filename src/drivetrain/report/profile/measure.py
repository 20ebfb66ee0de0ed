"""A trace -> all that is said of it, by the analyses of `profile`. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict

import numpy as np

from drivetrain.figures import NUM_COLUMNS, Column
from drivetrain.profile import Kind, Trace
from drivetrain.profile.analyse import Breakdown, Steps, breakdown, breakdown_by_step
from drivetrain.profile.analyse.idle_by_host import IdleCauses, idle_causes, loader_rows
from drivetrain.profile.analyse.overview import device_overview
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


def process_of(trace: Trace, label: str) -> Process:
    """Everything that a page says about one trace."""
    whole = breakdown(trace)
    found, parts = breakdown_by_step(trace)
    causes = idle_causes(trace, found.begin_ns, found.end_ns) if whole.source == "device" else None
    steps = tuple(_step_line(found, index, part, causes) for index, part in enumerate(parts))
    device = device_name(trace)
    begin_ns, end_ns = _window(trace)
    return Process(
        label=label,
        file=trace.origin.name,
        rank=trace.origin.rank,
        device=device,
        num_events=len(trace),
        counts=_counts(trace),
        skipped=trace.origin.skipped,
        breakdown=asdict(whole),
        figures={},
        facts=_facts(trace, label, device, steps, causes),
        steps=steps,
        bands=_bands(trace, begin_ns, end_ns),
        length_ns=end_ns - begin_ns,
        notes=_notes(whole, found),
    )


def device_name(trace: Trace) -> str:
    """The accelerator that worked, `accelerator` if its name is not told; empty without one."""
    worked = np.unique(trace.device[trace.rows(Kind.KERNEL, Kind.MEMCPY, Kind.MEMSET)])
    if not len(worked):
        return ""
    names = {device.name for device in trace.origin.devices if device.index in worked and device.name}
    return ", ".join(sorted(names)) or "accelerator"


def _counts(trace: Trace) -> Mapping[str, int]:
    each = Counter(dict(enumerate(np.bincount(trace.kind, minlength=len(Kind)).tolist())))
    return {word: each[kind] for kind, word in _WORDS.items() if each[kind]}


def _window(trace: Trace) -> tuple[int, int]:
    return (int(trace.ts_ns[0]), int(trace.end_ns.max())) if len(trace) else (0, 0)


def _step_line(found: Steps, index: int, part: Breakdown, causes: IdleCauses | None) -> StepLine:
    device = {
        "compute": part.compute_us,
        "communication": part.exposed_comm_us,
        "copy": part.exposed_memcpy_us or 0.0,
        "idle": part.idle_us,
    }
    idle = {}
    if causes is not None:
        each = {"loader": causes.loader_ns, "sync": causes.sync_ns, "host": causes.host_ns, "other": causes.other_ns}
        idle = {name: int(values[index]) for name, values in each.items()}
    return StepLine(
        name=str(found.number[index]),
        length_ns=int(found.end_ns[index] - found.begin_ns[index]),
        device={name: round(1000 * us) for name, us in device.items()},
        host={},
        idle=idle,
    )


def _facts(trace: Trace, label: str, device: str, steps: tuple[StepLine, ...], causes: IdleCauses | None) -> Facts:
    def mean(part: str) -> int:
        return round(sum(step.device[part] for step in steps) / max(len(steps), 1))

    def cause(part: str) -> int:
        return round(sum(step.idle.get(part, 0) for step in steps) / max(len(steps), 1))

    calls = loader_rows(trace)
    return Facts(
        label=label,
        device=device,
        num_steps=len(steps),
        step_ns=round(sum(step.length_ns for step in steps) / max(len(steps), 1)),
        step_lengths_ns=tuple(step.length_ns for step in steps),
        step_names=tuple(step.name for step in steps),
        compute_ns=mean("compute"),
        exposed_comm_ns=mean("communication"),
        exposed_copy_ns=mean("copy"),
        idle_ns=mean("idle"),
        loader_ns=cause("loader"),
        sync_ns=cause("sync"),
        host_ns=cause("host"),
        other_ns=cause("other"),
        loader_wait_ns=0 if causes is None else round(causes.loader_wait_ns.sum() / max(len(steps), 1)),
        loader=trace.names[trace.name[calls[0]]] if len(calls) else "",
    )


def _bands(trace: Trace, begin_ns: int, end_ns: int) -> Mapping[str, list[Column]]:
    devices = device_overview(trace, begin_ns, end_ns, NUM_COLUMNS)
    return {
        f"device {index}": [
            {part: float(values[column]) for part, values in shares.items() if values[column]}
            for column in range(NUM_COLUMNS)
        ]
        for index, shares in devices.items()
    }


def _notes(whole: Breakdown, found: Steps) -> list[str]:
    notes = []
    if whole.source == "host":
        notes.append("no device events: all figures are the host's")
    if not found.annotated:
        notes.append("no steps are marked (call profiler.step() after each): all that was recorded is taken as one")
    if whole.num_unlaunched:
        notes.append(
            f"{whole.num_unlaunched:,} device events are left out of the total: their launch is not in the trace"
        )
    return notes
