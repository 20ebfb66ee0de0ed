"""The rules: what steps lose time to, in the words of someone who has seen it before."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from drivetrain.core.units import bytes_text, count_text, duration_text
from drivetrain.profile.analyse import peak_of
from drivetrain.report.profile.facts import Facts, Named
from drivetrain.report.profile.findings import Rule, Words, of_step, pct
from drivetrain.report.profile.thresholds import (
    MOSTLY_COMPUTE,
    MOSTLY_SHORT,
    NEARLY_FULL,
    PLAIN_MATRIX_LOSS,
    SHARE_OF_PLAIN_MATRIX,
    SHORT_KERNEL_NS,
    UNEVEN_STEPS,
    WORTH_AN_ARGUMENT,
    WORTH_TELLING,
)


def _of_step(part_ns: int, facts: Facts) -> float:
    return part_ns / facts.step_ns if facts.step_ns > 0 else 0.0


def _loader(facts: Facts) -> Words:
    share, part = pct(_of_step(facts.loader_ns, facts)), of_step(facts.loader_ns, facts)
    waits = "the device waits for the loader" if facts.device else "passes in the loader"
    told = [
        f"The host is in {facts.loader or 'the loader'} for {pct(_of_step(facts.loader_wait_ns, facts))} of the step."
    ]
    if "SingleProcess" in facts.loader:
        told.append("It loads in the training process itself (num_workers=0).")
        change = "Load beside the step: DataLoader(num_workers=4, persistent_workers=True, pin_memory=True)."
    else:
        change = "Give the loader more workers or a larger prefetch, or store samples nearer to what the model takes."
    return Words(
        f"{share} of the step {waits} ({part}): loader-bound.",
        " ".join(told),
        f"{change} drivetrain data doctor finds which part of it is slow.",
    )


def _launch(facts: Facts) -> Words:
    idle_ns, kernels = facts.host_ns + facts.other_ns, facts.kernels
    told = [
        f"{kernels.num_per_step:,.0f} kernels a step, {duration_text(kernels.median_ns)} at the median, "
        f"{pct(kernels.short_share)} of them shorter than {duration_text(SHORT_KERNEL_NS)}."
    ]
    if kernels.queue_median_ns >= 0:
        told.append(f"A kernel begins {duration_text(kernels.queue_median_ns)} after its launch at the median.")
    told.append(
        f"Meanwhile operators and calls run for {duration_text(facts.host_ns)}; for {duration_text(facts.other_ns)} "
        "none does."
    )
    if facts.host_path:
        longest = ", ".join(
            f"{_short(one.name)} {duration_text(_a_step(one.time_ns, facts))}" for one in facts.host_path[:3]
        )
        told.append(f"Longest of the host on the critical path, a step: {longest}.")
    slowest = max(range(len(facts.step_waits_ns)), key=lambda index: facts.step_waits_ns[index], default=0)
    if len(facts.step_waits_ns) > 2 and 2 * facts.step_waits_ns[slowest] > sum(facts.step_waits_ns):
        told.append(f"Step {facts.step_names[slowest]} alone has {duration_text(facts.step_waits_ns[slowest])} of it.")
    if kernels.short_share >= MOSTLY_SHORT:
        change = "Launch less: torch.compile or CUDA graphs, fused optimizers, a larger batch."
    elif facts.other_ns > facts.host_ns:
        how = "" if facts.host_path else " (profile with stacks to see it)"
        change = (
            f"Move what Python does between operators{how} off the training thread: into the loader, or less often."
        )
    else:
        change = "Spare the host: torch.compile, fused optimizers, fewer views and copies between kernels."
    text = f"{pct(_of_step(idle_ns, facts))} of the step the device waits for the host to launch work"
    return Words(f"{text} ({of_step(idle_ns, facts)}): CPU-bound.", " ".join(told), change)


def _sync(facts: Facts) -> Words:
    return Words(
        f"{pct(_of_step(facts.sync_ns, facts))} of the step the device is idle after the host has waited for it "
        f"({of_step(facts.sync_ns, facts)}).",
        f"The host waits in {_enumerated(facts.syncs)}." if facts.syncs else "",
        "Keep values on the device: no .item(), .cpu(), nonzero or print of a tensor in the step; log every n steps; "
        "copy with non_blocking=True from pinned memory.",
    )


def _communication(facts: Facts) -> Words:
    told = [f"{pct(_hidden(facts))} of communication runs beside compute."]
    if facts.collectives:
        told.append(f"Largest: {_enumerated(facts.collectives)}.")
    if facts.wait_ns:
        told.append(f"{duration_text(facts.wait_ns)} of it a step waits for the last rank to come.")
    return Words(
        f"{pct(_of_step(facts.exposed_comm_ns, facts))} of the step waits for communication with nothing beside it "
        f"({of_step(facts.exposed_comm_ns, facts)}).",
        " ".join(told),
        "Overlap it with backward (DDP's buckets, FSDP's prefetch), send less (bf16 gradients, more steps of "
        "accumulation under no_sync), or look for the rank that comes late.",
    )


def _hidden(facts: Facts) -> float:
    return 1 - facts.exposed_comm_ns / facts.comm_ns if facts.comm_ns > 0 else 0.0


def _late_ns(facts: Facts) -> int:
    return max(facts.late_ns, facts.slow.excess_ns if facts.slow is not None else 0)


def _late_share(facts: Facts) -> float:
    """Of the step of the slowest rank: a rank that is late has short steps of its own, for it waits for nobody."""
    return min(_late_ns(facts) / max(facts.slowest_step_ns, facts.step_ns, 1), 1.0)


def _straggler(facts: Facts) -> Words:
    slow = facts.slow
    told = []
    if slow is not None:
        told.append(
            f"Its {slow.part} takes {duration_text(slow.excess_ns)} a step longer than the others' median (by chance "
            f"alone: {slow.chance:.2g})."
        )
    if facts.late_ns:
        told.append(f"All others wait for it at collectives for {duration_text(facts.late_ns)} a step.")
    change = {
        "compute": "Compare its clocks, temperature and batch with another rank's",
        "host": "Look for what else runs on its host, and at its loader",
        "communication": "Look at its links and switch",
    }.get(slow.part if slow is not None else "", "Compare its host, clocks and data with another rank's")
    step_ns = max(facts.slowest_step_ns, facts.step_ns)
    return Words(
        f"this rank is slower than the others by {pct(_late_share(facts))} of the step "
        f"({duration_text(_late_ns(facts))} of {duration_text(step_ns)}).",
        " ".join(told),
        f"{change}: drivetrain profile diff of its trace and another's names the operators.",
    )


def _pageable(facts: Facts) -> Words:
    copies = facts.pageable or Named("", 0, 0)
    return Words(
        f"{pct(_of_step(facts.exposed_pageable_ns, facts))} of the step copies between the device and pageable memory "
        f"({of_step(facts.exposed_pageable_ns, facts)}).",
        f"{count_text(copies.count, 'copy', 'copies')} of {bytes_text(copies.size_bytes)} in all, each of which the "
        "host waits for.",
        "Pin it: DataLoader(pin_memory=True) and .to(device, non_blocking=True).",
    )


def _matrix(facts: Facts) -> Words:
    share_ns = facts.plain_matrix_ns
    mfu = "" if facts.mfu is None else f" The model reaches {pct(facts.mfu)} of the device's peak."
    return Words(
        f"{pct(_of_step(share_ns, facts))} of the step multiplies matrices without tensor cores "
        f"({of_step(share_ns, facts)}).",
        f"By their names, kernels without them are {pct(share_ns / max(facts.matrix_ns, 1))} of all matrix kernels on "
        f"{facts.device}.{mfu}",
        f"{_fewer_bits(facts.device)}; sizes in multiples of 8.",
    )


def _fewer_bits(device: str) -> str:
    """How to reach the units for matrices of this device; before Ampere NVIDIA's take float16 alone."""
    peak = peak_of(device)
    if peak is not None and peak.flops_per_s("bfloat16") is None:
        return "Train in mixed precision (precision='fp16')"
    return "Train in mixed precision (precision='bf16'), or allow TF32: torch.set_float32_matmul_precision('high')"


