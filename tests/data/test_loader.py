from __future__ import annotations

import gc
import itertools
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from drivetrain.core.errors import DataError, UsageError
from drivetrain.core.protocols import OrderedLoader, Stateful
from drivetrain.data import Batch, DataSet, Loader


def _take(loader: Loader, num: int) -> list[Batch]:
    batches = iter(loader)
    taken = [next(batches) for _ in range(num)]
    loader.close()
    return taken  # type: ignore[return-value]


def _damage(folder: Path, keys: set[str]) -> None:
    """Change one byte in the middle of the image of each of these samples."""
    dataset = DataSet.open(folder)
    shard = folder / "shard-00000.tar"
    data = bytearray(shard.read_bytes())
    for row in range(len(dataset)):
        if dataset.key(row) in keys:
            data[dataset.locate(row)["image.jpg"].offset + 300] ^= 255
    shard.write_bytes(data)


def _threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("drivetrain-loader")]


def test_it_keeps_the_seams_that_training_relies_on(small_dataset: DataSet) -> None:
    loader = Loader(small_dataset)
    assert isinstance(loader, OrderedLoader)
    assert isinstance(loader, Stateful)


def test_a_batch_has_pixels_labels_keys_and_positions(small_dataset: DataSet) -> None:
    (batch,) = _take(Loader(small_dataset.path, global_batch=5), 1)
    assert batch["image"].shape == (5, 36, 64, 3)
    assert batch["image"].dtype == batch["label"].dtype == np.uint8
    assert batch["label"].shape == (5, 36, 64)
    assert batch["position"].tolist() == [0, 1, 2, 3, 4]
    rows = {small_dataset.key(int(row)): int(row) for row in small_dataset.rows("train")}
    for i, key in enumerate(batch["key"]):
        np.testing.assert_array_equal(batch["image"][i], small_dataset.read(rows[key]).image)


@pytest.mark.parametrize(
    "wrong", [{"size": (960, 540)}, {"shuffle": 64}, {"augment": 5}, {"global_batch": 2.5}, {"threads": "2"}]
)
def test_a_setting_of_another_kind_is_refused_before_a_thread_starts(small_dataset: DataSet, wrong: dict) -> None:
    with pytest.raises(TypeError, match=f"{next(iter(wrong))} is "):
        Loader(small_dataset, **wrong)


def test_an_epoch_gives_every_training_sample_once_and_no_other(small_dataset: DataSet) -> None:
    loader = Loader(small_dataset, global_batch=4, seed=3)
    keys = [key for batch in _take(loader, 3) for key in batch["key"]]
    assert sorted(keys) == [s.key for s in small_dataset.samples("train")]


def test_flipping_mirrors_image_and_label_together_and_is_drawn_anew_each_epoch(small_dataset: DataSet) -> None:
    plain = _take(Loader(small_dataset, global_batch=12), 6)
    flipped = _take(Loader(small_dataset, global_batch=12, flip=True), 6)
    drawn: dict[str, set[bool]] = {}
    for one, other in zip(plain, flipped, strict=True):
        assert one["key"] == other["key"]
        for i, key in enumerate(one["key"]):
            mirrored = bool((one["image"][i, :, ::-1] == other["image"][i]).all())
            drawn.setdefault(key, set()).add(mirrored)
            step = -1 if mirrored else 1
            np.testing.assert_array_equal(one["image"][i, :, ::step], other["image"][i])
            np.testing.assert_array_equal(one["label"][i, :, ::step], other["label"][i])
    assert sum(len(ways) == 2 for ways in drawn.values()) > 6


@pytest.mark.parametrize("threads", [0, 2])
def test_the_next_readable_sample_stands_in_for_a_damaged_one(dataset_copy: Path, threads: int) -> None:
    loader = Loader(dataset_copy, global_batch=4, threads=threads)
    before = [key for batch in _take(loader, 3) for key in batch["key"]]
    _damage(dataset_copy, {before[2], before[3], before[11]})
    loader = Loader(dataset_copy, global_batch=4, threads=threads)
    after = [key for batch in _take(loader, 3) for key in batch["key"]]
    expected = [*before[:2], before[4], before[4], *before[4:11], before[0]]
    assert after == expected
    assert set(loader.bad_samples) == {before[2], before[3], before[11]}
    assert all("damaged" in reason for reason in loader.bad_samples.values())


@pytest.mark.parametrize("threads", [0, 2])
def test_too_many_damaged_samples_stop_it_with_their_names(dataset_copy: Path, threads: int) -> None:
    keys = {s.key for s in DataSet.open(dataset_copy).samples("train")}
    _damage(dataset_copy, keys)
    with pytest.raises(DataError, match=r"3 samples cannot be read \(at most 2 may be bad\): front-"):
        next(iter(Loader(dataset_copy, threads=threads, max_bad=2)))
    with pytest.raises(DataError, match="none of the 12 samples"):
        next(iter(Loader(dataset_copy, threads=threads, max_bad=100)))
    assert _threads() == []


