"""A video file as a camera: any frame by its number, with only what its group of pictures needs decoded.

Opening reads the packets but decodes none of them. Frames are numbered in the order in which they are shown. A frame
is decoded from the key frame at or before it; reading goes on from where the last read stopped where that is nearer,
and the latest frames are kept, so that reading in order, or nearly, decodes each frame once. A video says when its
frames are shown but not when they were taken: stamps count from its start.
"""

from __future__ import annotations

import threading
from array import array
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from drivetrain.core.errors import DataError, SampleError
from drivetrain.core.units import NS_PER_S
from drivetrain.data.arrays import Bytes, Ints
from drivetrain.data.log import Counted, Log, Stream
from drivetrain.data.sources.files import content_hash

_FORMATS = {
    **dict.fromkeys((".mp4", ".m4v", ".mov"), "mov"),
    **dict.fromkeys((".mkv", ".webm"), "matroska"),
    ".ts": "mpegts",
    **dict.fromkeys((".hevc", ".h265", ".265"), "hevc"),
    **dict.fromkeys((".h264", ".264"), "h264"),
}
"""Ending -> format. It is not guessed from the content, which could be a list that names other files."""

_MOST_FRAMES, _MOST_PIXELS = 1 << 24, 1 << 26
_KEPT_BYTES = 64 << 20  # of decoded frames: twenty of 1920x1080
_START_CODE = b"\0\0\1"


def recognise(path: Path) -> str:
    """Why this is no video, or an empty string."""
    if not path.is_file():
        return "it is no file"
    return "" if path.suffix.lower() in _FORMATS else f"its name ends with none of {' '.join(_FORMATS)}"


def open_log(path: Path) -> Log:
    """A log of one camera, without poses or intrinsics. Raises DataError: no frame of it can be found."""
    video = VideoFile(path)
    camera = Stream("camera/video", "camera", "video", video.t_ns, video.read, Counted(len(video)), len(video))
    return Log(
        name=path.stem,
        source="video",
        content_hash=lambda: content_hash(path),
        streams={camera.name: camera},
        intrinsics={},
    )


@dataclass(frozen=True, eq=False)
class FrameIndex:
    """Where the frames of a video are.

    Attributes:
      pts_N: when each is shown, in the stream's own unit, rising; empty where the file does not say (raw streams), and
        frames are counted instead.
      entry_K: numbers of the frames from which decoding can start, rising.
      offset_K: where in the file these are, bytes.
      num_frames: in all.
    """

    pts_N: Ints
    entry_K: Ints
    offset_K: Ints
    num_frames: int

    def entry_of(self, number: int) -> int:
        """The last place in `entry_K` from which this frame can be reached; -1 where it is before all of them."""
        return int(np.searchsorted(self.entry_K, number, side="right")) - 1


