"""Descriptions are values; addresses change with what they stand for, and with nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.core.errors import UsageError
from drivetrain.data.pipeline import How, Pipeline, Shards, run
from drivetrain.data.pipeline.plan import make_plan, what_to_run

DOUBLE = """
from dataclasses import dataclass
from drivetrain.data.pipeline import Op
import {helper}

@dataclass(frozen=True)
class Double(Op):
    factor: object = 2

    def __call__(self, item):
        return item.with_parts(x={helper}.times(item.read("x"), {factor}))
"""
HELPER = "def times(x, factor):\n    return x * {factor}\n"


def addresses(pipeline: Pipeline) -> list[str]:
    return [step.address for step in make_plan(pipeline, pipeline.source.open()).steps]


def test_a_pipeline_is_a_value_that_is_compared_and_printed(numbers: ModuleType) -> None:
    pipeline = numbers.Numbers(3) | numbers.Add(1) + numbers.Refuse((2,)) | numbers.Add(2) | Shards("out")
    assert pipeline == numbers.Numbers(3) | numbers.Add(1) + numbers.Refuse((2,)) | numbers.Add(2) | Shards("out")
    assert pipeline != numbers.Numbers(3) | numbers.Add(1) | numbers.Refuse((2,)) | numbers.Add(2) | Shards("out")
    assert str(pipeline) == "Numbers | Add + Refuse | Add | Shards"
    assert hash(pipeline) == hash(pipeline)


def test_what_cannot_follow_is_refused(numbers: ModuleType, tmp_path: Path) -> None:
    pipeline = numbers.Numbers(3) | numbers.Add(1)
    with pytest.raises(TypeError, match="is no Op, Step or Sink"):
        pipeline | len  # type: ignore[operator]
    with pytest.raises(TypeError, match="ends with Shards; nothing can follow it"):
        pipeline | Shards(tmp_path) | numbers.Add(2)
    with pytest.raises(UsageError, match=r"Numbers \| Add has no end"):
        run(pipeline)


def test_a_change_of_settings_changes_the_addresses_from_its_step_on(numbers: ModuleType) -> None:
    before = addresses(numbers.Numbers(3) | numbers.Add(1) | numbers.Add(2) + numbers.Add(3) | numbers.Twice())
    after = addresses(numbers.Numbers(3) | numbers.Add(1) | numbers.Add(2) + numbers.Add(4) | numbers.Twice())
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, False, False]
    other_input = addresses(numbers.Numbers(4) | numbers.Add(1) | numbers.Add(2) + numbers.Add(3) | numbers.Twice())
    assert not set(before) & set(other_input)


def test_a_change_of_code_or_of_a_helper_beside_it_changes_the_address(
    numbers: ModuleType, import_file: Callable[[str, str], ModuleType]
) -> None:
    def address(name: str, op_factor: int, helper_factor: int) -> str:
        import_file(f"{name}_helper", HELPER.format(factor=helper_factor))
        module = import_file(name, DOUBLE.format(helper=f"{name}_helper", factor=op_factor))
        return addresses(numbers.Numbers(3) | module.Double())[0]

    first = address("first", 2, 1)
    assert address("other", 3, 1) != first
    assert address("third", 2, 5) != first


def test_settings_that_cannot_be_told_apart_are_refused_by_name(
    numbers: ModuleType, import_file: Callable[[str, str], ModuleType]
) -> None:
    import_file("setting_helper", HELPER.format(factor=1))
    double = import_file("setting", DOUBLE.format(helper="setting_helper", factor=1)).Double
    with pytest.raises(UsageError, match=r"Double\.factor\[1\] is <function"):
        addresses(numbers.Numbers(3) | double((1, lambda x: x)))
    with pytest.raises(UsageError, match=r"Double\.factor is array"):
        addresses(numbers.Numbers(3) | double(np.zeros(2)))
    assert len(set(addresses(numbers.Numbers(3) | double({"a": (1, None)}) | double(1.5)))) == 2


def test_an_op_that_was_typed_into_a_prompt_is_refused(numbers: ModuleType) -> None:
    typed = type("Typed", (numbers.Add,), {"__module__": "no_such_module"})
    with pytest.raises(UsageError, match="the source of Typed cannot be found"):
        addresses(numbers.Numbers(3) | typed(1))


@given(st.integers(0, 6), st.lists(st.frozensets(st.integers(0, 5)), min_size=1, max_size=4))
def test_just_the_chunks_that_a_later_step_lacks_are_made(num_chunks: int, stored: list[frozenset[int]]) -> None:
    todo = what_to_run(num_chunks, stored)
    for chunk in range(num_chunks):
        have = [step for step, chunks in enumerate(stored) if chunk in chunks]
        first = max(have, default=-1) + 1
        assert [step for step, chunks in enumerate(todo) if chunk in chunks] == list(range(first, len(stored)))
    assert all(chunks == sorted(chunks) for chunks in todo)


@pytest.mark.parametrize(("how", "error"), [({"on": "moon"}, UsageError), ({"threads": -1}, ValueError)])
def test_a_way_to_run_that_there_is_not_is_refused(how: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error, match=next(iter(how))):
        How(**how)  # type: ignore[arg-type]
