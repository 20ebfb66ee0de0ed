"""Everything that a checkpoint must hold so that the run goes on as if it had never stopped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.distributed.tensor import DTensor

from drivetrain.core.errors import ConfigError, UsageError
from drivetrain.core.protocols import Stateful
from drivetrain.train import randomness
from drivetrain.train.boxes import spread_like
from drivetrain.train.ema import Ema
from drivetrain.train.feed import Feed
from drivetrain.train.trees import Tensors, join, split


@dataclass(frozen=True, slots=True)
class Parts:
    """What is saved and restored; `model` is the user's own, without a wrapper.

    `extras` are further things with a state, by name; the state must be the same on every rank.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: Any
    ema: Ema | None
    feed: Feed
    extras: Mapping[str, Stateful] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of one rank at one step.

    Attributes:
      tensors: by name; those under `rank/` are this rank's, all others are the same on every rank.
      shared: the same on every rank, plain.
      own: this rank's generators and place in the data, plain; its tensors are under `rank/R/`.
      weights: names of the tensors that are finite as long as training is sound: a mask in a buffer may be infinite.
    """

    tensors: Tensors
    shared: dict[str, Any]
    own: dict[str, Any]
    weights: frozenset[str] = frozenset()


def collect(parts: Parts, rank: int, device: torch.device) -> Snapshot:
    """The state now; tensors are the live ones, not copies.

    Raises: TypeError: something holds a value that a checkpoint cannot; the message says where.
    """
    tensors: Tensors = {}
    shared = {
        "model": split(parts.model.state_dict(), "model", tensors),
        "optimizer": split(_named(parts), "optimizer", tensors),
        "schedule": None if parts.schedule is None else split(parts.schedule.state_dict(), "schedule", tensors),
        "ema": None if parts.ema is None else split(parts.ema.weights, "ema", tensors),
        "extras": {name: split(extra.state_dict(), f"extras/{name}", tensors) for name, extra in parts.extras.items()},
    }
    shared["kinds"] = {name: type(part).__name__ for name, part in _with_kinds(parts)}
    shared["division"] = division(parts.model)
    own = {"random": randomness.capture(device), "feed": parts.feed.state()}
    weights = frozenset(f"model/{name}" for name, _ in parts.model.named_parameters(remove_duplicate=False))
    learned = frozenset(name for name in tensors if name in weights or name.startswith(("optimizer/state/", "ema/")))
    return Snapshot(tensors, shared, split(own, f"rank/{rank}", tensors), learned)


def in_place(parts: Parts, saved: Mapping[str, tuple[int, ...]]) -> Tensors:
    """The live tensors of model and average, which a checkpoint's are read into.

    Args:
      saved: shapes of the tensors in the checkpoint, by name.
    Raises: UsageError: the model is not the one that was saved; lists what is missing, unexpected and reshaped.
    """
    live: Tensors = {}
    split(parts.model.state_dict(), "model", live)
    difference = compare(
        {name: shape for name, shape in saved.items() if name.startswith("model/")},
        {name: tuple(tensor.shape) for name, tensor in live.items()},
    )
    if difference:
        raise UsageError(
            f"the model is not the one in the checkpoint:\n{difference}",
            hint="build the same model, or start a new run",
        )
    if parts.ema is not None and any(name.startswith("ema/") for name in saved):
        split(parts.ema.weights, "ema", live)
    return live


def parameters_of(parts: Parts, shared: Mapping[str, Any]) -> Tensors:
    """The parameter that each of the optimizer's saved tensors belongs to, by the tensor's name."""
    parameters = dict(parts.model.named_parameters())
    found: Tensors = {}
    for name, values in shared["optimizer"]["state"].items():
        tensors = [value["$tensor"] for value in values.values() if isinstance(value, dict) and "$tensor" in value]
        if name in parameters:
            found.update(dict.fromkeys(tensors, parameters[name]))
    return found


def compare(saved: Mapping[str, tuple[int, ...]], live: Mapping[str, tuple[int, ...]], num_shown: int = 10) -> str:
    """What differs between two sets of named shapes, one line each; empty when nothing does."""
    lines = [f"  missing in the checkpoint: {name} {live[name]}" for name in live.keys() - saved.keys()]
    lines += [f"  only in the checkpoint: {name} {saved[name]}" for name in saved.keys() - live.keys()]
    lines += [
        f"  reshaped: {name} is {saved[name]} in the checkpoint and {live[name]} now"
        for name in saved.keys() & live.keys()
        if saved[name] != live[name]
    ]
    lines = sorted(line.replace("model/", "", 1) for line in lines)
    more = len(lines) - num_shown
    return "\n".join(lines[:num_shown] + ([f"  and {more} more"] if more > 0 else []))


def restore(parts: Parts, shared: Mapping[str, Any], tensors: Tensors) -> None:
    """Put back what every rank shares; `tensors` under `model/` and `ema/` are in place already.

    Raises: UsageError: the optimizer has other parameters than the saved one.
    """
    if _has_extra_state(shared["model"]):
        parts.model.load_state_dict(join(shared["model"], tensors))
    parts.optimizer.load_state_dict(_numbered(parts, join(shared["optimizer"], tensors)))
    if (parts.schedule is None) != (shared["schedule"] is None):
        raise UsageError(
            f"the run has {'no' if parts.schedule is None else 'a'} schedule and the checkpoint "
            f"{'none' if shared['schedule'] is None else 'has one'}"
        )
    if parts.schedule is not None:
        parts.schedule.load_state_dict(join(shared["schedule"], tensors))
    if parts.ema is not None and shared["ema"] is None:
        raise UsageError("the run averages weights (ema) and the checkpoint holds no average")
    for name, saved in shared.get("extras", {}).items():
        if name in parts.extras:
            parts.extras[name].load_state_dict(join(saved, tensors))


def check_kinds(parts: Parts, shared: Mapping[str, Any]) -> str:
    """Refuse the state of another optimizer or schedule, which torch would take without a word.

    Returns: which settings of the optimizer are others than the script's; empty when none are.
    Raises: UsageError: an optimizer or schedule of another kind.
    """
    saved = shared.get("kinds", {})  # absent from earlier checkpoints
    for name, part in _with_kinds(parts):
        if saved.get(name, type(part).__name__) != type(part).__name__:
            raise UsageError(
                f"the {name} is a {type(part).__name__}, and that of the checkpoint a {saved[name]}",
                hint="build the same one, or begin a new run with the weights alone: drivetrain checkpoint export",
            )
    groups = zip(parts.optimizer.param_groups, shared["optimizer"]["param_groups"], strict=False)
    return "; ".join(
        f"{key} of group {number} is {before[key]}, not {now[key]}"
        for number, (now, before) in enumerate(groups)
        for key in ("initial_lr" if "initial_lr" in now else "lr", "weight_decay")
        if isinstance(now.get(key), float) and isinstance(before.get(key), float) and now[key] != before[key]
    )


def division(model: nn.Module) -> str:
    """How ranks share the model, in words that can be compared: another way adds up in another order."""
    first = next(model.parameters(), None)
    return f"mesh {tuple(first.device_mesh.shape)}" if isinstance(first, DTensor) else "whole"


def _with_kinds(parts: Parts) -> list[tuple[str, object]]:
    kinds: list[tuple[str, object]] = [("optimizer", parts.optimizer)]
    return kinds if parts.schedule is None else [*kinds, ("schedule", parts.schedule)]


def check_optimizer(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Raise ConfigError when the optimizer changes a parameter that the model does not hold: it would not be saved."""
    held = {id(parameter) for parameter in model.parameters()}
    for number, group in enumerate(optimizer.param_groups):
        strangers = [tuple(p.shape) for p in group["params"] if id(p) not in held]
        if strangers:
            raise ConfigError(
                f"the optimizer's group {number} has {len(strangers)} parameters that are not the model's; the first "
                f"has shape {strangers[0]}",
                hint="hold all that is trained in one module, and make the optimizer from its parameters",
            )