class VideoFile:
    """Frames of a video by number; may be read from any thread, one decodes at a time.

    Between reads the file stays open; it is let go of with the object.

    Attributes:
      width, height: of its frames, pixels.
      t_ns: when each frame is shown, after the start of the video.
      num_decoded: frames decoded so far.
    """

    def __init__(self, path: Path) -> None:
        """Read its packets. Raises DataError: it cannot be read, has no video, or is larger than we hold."""
        self.path = path
        self._lock = threading.Lock()
        self._frames: Iterator[tuple[int, VideoFrame]] | None = None
        self._next = 0
        self.num_decoded = 0
        try:
            with _open(path) as container:
                stream = container.streams.video[0]
                if stream.codec_context is None:
                    raise DataError(f"{path} has video in a codec that is not known")
                self.width, self.height = stream.codec_context.width, stream.codec_context.height
                if not 0 < self.width * self.height <= _MOST_PIXELS:
                    raise DataError(f"{path} has frames of {self.width}x{self.height} pixels; at most {_MOST_PIXELS:,}")
                self._index = _index(container, stream, path)
                self.t_ns = _stamps(self._index, stream, path)
        except (av.FFmpegError, OSError) as exc:
            raise DataError(f"cannot read video {path}: {exc}") from exc
        except IndexError as exc:
            raise DataError(f"{path} has no video in it") from exc
        self._kept: OrderedDict[int, VideoFrame] = OrderedDict()
        self._most_kept = max(2, _KEPT_BYTES // (2 * self.width * self.height))

    def __len__(self) -> int:
        return self._index.num_frames

    def read(self, number: int) -> Bytes:
        """RGB pixels of a frame, HW3. Raises SampleError: it cannot be decoded."""
        number = range(len(self))[number]
        try:
            with self._lock:
                frame = self._frame(number)
            if (frame.width, frame.height) != (self.width, self.height):
                raise SampleError(f"frame {number} of {self.path} has {frame.width}x{frame.height} pixels")
            pixels = VideoReformatter().reformat(frame, format="rgb24").to_ndarray()
        except (av.FFmpegError, OSError) as exc:
            raise SampleError(f"cannot decode frame {number} of {self.path}: {exc}") from exc
        return cast(Bytes, pixels)

    def _frame(self, number: int) -> VideoFrame:
        if number in self._kept:
            return self._kept[number]
        entry = self._index.entry_of(number)
        is_ahead = self._frames is not None and self._next <= number
        if not is_ahead or (entry >= 0 and self._index.entry_K[entry] > self._next):
            self._start(entry)
        if not self._decode_to(number) and entry > 0:  # not every file can be entered where it says
            self._start(-1)
            self._decode_to(number)
        if number not in self._kept:
            raise SampleError(f"frame {number} of {self.path} cannot be decoded: it is damaged or missing")
        return self._kept[number]

    def _start(self, entry: int) -> None:
        """Go to a place from which decoding can start, or to the beginning."""
        container = _open(self.path)
        stream = container.streams.video[0]
        first = 0
        if entry > 0:
            first = int(self._index.entry_K[entry])
            if len(self._index.pts_N):
                container.seek(int(self._index.pts_N[first]), stream=stream)
            else:
                container.seek(int(self._index.offset_K[entry]), unsupported_byte_offset=True)
        self._frames, self._next = _decoded(container, self._index, first), first

    def _decode_to(self, number: int) -> bool:
        """Decode until this frame is there; whether it is."""
        if self._frames is None:
            return False
        try:
            for found, frame in self._frames:
                self._next = found + 1
                self.num_decoded += 1
                self._kept[found] = frame
                while len(self._kept) > self._most_kept:
                    self._kept.popitem(last=False)
                if found >= number:
                    return found == number
        except av.FFmpegError:
            self._frames = None
            raise
        self._frames = None
        return False


def _open(path: Path) -> av.container.InputContainer:
    """The file, and nothing that it may name."""
    only_files = {"protocol_whitelist": "file"}
    kind = _FORMATS.get(path.suffix.lower())
    return av.open(str(path.absolute()), format=kind, options=only_files, metadata_errors="replace")


def _decoded(container: av.container.InputContainer, index: FrameIndex, first: int) -> Iterator[tuple[int, VideoFrame]]:
    """Frames from here on with their numbers; counted from `first` where the file does not stamp them."""
    with container:
        for count, frame in enumerate(container.decode(video=0), start=first):
            if not len(index.pts_N):
                yield count, frame
            elif frame.pts is not None:
                number = int(np.searchsorted(index.pts_N, frame.pts))
                if number < index.num_frames and index.pts_N[number] == frame.pts:
                    yield number, frame


def _index(container: av.container.InputContainer, stream: av.VideoStream, path: Path) -> FrameIndex:
    shown, key_pts, key_counts, key_offsets = array("q"), array("q"), array("q"), array("q")
    anew: list[bool] = []
    num_frames = 0
    for packet in container.demux(stream):
        if not packet.size or packet.is_discard:
            continue
        if packet.pts is not None:
            shown.append(packet.pts)
        if packet.is_keyframe:
            key_pts.append(packet.pts or 0)
            key_counts.append(num_frames)
            key_offsets.append(packet.pos or 0)
            anew.append(_starts_anew(bytes(packet), stream.codec_context.name))
        num_frames += 1
        if num_frames > _MOST_FRAMES:
            raise DataError(f"{path} has more than {_MOST_FRAMES:,} frames")
    if not num_frames:
        raise DataError(f"{path} has no frame in it")
    offset_K = np.array(key_offsets, np.int64)
    if len(shown) == num_frames:
        pts_N = np.unique(np.array(shown, np.int64))
        entry_K, at = np.unique(np.searchsorted(pts_N, np.array(key_pts, np.int64)), return_index=True)
        return FrameIndex(pts_N, entry_K, offset_K[at], len(pts_N))
    usable = np.array(anew, bool)
    return FrameIndex(np.empty(0, np.int64), np.array(key_counts, np.int64)[usable], offset_K[usable], num_frames)


def _starts_anew(data: bytes, codec: str) -> bool:
    """Whether nothing shown after this packet needs, or is shown before, what came earlier: IDR and BLA pictures."""
    at = data.find(_START_CODE)
    while 0 <= at < len(data) - len(_START_CODE):
        header = data[at + len(_START_CODE)]
        if (codec == "h264" and header & 0x1F == 5) or (codec == "hevc" and 16 <= header >> 1 & 0x3F <= 20):
            return True
        at = data.find(_START_CODE, at + 1)
    return False


def _stamps(index: FrameIndex, stream: av.VideoStream, path: Path) -> Ints:
    """When each frame is shown, in nanoseconds."""
    if len(index.pts_N):
        if stream.time_base is None:
            raise DataError(f"{path} does not say in which unit it counts time")
        ticks_N, base = index.pts_N, stream.time_base
    else:
        ticks_N, base = np.arange(index.num_frames), 1 / Fraction(stream.average_rate or 25)
    longest = max(abs(int(ticks_N[0])), abs(int(ticks_N[-1])))
    if base <= 0 or longest * base >= 9_000_000_000 or longest * base.numerator >= 1 << 63:
        raise DataError(f"{path} stamps a frame with {float(longest * base):g} s")
    whole, rest = np.divmod(ticks_N * base.numerator, base.denominator)
    t_ns: Ints = whole * NS_PER_S + rest * NS_PER_S // base.denominator
    return t_ns
