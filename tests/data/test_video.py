from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.data.videos import GROUP, NUM_FRAMES, write_video

from drivetrain.core.errors import DataError
from drivetrain.data import open_log
from drivetrain.data.sources.video import VideoFile

OPEN_GROUPS = "log-level=none:open-gop=1:bframes=3:keyint=10:scenecut=0"
KINDS = {
    "mpeg4.mp4": ("mpeg4", {}, 0),
    "reordered.mp4": ("libx264", {}, 2),
    "reordered.mkv": ("libx264", {}, 2),
    "raw.h264": ("libx264", {}, 2),
    "raw.hevc": ("libx265", {"x265-params": OPEN_GROUPS}, 3),
    "open_groups.mp4": ("libx265", {"x265-params": OPEN_GROUPS}, 3),
}


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("videos")
    return {name: write_video(folder / name, *kind) for name, kind in KINDS.items()}


@pytest.mark.parametrize("name", KINDS)
def test_every_frame_is_the_one_that_was_written(videos: dict[str, Path], name: str) -> None:
    video = VideoFile(videos[name])
    shown = [video.read(number).mean() / 5 for number in range(len(video))]
    np.testing.assert_allclose(shown, np.arange(NUM_FRAMES), atol=1.0)


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(wanted=st.lists(st.integers(0, NUM_FRAMES - 1), min_size=1, max_size=12))
def test_a_frame_is_the_same_whatever_was_read_before_it(videos: dict[str, Path], name: str, wanted: list[int]) -> None:
    in_order, jumping = VideoFile(videos[name]), VideoFile(videos[name])
    expected = {number: in_order.read(number) for number in sorted(set(wanted))}
    for number in wanted:
        np.testing.assert_array_equal(jumping.read(number), expected[number])


def test_reading_in_order_decodes_each_frame_once(videos: dict[str, Path]) -> None:
    video = VideoFile(videos["reordered.mp4"])
    for number in [1, 0, 3, 2, *range(4, NUM_FRAMES)]:
        video.read(number)
    assert video.num_decoded == NUM_FRAMES


def test_one_frame_costs_no_more_than_its_group(videos: dict[str, Path]) -> None:
    video = VideoFile(videos["reordered.mp4"])
    assert video.num_decoded == 0
    video.read(35)
    assert video.num_decoded <= GROUP


def test_threads_that_read_at_once_get_the_frames_they_asked_for(videos: dict[str, Path]) -> None:
    video, numbers = VideoFile(videos["reordered.mp4"]), [n % NUM_FRAMES for n in range(0, 7 * NUM_FRAMES, 7)]
    with ThreadPoolExecutor(4) as pool:
        shown = [image.mean() / 5 for image in pool.map(video.read, numbers)]
    np.testing.assert_allclose(shown, numbers, atol=1.0)


def test_a_video_is_a_log_of_one_camera_stamped_from_its_start(videos: dict[str, Path]) -> None:
    log = open_log(videos["reordered.mp4"])
    (camera,) = log.cameras
    assert (log.source, len(camera), camera.rate_hz) == ("video", NUM_FRAMES, 20.0)
    assert camera.t_ns[:3].tolist() == [0, 50_000_000, 100_000_000]
    assert camera.read(3).shape == (48, 64, 3)


def test_a_frame_past_the_end_is_an_index_error(videos: dict[str, Path]) -> None:
    with pytest.raises(IndexError):
        VideoFile(videos["mpeg4.mp4"]).read(NUM_FRAMES)


@pytest.mark.parametrize("content", [b"", b"no video at all" * 100])
def test_what_is_no_video_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "road.mp4"
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"road\.mp4"):
        open_log(file)


@pytest.mark.parametrize("seed", range(8))
def test_a_damaged_video_gives_frames_or_errors_that_name_it(
    videos: dict[str, Path], tmp_path: Path, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    data = bytearray(videos["reordered.mkv"].read_bytes())
    if seed % 2:
        del data[int(rng.integers(1, len(data))) :]
    for at in rng.integers(0, len(data), 20):
        data[at] = int(rng.integers(256))
    file = tmp_path / "damaged.mkv"
    file.write_bytes(data)
    with pytest.raises(DataError, match=r"damaged\.mkv"):
        _read_all(file)


def _read_all(file: Path) -> None:
    video = VideoFile(file)
    for number in range(len(video)):
        assert video.read(number).shape == (video.height, video.width, 3)
    raise DataError("damaged.mkv was read to its end")
