"""Videos for tests."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

NUM_FRAMES, GROUP = 45, 10


def write_video(file: Path, codec: str, options: dict[str, str], num_b_frames: int) -> Path:
    """Forty-five grey frames, each brighter than the last, twenty a second."""
    with av.open(str(file), "w") as container:
        stream = container.add_stream(codec, rate=20, options=options)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 64, 48, "yuv420p", GROUP
        stream.codec_context.max_b_frames = num_b_frames
        for number in range(NUM_FRAMES):
            grey = np.full((48, 64, 3), 5 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        container.mux(stream.encode())
    return file
