from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.figures import Picture, embedded_bytes, image_grid, jpeg_size


def _jpeg(width: int, height: int) -> bytes:
    done, data = cv2.imencode(".jpg", np.full((height, width, 3), 90, np.uint8))
    assert done
    return data.tobytes()


@pytest.mark.parametrize(("width", "height"), [(1, 1), (256, 144), (3000, 2)])
def test_the_size_of_a_jpeg_is_read_from_its_header(width: int, height: int) -> None:
    assert jpeg_size(_jpeg(width, height)) == (width, height)


def test_a_cut_jpeg_is_no_whole_one_at_any_length() -> None:
    whole = _jpeg(64, 48)
    assert all(jpeg_size(whole[:cut]) is None for cut in range(len(whole) - 2))


@given(st.binary(max_size=200))
def test_noise_is_no_jpeg_and_raises_nothing(noise: bytes) -> None:
    assert jpeg_size(noise) is None
    assert jpeg_size(b"\xff\xd8" + noise + b"\xff\xd9") is None or b"\xff" in noise


def test_pictures_become_data_with_escaped_captions() -> None:
    markup = image_grid([Picture("<b>", _jpeg(10, 8))])
    assert 'src="data:image/jpeg;base64,/9j/' in markup
    assert "<figcaption>&lt;b&gt;</figcaption>" in markup
    assert 'width="10" height="8"' in markup


def test_a_damaged_picture_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'x' is no whole JPEG"):
        image_grid([Picture("x", b"\xff\xd8 cut")])


@given(st.integers(0, 10_000))
def test_embedded_size_is_that_of_base64(num_bytes: int) -> None:
    import base64

    assert embedded_bytes(num_bytes) == len(base64.b64encode(bytes(num_bytes)))
