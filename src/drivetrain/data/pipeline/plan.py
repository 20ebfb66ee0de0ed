"""A pipeline becomes a plan: addresses of steps and chunks of items; pure but for reading source files.

A step's address is a hash of its ops (name, settings, version of their code) and of the address of its input. Equal
address means equal results, so what is stored under it is used again; a changed op changes the addresses of its own
step and of those after it, and of no other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, cast

import msgspec
import numpy as np

from drivetrain.core.errors import UsageError
from drivetrain.data.manifest import Step
from drivetrain.data.pipeline.code import code_version
from drivetrain.data.pipeline.description import Op, Opened, Pipeline, Source

CHUNK_ITEMS = 32
"""Source items whose results are stored together: whole, or not visible."""


@dataclass(frozen=True)
class PlannedStep:
    """A step with what identifies it.

    Attributes:
      ops: done one after the other.
      address: of its results.
      code: version of each op's code.
      holds_gil: it runs in processes.
      is_cheap: its results are not stored.
    """

    ops: tuple[Op, ...]
    address: str
    code: tuple[str, ...]
    holds_gil: bool
    is_cheap: bool

    @property
    def name(self) -> str:
        """Its ops' names."""
        return " + ".join(op.name for op in self.ops)


@dataclass(frozen=True)
class Plan:
    """What executors run; goes to workers as it is.

    Attributes:
      source: opened again by workers in other processes.
      num_items: that the source has.
      inputs: the source's name -> hash of its content.
      steps: in order.
    """

    source: Source
    num_items: int
    inputs: Mapping[str, str]
    steps: tuple[PlannedStep, ...]

    @property
    def num_chunks(self) -> int:
        """Chunks of `CHUNK_ITEMS` items; the last may have fewer."""
        return -(-self.num_items // CHUNK_ITEMS)

    def numbers(self, chunk: int) -> range:
        """The source's items in a chunk."""
        return range(chunk * CHUNK_ITEMS, min(self.num_items, (chunk + 1) * CHUNK_ITEMS))

    @property
    def history(self) -> tuple[Step, ...]:
        """What is done, op by op, with settings and versions of code."""
        ops = [(op, code) for step in self.steps for op, code in zip(step.ops, step.code, strict=True)]
        return tuple(Step(op.name, cast("dict[str, Any]", _settings(op, op.name)), code) for op, code in ops)

    def check_code(self) -> None:
        """Raise UsageError when this process has other code of an op than the one that made the plan."""
        for step in self.steps:
            for op, code in zip(step.ops, step.code, strict=True):
                if code_version(type(op)) != code:
                    raise UsageError(
                        f"a worker has another version of {op.name}, or of a library that it uses, than the pipeline",
                        hint="install the same code and packages on every machine",
                    )


def make_plan(pipeline: Pipeline, opened: Opened) -> Plan:
    """Address every step. Raises UsageError: an op's settings or code cannot be told apart from others'."""
    inputs = {opened.name: opened.content_hash()}
    address = f"{opened.code} {inputs[opened.name]} {CHUNK_ITEMS}"
    steps = []
    for step in pipeline.steps:
        code = tuple(code_version(type(op)) for op in step.ops)
        described = [[*_named(op), version] for op, version in zip(step.ops, code, strict=True)]
        address = hashlib.sha256(msgspec.json.encode([address, described])).hexdigest()[:32]
        steps.append(PlannedStep(step.ops, address, code, step.holds_gil, step.is_cheap))
    return Plan(pipeline.source, len(opened.items), inputs, tuple(steps))


def what_to_run(num_chunks: int, stored: Sequence[frozenset[int]]) -> list[list[int]]:
    """For each step the chunks that have to be made, in order: those not stored that a later step has to make too.

    Args:
      num_chunks: all of them are wanted of the last step.
      stored: for each step the chunks that need not be made.
    """
    wanted = list(range(num_chunks))
    todo = []
    for have in reversed(stored):
        wanted = [chunk for chunk in wanted if chunk not in have]
        todo.append(wanted)
    return todo[::-1]


def _named(value: object) -> tuple[str, object]:
    kind = type(value)
    return kind.__qualname__, _settings(value, kind.__name__)


def _nested(value: object, where: str) -> object:
    """As `_settings`, with the class where the value has one: equal fields of another class do something else."""
    found = _settings(value, where)
    kind = type(value)
    return {"class": f"{kind.__module__}.{kind.__qualname__}", "fields": found} if is_dataclass(value) else found


def _settings(value: object, where: str) -> object:
    """Plain values that say all of an op's settings."""
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: _nested(getattr(value, each.name), f"{where}.{each.name}") for each in fields(value)}
    if isinstance(value, list | tuple):
        return [_nested(each, f"{where}[{i}]") for i, each in enumerate(value)]
    if isinstance(value, dict):
        return [[_nested(key, where), _nested(each, f"{where}[{key!r}]")] for key, each in value.items()]
    raise UsageError(
        f"{where} is {value!r:.80}; an op's settings are plain values, so that they can be hashed",
        hint="numbers, text, tuples, dicts and dataclasses of them; name a function by its op's class instead",
    )
