"""Pixels land in the memory that they were meant for, at the size that was asked for."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import simplejpeg

from drivetrain.core.errors import SampleError
from drivetrain.data.arrays import Bytes
from drivetrain.data.codec import encode
from drivetrain.data.loading.decoding import Decoder, ImageSize


@pytest.fixture(scope="module")
def picture() -> Bytes:
    """A smooth picture, 96 x 64, as a camera's are at the scale of pixels."""
    y, x = np.mgrid[0:64, 0:96]
    waves = [127 + 120 * np.sin(x / 9 + y / 13 + phase) for phase in (0, 1, 2)]
    return np.stack(waves, -1).astype(np.uint8)


def decoded(data: bytes, part: str, size: ImageSize | None) -> tuple[np.ndarray, list[np.ndarray]]:
    given: list[np.ndarray] = []

    def room(shape: tuple[int, ...], dtype: object) -> np.ndarray:
        given.append(np.empty(shape, dtype))  # type: ignore[call-overload]
        return given[-1]

    return Decoder(size).decode(part, data, where="it", room=room), given


@pytest.mark.parametrize(
    "size", [None, ImageSize(96, 64), ImageSize(48, 32), ImageSize(48, 32, exact=False), ImageSize(50, 20)]
)
def test_an_image_is_decoded_into_the_room_it_was_given(picture: Bytes, size: ImageSize | None) -> None:
    found, given = decoded(encode("image.jpg", picture), "image.jpg", size)
    assert [found is place for place in given] == [True]
    height, width = (size.height, size.width) if size else (64, 96)
    assert found.shape == (height, width, 3)
    whole = simplejpeg.decode_jpeg(encode("image.jpg", picture), "RGB")
    expected = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)
    if size is None or size.exact:
        np.testing.assert_array_equal(found, expected)
    else:
        assert np.abs(found.astype(int) - expected).mean() < 1.0


def test_an_image_can_grow_too(picture: Bytes) -> None:
    found, _ = decoded(encode("image.jpg", picture), "image.jpg", ImageSize(200, 130))
    assert found.shape == (130, 200, 3)


def test_a_real_frame_decoded_at_half_size_is_within_a_grey_level(shared_data) -> None:  # type: ignore[no-untyped-def]
    data = (shared_data / "pandaset_002" / "camera" / "front_camera" / "00.jpg").read_bytes()
    exact, _ = decoded(data, "image.jpg", ImageSize(960, 540))
    quick, _ = decoded(data, "image.jpg", ImageSize(960, 540, exact=False))
    assert np.abs(exact.astype(int) - quick).mean() < 1.5


def test_of_a_label_map_the_nearest_pixel_is_taken() -> None:
    label = np.arange(64, dtype=np.uint8).reshape(8, 8)
    found, _ = decoded(encode("label.png", label), "label.png", ImageSize(4, 4))
    assert set(found.ravel().tolist()) <= set(label.ravel().tolist())
    assert found.shape == (4, 4)


def test_other_parts_pass_as_they_are() -> None:
    track = np.arange(6.0).reshape(2, 3)
    found, given = decoded(encode("track.npy", track), "track.npy", ImageSize(4, 4))
    np.testing.assert_array_equal(found, track)
    assert given == []


@pytest.mark.parametrize("cut", [0, 3, 40, -40])
@pytest.mark.parametrize("size", [None, ImageSize(48, 32), ImageSize(48, 32, exact=False)])
def test_a_jpeg_cut_short_is_a_bad_sample(picture: Bytes, size: ImageSize | None, cut: int) -> None:
    with pytest.raises(SampleError, match="it is not a whole JPEG"):
        decoded(encode("image.jpg", picture)[:cut], "image.jpg", size)


def test_a_jpeg_that_claims_to_be_huge_is_refused_before_memory_is_asked_for(picture: Bytes) -> None:
    data = bytearray(encode("image.jpg", picture))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = b"\xf0\x00\xf0\x00"
    with pytest.raises(SampleError, match="claims to be 61440 x 61440 pixels"):
        decoded(bytes(data), "image.jpg", None)


def test_a_size_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="0 x 5 pixels"):
        ImageSize(0, 5)