def _named(parts: Parts) -> dict[str, Any]:
    """The optimizer's state with parameters by name: torch's numbers change when parameters are reordered."""
    state = parts.optimizer.state_dict()
    names = _names(parts)
    return {
        "state": {names[number]: values for number, values in state["state"].items()},
        "param_groups": [{**g, "params": [names[number] for number in g["params"]]} for g in state["param_groups"]],
    }


def _numbered(parts: Parts, named: dict[str, Any]) -> dict[str, Any]:
    names = _names(parts)
    saved = [group["params"] for group in named["param_groups"]]
    live = [[names[n] for n in group["params"]] for group in parts.optimizer.state_dict()["param_groups"]]
    if [sorted(group) for group in saved] != [sorted(group) for group in live]:
        raise UsageError(
            f"the optimizer has other parameters, or groups them otherwise, than the checkpoint: groups of "
            f"{[len(group) for group in live]} now, {[len(group) for group in saved]} saved"
        )
    numbers = {name: number for number, name in names.items()}
    groups = parts.optimizer.state_dict()["param_groups"]
    parameters = dict(parts.model.named_parameters())
    return {
        "state": {
            numbers[name]: {key: spread_like(parameters[name], value) for key, value in values.items()}
            for name, values in named["state"].items()
        },
        "param_groups": [
            {**values, "params": group["params"]} for values, group in zip(named["param_groups"], groups, strict=True)
        ],
    }


def _names(parts: Parts) -> dict[int, str]:
    """Parameter names by the numbers that the optimizer's `state_dict` uses."""
    by_id = {id(parameter): name for name, parameter in parts.model.named_parameters()}
    ordered = (parameter for group in parts.optimizer.param_groups for parameter in group["params"])
    return {number: by_id[id(parameter)] for number, parameter in enumerate(ordered)}


def _has_extra_state(model_state: Mapping[str, Any]) -> bool:
    return any(not (isinstance(value, dict) and "$tensor" in value) for value in model_state.values())
