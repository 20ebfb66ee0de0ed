"""Batches in the making, and the memory that they lie in."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest

from drivetrain.data.loading.draft import Draft
from drivetrain.data.loading.memory import Memory


def draft(size: int) -> Draft:
    return Draft(np.arange(size), [], Memory())


def made(values: list[dict[str, Any]], columns: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    made = draft(len(values))
    for number in reversed(range(len(values))):
        made.put(number, f"k{number}", values[number], columns[number] if columns else {})
        made.count()
    assert made.done.is_set()
    return made.finish()


def test_parts_of_one_shape_are_stacked_and_others_are_lists() -> None:
    batch = made([{"x": np.full(3, n), "points": np.zeros((n + 1, 4)), "note": {"n": n}} for n in range(3)])
    assert batch["x"].tolist() == [[0, 0, 0], [1, 1, 1], [2, 2, 2]]
    assert [len(points) for points in batch["points"]] == [1, 2, 3]
    assert batch["note"] == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert batch["key"] == ["k0", "k1", "k2"]
    assert batch["position"].tolist() == [0, 1, 2]


def test_a_part_that_a_sample_lacks_is_none_and_other_dtypes_do_not_mix() -> None:
    batch = made([{"x": np.zeros(2)}, {}, {"x": np.zeros(2, np.float32)}])
    assert batch["x"][1] is None
    assert [value.dtype for value in (batch["x"][0], batch["x"][2])] == [np.float64, np.float32]


def test_columns_of_numbers_are_arrays() -> None:
    batch = made([{}, {}], [{"speed": 1.5, "town": "a", "n": 1}, {"speed": 2, "town": "b", "n": None}])
    assert batch["speed"].tolist() == [1.5, 2.0]
    assert batch["town"] == ["a", "b"]
    assert batch["n"] == [1, None]


def test_a_sample_that_took_the_room_of_another_shape_and_was_replaced_leaves_no_mark() -> None:
    one = draft(2)
    one.room("image", 0)((9, 9), np.uint8)
    for number in range(2):
        place = one.room("image", number)((4, 5), np.uint8)
        place[...] = number
        one.put(number, "k", {"image": place}, {})
    assert one.finish()["image"].shape == (2, 4, 5)


def test_what_is_decoded_in_its_place_is_not_copied() -> None:
    one = draft(2)
    places = [one.room("image", number)((2, 2), np.uint8) for number in range(2)]
    for number, place in enumerate(places):
        place[...] = number
        one.put(number, "k", {"image": place}, {})
    assert np.shares_memory(one.finish()["image"], places[1])


def test_an_error_is_raised_to_whoever_takes_the_batch() -> None:
    one = draft(2)
    one.fail(RuntimeError("no"))
    with pytest.raises(RuntimeError, match="no"):
        one.finish()


def test_memory_is_used_again_only_when_nobody_holds_any_of_it() -> None:
    memory = Memory()
    first = memory.array((2, 1 << 20), np.uint8)
    address = first.__array_interface__["data"][0]
    view = first[1:, 5:][0]
    del first
    gc.collect()
    second = memory.array((2, 1 << 20), np.uint8)
    assert second.__array_interface__["data"][0] != address
    del view
    gc.collect()
    third = memory.array((1 << 21,), np.uint8)
    assert third.__array_interface__["data"][0] == address


def test_a_tensor_over_memory_keeps_it() -> None:
    import torch

    memory = Memory()
    first = memory.array((1 << 21,), np.uint8)
    address, tensor = first.__array_interface__["data"][0], torch.from_numpy(first)[7:]
    del first
    gc.collect()
    assert memory.array((1 << 21,), np.uint8).__array_interface__["data"][0] != address
    assert tensor.numel() == (1 << 21) - 7
