"""Which changes are worth a trial for this recipe on this machine, and why the others are not; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from drivetrain.core.trials import Facts, Trial

_WAIT_WORTH = 0.01  # of a step: less waiting for data cannot be won back


@dataclass(frozen=True, slots=True)
class Machine:
    """What decides beside the recipe.

    Attributes:
      has_compiler: whether there is a C++ compiler, which torch.compile needs on a CPU.
      has_bf16: whether the CPU has arithmetic for bf16; without it bf16 is emulated, many times slower.
    """

    has_compiler: bool
    has_bf16: bool


@dataclass(frozen=True, slots=True)
class Candidate:
    """A change to try.

    Attributes:
      name: for people.
      trial: the change.
      adopt: what to write in the recipe.
      aim: what it is for; one for memory may cost time.
    """

    name: str
    trial: Trial
    adopt: str
    aim: Literal["time", "memory"] = "time"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A change that was not tried, and why."""

    name: str
    why: str


Found = list[Candidate] | LeftOut


def candidates(facts: Facts, machine: Machine, wait_share: float) -> tuple[list[Candidate], list[LeftOut]]:
    """The shelf: what to try, and what does not apply.

    Args:
      wait_share: of a step's time, how much waits for data.
    """
    found: list[Found] = [
        _bf16(facts, machine),
        _channels_last(facts),
        _fused(facts),
        _recompute(facts),
        _microbatch(facts),
        _threads(facts, wait_share),
        _compile(facts, machine),  # the last, because its first trial may take minutes
    ]
    return (
        [candidate for item in found if not isinstance(item, LeftOut) for candidate in item],
        [item for item in found if isinstance(item, LeftOut)],
    )


def _bf16(facts: Facts, machine: Machine) -> Found:
    if facts.precision != "fp32":
        return LeftOut("bf16", f"the recipe computes in {facts.precision} already")
    if facts.device == "cpu" and not machine.has_bf16:
        return LeftOut("bf16", "this CPU has no arithmetic for it (avx512_bf16 or amx_bf16) and would be slower")
    return [Candidate("bf16", Trial(settings={"precision": "bf16"}), 'dt.Run(precision="bf16")')]


def _compile(facts: Facts, machine: Machine) -> Found:
    if "compile" not in facts.settings:
        return LeftOut("compile", "dt.Run has no such setting in this version")
    if facts.settings["compile"]:
        return LeftOut("compile", "the recipe compiles already")
    if facts.device == "cpu" and not machine.has_compiler:
        return LeftOut("compile", "there is no C++ compiler here; install g++, or set CXX")
    return [Candidate("compile", Trial(settings={"compile": True}), "dt.Run(compile=True)")]


def _channels_last(facts: Facts) -> Found:
    if not facts.num_convolutions:
        return LeftOut("channels-last", "the network has no 2-D convolutions")
    line = "network.to(memory_format=torch.channels_last)  # before run.setup"
    return [Candidate("channels-last", Trial(channels_last=True), line)]


def _fused(facts: Facts) -> Found:
    if facts.is_fused is None:
        return LeftOut("fused optimizer", f"{facts.optimizer} has no fused form")
    if facts.is_fused:
        return LeftOut("fused optimizer", "the recipe's is fused already")
    return [Candidate("fused optimizer", Trial(fused=True), f"torch.optim.{facts.optimizer}(..., fused=True)")]


def _recompute(facts: Facts) -> Found:
    if "recompute" not in facts.settings:
        return LeftOut("recompute", "dt.Run has no such setting in this version")
    if facts.settings["recompute"] != "none":
        return LeftOut("recompute", f"the recipe recomputes already ({facts.settings['recompute']})")
    return [Candidate("recompute", Trial(settings={"recompute": "full"}), 'dt.Run(recompute="full")', aim="memory")]


def _microbatch(facts: Facts) -> Found:
    if facts.num_microbatches == 1:
        return LeftOut("larger microbatch", "a step is one microbatch already")
    if facts.microbatch is None:
        return LeftOut("larger microbatch", "the loader's cannot be set from outside; one of dt.data can")
    size = 2 * facts.microbatch
    return [Candidate("larger microbatch", Trial(microbatch=size), f"{facts.loader}(microbatch={size})")]


def _threads(facts: Facts, wait_share: float) -> Found:
    if facts.threads is None:
        return LeftOut("loader threads", "the loader's cannot be set from outside; those of dt.data and torch can")
    if wait_share < _WAIT_WORTH:
        return LeftOut("loader threads", f"steps wait for data only {100 * wait_share:.1f} % of their time")
    number = max(1, 2 * facts.threads)
    line = f"{facts.loader}({'num_workers' if facts.loader == 'DataLoader' else 'threads'}={number})"
    return [Candidate(f"loader threads={number}", Trial(threads=number), line)]
