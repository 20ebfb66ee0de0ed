"""Numbers that are not finite are found in every type, and nothing else is."""

from __future__ import annotations

import pytest
import torch

from drivetrain.store.finite import are_finite
from drivetrain.store.layout import DTYPES

FLOATS = [name for name in DTYPES if getattr(torch, name).is_floating_point or getattr(torch, name).is_complex]


def data(tensor: torch.Tensor) -> memoryview:
    return tensor.view(-1).view(torch.uint8).numpy().data


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_nan_or_infinity_anywhere_is_found(dtype: str) -> None:
    kind = getattr(torch, dtype)
    sound = torch.linspace(-200, 200, 41).to(kind)
    assert are_finite(data(sound), dtype)
    for bad in (float("nan"), float("inf"), float("-inf")):
        value = torch.tensor([bad]).to(kind)
        if kind.is_complex or not torch.isfinite(value.float()).all():
            assert not are_finite(data(torch.cat([sound, value, sound])), dtype)


def test_whole_numbers_and_nothing_are_finite() -> None:
    assert are_finite(data(torch.tensor([-1, 2**62])), "int64")
    assert are_finite(memoryview(b""), "float32")
