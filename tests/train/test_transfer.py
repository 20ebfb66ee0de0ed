"""Batches become tensors on the device."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
import torch

from drivetrain.train.transfer import to_device

CPU = torch.device("cpu")


class Pair(NamedTuple):
    x: object
    name: str


def test_arrays_become_tensors_wherever_they_are_and_the_rest_stays() -> None:
    tensor = torch.ones(2)
    moved = to_device({"x": np.zeros((2, 3), np.uint8), "t": tensor, "key": ["a", "b"], "n": (1, np.ones(1))}, CPU)
    assert moved["x"].dtype == torch.uint8
    assert moved["x"].shape == (2, 3)
    assert moved["t"] is tensor
    assert moved["key"] == ["a", "b"]
    assert isinstance(moved["n"][1], torch.Tensor)
    pair = to_device(Pair(torch.ones(1), "a"), CPU)
    assert isinstance(pair, Pair)


def test_an_array_shares_its_memory_with_the_tensor() -> None:
    array = np.zeros(3, np.float32)
    to_device(array, CPU)[0] = 5
    assert array[0] == 5


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3)[:, ::-1],
        np.arange(3, dtype=">i4"),
        np.broadcast_to(np.float32(2.0), (2, 2)),
        np.frombuffer(b"\x01\x02", np.uint8),
    ],
)
def test_arrays_that_torch_refuses_are_copied_silently(array: np.ndarray) -> None:
    moved = to_device(array, CPU)
    assert moved.tolist() == array.tolist()
    moved += 1  # may be written to


def test_text_arrays_pass_through() -> None:
    names = np.array(["a", "b"])
    assert to_device(names, CPU) is names