def test_an_error_in_a_thread_reaches_the_reader_and_ends_the_threads(dataset_copy: Path) -> None:
    loader = Loader(dataset_copy, threads=2, max_bad=3)
    batches = iter(loader)
    next(batches)
    os.truncate(dataset_copy / "shard-00000.tar", 0)
    with pytest.raises(DataError, match=r"4 samples cannot be read"):
        list(batches)
    assert _threads() == []
    assert list(batches) == []


def test_closing_forgetting_and_iterating_again_leave_no_threads(small_dataset: DataSet) -> None:
    loader = Loader(small_dataset, threads=3)
    first = iter(loader)
    next(first)
    assert _threads()
    second = iter(loader)
    assert list(first) == []  # one iterator lives at a time
    assert next(second)["position"][0] == 8
    loader.close()
    loader.close()
    assert _threads() == []

    forgotten = iter(loader)
    next(forgotten)
    running = _threads()
    del forgotten
    gc.collect()
    for thread in running:
        thread.join(10)
    assert _threads() == []
    assert loader.state_dict() == {"epoch": 2, "consumed": 0}


def test_iterating_again_continues_where_it_stopped(small_dataset: DataSet) -> None:
    whole = [batch["key"] for batch in _take(Loader(small_dataset, global_batch=6, microbatch=2), 9)]
    loader = Loader(small_dataset, global_batch=6, microbatch=2)
    pieces = [batch["key"] for num in (1, 4, 4) for batch in _take(loader, num)]
    assert pieces == whole


def test_what_waits_is_bounded_by_bytes(small_dataset: DataSet) -> None:
    one_batch = 12 * 36 * 64 * 4
    loader = Loader(small_dataset, global_batch=12, threads=2, budget_bytes=one_batch)
    batches = iter(loader)
    next(batches)
    assert len(batches._ahead) <= 1  # type: ignore[attr-defined]
    loader.close()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"global_batch": 0}, "global_batch=0"),
        ({"microbatch": 0}, "microbatch=0"),
        ({"threads": -1}, "threads=-1"),
        ({"max_bad": -1}, "max_bad=-1"),
        ({"split": "test"}, "'test'"),
    ],
)
def test_settings_out_of_range_are_refused(small_dataset: DataSet, wrong: dict[str, object], words: str) -> None:
    with pytest.raises((ValueError, UsageError), match=words):
        Loader(small_dataset, **wrong)  # type: ignore[arg-type]


def test_a_batch_of_fewer_samples_than_ranks_is_refused(small_dataset: DataSet) -> None:
    loader = Loader(small_dataset, global_batch=8)
    with pytest.raises(ValueError, match="8 cannot be shared by 9 ranks"):
        loader.bind(rank=0, world_size=9)
    with pytest.raises(ValueError, match="rank is 2"):
        loader.bind(rank=2, world_size=2)


@pytest.mark.parametrize(
    ("local", "microbatch", "num"), [(8, None, 1), (8, 8, 1), (8, 100, 1), (8, 3, 4), (8, 2, 4), (6, 4, 2), (7, 3, 7)]
)
def test_microbatches_are_equal_parts_no_larger_than_asked(
    small_dataset: DataSet, local: int, microbatch: int | None, num: int
) -> None:
    loader = Loader(small_dataset, global_batch=local, microbatch=microbatch)
    assert loader.num_microbatches == num


@pytest.mark.parametrize("state", [{}, {"epoch": 0}, {"epoch": "0", "consumed": 0}, {"epoch": 0, "consumed": -1}])
def test_a_state_that_is_none_of_ours_is_refused(small_dataset: DataSet, state: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected whole numbers"):
        Loader(small_dataset).load_state_dict(state)


def test_a_state_inside_a_step_that_is_cut_otherwise_is_refused(small_dataset: DataSet) -> None:
    with pytest.raises(ValueError, match="save between steps"):
        Loader(small_dataset, global_batch=8, microbatch=4).load_state_dict({"epoch": 0, "consumed": 3})


def test_it_names_the_samples_of_any_step_whoever_asks(small_dataset: DataSet) -> None:
    loader = Loader(small_dataset, global_batch=5, seed=4)
    named = [loader.samples(step) for step in range(6)]
    assert [batch["key"] for batch in _take(loader, 6)] == named
    loader.bind(rank=2, world_size=3)
    loader.seek(9)
    assert loader.samples(3) == named[3]
    with pytest.raises(ValueError, match="step is -1"):
        loader.samples(-1)


def test_a_place_in_the_middle_of_a_step_is_one_for_the_same_ranks_alone(small_dataset: DataSet) -> None:
    loader = Loader(small_dataset, global_batch=8, microbatch=1)
    loader.bind(rank=1, world_size=3)
    first = [batch["key"] for batch in itertools.islice(loader, 1)]
    state = loader.state_dict()
    loader.close()
    again = Loader(small_dataset, global_batch=8, microbatch=1)
    with pytest.raises(ValueError, match="inside a step of 8"):
        again.load_state_dict(state)
    again.bind(rank=1, world_size=3)
    again.load_state_dict(state)
    rest = [batch["key"] for batch in itertools.islice(again, 2)]
    again.close()
    loader.seek(0)
    assert first + rest == [batch["key"] for batch in itertools.islice(loader, 3)]
    loader.close()
