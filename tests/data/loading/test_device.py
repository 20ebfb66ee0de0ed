from __future__ import annotations

import gc

import numpy as np
import pytest
import torch

from drivetrain.data import DataSet, Loader


def test_batches_are_tensors_where_a_device_is_named(small_dataset: DataSet) -> None:
    loader = Loader(small_dataset, device="cpu", global_batch=3)
    batch = next(iter(loader))
    loader.close()
    plain = Loader(small_dataset, global_batch=3)
    expected = next(iter(plain))
    plain.close()
    assert isinstance(batch["image"], torch.Tensor)
    np.testing.assert_array_equal(batch["image"].numpy(), expected["image"])
    assert batch["position"].tolist() == [0, 1, 2]
    assert batch["key"] == expected["key"]


def test_what_the_device_gets_stays_as_it_is_while_more_is_loaded(small_dataset: DataSet) -> None:
    loader = Loader(small_dataset, device="cpu", global_batch=12)
    batches = iter(loader)
    held = [next(batches)["image"] for _ in range(3)]
    copies = [image.clone() for image in held]
    for _ in range(6):
        next(batches)
    gc.collect()
    loader.close()
    assert all(torch.equal(one, other) for one, other in zip(held, copies, strict=True))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there_is_said_so(small_dataset: DataSet) -> None:
    with pytest.raises(ValueError, match="device is cuda, and torch finds none"):
        Loader(small_dataset, device="cuda")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU at hand")
def test_on_a_gpu_batches_are_the_same_and_come_from_pinned_memory(small_dataset: DataSet) -> None:
    loader = Loader(small_dataset, device="cuda", global_batch=12, threads=2)
    plain = Loader(small_dataset, global_batch=12, threads=2)
    for number, (one, other) in enumerate(zip(loader, plain, strict=False)):
        assert one["image"].is_cuda
        np.testing.assert_array_equal(one["image"].cpu().numpy(), other["image"])
        if number == 20:
            break
    loader.close()
    plain.close()