def _uneven_ns(facts: Facts) -> float:
    """By how much all steps together exceed their median, per step."""
    if len(facts.step_lengths_ns) < 3:
        return 0.0
    median = statistics.median(facts.step_lengths_ns)
    return sum(max(0.0, length - median) for length in facts.step_lengths_ns) / len(facts.step_lengths_ns)


def _uneven(facts: Facts) -> Words:
    lengths = facts.step_lengths_ns
    slowest = max(range(len(lengths)), key=lambda index: lengths[index])
    median_ns = round(statistics.median(lengths))
    return Words(
        f"steps are uneven: what exceeds the median of {duration_text(median_ns)} is "
        f"{pct(_uneven_ns(facts) / facts.step_ns)} of all step time.",
        f"The slowest is step {facts.step_names[slowest]} with {duration_text(lengths[slowest])}"
        f"{_grown(facts, slowest)}.",
        "Look at that step in the table of steps: what grew in it.",
    )


def _grown(facts: Facts, slowest: int) -> str:
    """A clause for a step that is slow because the device waited longer in it; empty where it is not that."""
    longer_ns = facts.step_lengths_ns[slowest] - statistics.median(facts.step_lengths_ns)
    waited_ns = facts.step_waits_ns[slowest] - statistics.median(facts.step_waits_ns)
    if 2 * waited_ns < longer_ns:
        return ""
    return f", {duration_text(round(waited_ns))} of it more waiting for the host than in others"


