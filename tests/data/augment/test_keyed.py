from __future__ import annotations

import threading

import numpy as np
import pytest

from drivetrain.core.errors import SampleError
from drivetrain.data import DataSet, Loader
from drivetrain.data.augment import Augmentation, Crop, Flip, Maybe, Photometric, Roll, Sequence, generator, view_of
from drivetrain.data.log import Box

OP = Sequence(Maybe(Flip()), Roll(), Photometric())
COLUMNS = {"key": "a", "fx": 50.0, "fy": 50.0, "cx": 7.0, "cy": 5.0, "width": 16, "height": 12, "camera": "front"}


def sample() -> dict[str, object]:
    rng = np.random.default_rng(0)
    return {
        "image": rng.integers(0, 255, (12, 16, 3), np.uint8),
        "label": rng.integers(0, 8, (12, 16), np.uint8),
        "points": rng.normal(0, 9, (30, 3)),
        "point_labels": rng.integers(0, 8, 30).astype(np.uint8),
        "boxes": [{"label": "car", "centre": [1.0, 2.0, 0.5], "size": [4.0, 2.0, 1.5], "yaw": 0.2, "track": "7"}],
        "note": b"kept",
    }


def test_what_a_sample_becomes_depends_on_seed_epoch_and_sample_alone() -> None:
    keys = [(seed, epoch, number) for seed in (0, 1) for epoch in (0, 1) for number in (0, 1, 2)]
    augment = Augmentation(OP)

    def images(order: list[tuple[int, int, int]]) -> dict[tuple[int, int, int], bytes]:
        return {key: augment(sample(), COLUMNS, generator(*key))[0]["image"].tobytes() for key in order}

    alone, backwards = images(keys), images(keys[::-1])
    found: list[dict[tuple[int, int, int], bytes]] = []
    threads = [threading.Thread(target=lambda: found.append(images(keys))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(one == alone for one in [backwards, *found])
    assert len(set(alone.values())) == len(keys)


def test_parts_and_columns_change_together_and_the_rest_passes_through() -> None:
    parts, columns = Augmentation(Flip())(sample(), COLUMNS, generator(0, 0, 0))
    before = sample()
    np.testing.assert_array_equal(parts["image"], before["image"][:, ::-1])  # type: ignore[index]
    np.testing.assert_array_equal(parts["label"], before["label"][:, ::-1])  # type: ignore[index]
    np.testing.assert_array_equal(parts["points"], before["points"] * [1, -1, 1])  # type: ignore[operator]
    assert parts["boxes"][0]["yaw"] == -0.2
    assert parts["note"] == b"kept"
    assert columns == {**COLUMNS, "cx": 8.0}


def test_a_pose_in_the_columns_is_changed_too() -> None:
    names = ("pose_x", "pose_y", "pose_z", "pose_qw", "pose_qx", "pose_qy", "pose_qz")
    columns = COLUMNS | dict(zip(names, (1.0, 2.0, 3.0, 0.5, -0.5, 0.5, -0.5), strict=True))
    _, after = Augmentation(Flip())(sample(), columns, generator(0, 0, 0))
    assert (after["pose_x"], after["pose_y"], after["pose_z"]) == (1.0, -2.0, 3.0)
    assert view_of(sample(), columns).boxes == (Box("car", (1.0, 2.0, 0.5), (4.0, 2.0, 1.5), 0.2, "7"),)


def test_a_sample_without_calibration_or_labels_is_augmented_all_the_same() -> None:
    parts, columns = Augmentation(OP)({"image": sample()["image"]}, {"key": "a"}, generator(0, 0, 0))
    assert set(parts) == {"image"}
    assert columns == {"key": "a"}


def test_parts_that_make_up_no_view_are_a_bad_sample() -> None:
    with pytest.raises(SampleError, match="make up no view"):
        view_of(sample(), {**COLUMNS, "width": 17})
    with pytest.raises(SampleError, match="make up no view"):
        view_of({**sample(), "boxes": [{"label": 3}]}, COLUMNS)


def test_a_loader_augments_the_same_samples_in_the_same_way_whatever_its_threads(small_dataset: DataSet) -> None:
    augment = Augmentation(Sequence(Maybe(Flip()), Roll(), Crop(40, 24), Photometric()))
    batches = []
    for threads in (0, 2):
        loader = Loader(small_dataset, global_batch=4, threads=threads, augment=augment, columns=("cx", "width"))
        passing = iter(loader)
        batches.append([{k: np.copy(v) for k, v in next(passing).items()} for _ in range(5)])
        loader.close()
    for one, other in zip(*batches, strict=True):
        assert one["image"].shape == (4, 24, 40, 3)
        assert one["width"].tolist() == [40] * 4
        for name in ("image", "label", "cx"):
            np.testing.assert_array_equal(one[name], other[name])