def _fullness(facts: Facts) -> float:
    memory = facts.memory
    return memory.peak_bytes / memory.capacity_bytes if memory is not None and memory.capacity_bytes else 0.0


def _memory(facts: Facts) -> Words:
    memory = facts.memory
    assert memory is not None
    owners = ", ".join(f"{one.name} {bytes_text(one.size_bytes)}" for one in memory.owners[:3])
    return Words(
        f"device memory is {pct(_fullness(facts))} full at its peak ({bytes_text(memory.peak_bytes)} of "
        f"{bytes_text(memory.capacity_bytes)}).",
        f"Held at the peak by {owners}." if owners else "",
        "Before a larger batch: recompute activations (recompute='selective'), shard the optimizer (parallel='fsdp').",
    )


def _compute(facts: Facts) -> Words:
    what = "the device computes" if facts.device else "operators run"
    mfu = "" if facts.mfu is None else f" The model reaches {pct(facts.mfu)} of the device's peak."
    largest = facts.top_kernels or facts.top_operators
    total_ns = facts.step_ns * facts.num_steps or 1
    named = ", ".join(f"{_short(one.name)} {pct(one.time_ns / total_ns)}" for one in largest[:3])
    return Words(
        f"{what} for {pct(_of_step(facts.compute_ns, facts))} of the step ({of_step(facts.compute_ns, facts)}).",
        (f"Largest, of the step: {named}." if named else "") + mfu,
        "What is left to gain lies in these: their shapes and types, or torch.compile for chains of small ones.",
    )


def _nothing(facts: Facts) -> float:  # noqa: ARG001 - what is told and lost to nothing
    return 0.0


def _enumerated(named: Sequence[Named], most: int = 3) -> str:
    return ", ".join(
        f"{_short(one.name)} ({one.count:,} times, {duration_text(one.time_ns)} in all)" for one in named[:most]
    )


def _a_step(total_ns: int, facts: Facts) -> int:
    return round(total_ns / max(facts.num_steps, 1))


def _short(name: str, most: int = 56) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"


RULES: Sequence[Rule] = (
    Rule("loader", lambda facts: _of_step(facts.loader_ns, facts), WORTH_TELLING, _loader),
    Rule(
        "launch",
        lambda facts: _of_step(facts.host_ns + facts.other_ns, facts) * bool(facts.device and facts.is_host_traced),
        WORTH_TELLING,
        _launch,
    ),
    Rule("sync", lambda facts: _of_step(facts.sync_ns, facts), WORTH_TELLING, _sync),
    Rule("communication", lambda facts: _of_step(facts.exposed_comm_ns, facts), WORTH_TELLING, _communication),
    Rule(
        "straggler",
        _late_share,
        WORTH_TELLING,
        _straggler,
        loss=lambda facts: _of_step(_late_ns(facts), facts),
    ),
    Rule("pageable", lambda facts: _of_step(facts.exposed_pageable_ns, facts), WORTH_AN_ARGUMENT, _pageable),
    Rule(
        "matrix",
        lambda facts: _of_step(facts.plain_matrix_ns, facts) if facts.has_matrix_units else 0.0,
        SHARE_OF_PLAIN_MATRIX,
        _matrix,
        loss=lambda facts: PLAIN_MATRIX_LOSS * _of_step(facts.plain_matrix_ns, facts),
        has_gain=False,
    ),
    Rule("uneven", lambda facts: _of_step(round(_uneven_ns(facts)), facts), UNEVEN_STEPS, _uneven),
    Rule("memory", _fullness, NEARLY_FULL, _memory, loss=_nothing, has_gain=False),
    Rule(
        "compute",
        lambda facts: _of_step(facts.compute_ns, facts),
        MOSTLY_COMPUTE,
        _compute,
        loss=_nothing,
        has_gain=False,
    ),
)
"""In no order: findings are ranked by what they lose."""
