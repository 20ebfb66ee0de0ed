"""A log becomes a data set: join by time, project labelled points, resize image, labels and intrinsics together."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar, cast

import cv2
import numpy as np
import pyarrow as pa

from drivetrain.core.errors import DataError, SampleError, UsageError
from drivetrain.core.units import duration_text
from drivetrain.data.arrays import Bytes
from drivetrain.data.classes import CLASSES, UNLABELLED, merge_table
from drivetrain.data.dataset import DataSet
from drivetrain.data.index import WORD
from drivetrain.data.jpeg import encode_jpeg, encode_labels
from drivetrain.data.log import Intrinsics, Log, Pose, Stream
from drivetrain.data.manifest import Step
from drivetrain.data.project import label_map
from drivetrain.data.sample import Encoded
from drivetrain.data.shards import write_samples
from drivetrain.data.sync import nearest
from drivetrain.data.versions import write_first_manifest
from drivetrain.store import publish_folder

TOLERANCE_NS = 60_000_000
"""A frame and its sweep may be this far apart: a little over half of the period of a 10 Hz lidar."""

_MOST_PIXELS = 1 << 26  # of one image; a frame takes some 20 bytes for each on its way through
_COLUMNS = {
    "t_ns": pa.int64(),
    "lidar_offset_ns": pa.int64(),
    "log": WORD,
    "camera": WORD,
    "tags": pa.list_(pa.string()),
    **dict.fromkeys(("fx", "fy", "cx", "cy"), pa.float64()),
    **dict.fromkeys(("width", "height"), pa.int32()),
}
Progress = Callable[[int, str], None]
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class _Work:
    """One frame with the sweep that its labels come from."""

    camera: Stream[Bytes]
    poses: Stream[Pose]
    intrinsics: Intrinsics  # of the frame as recorded
    frame: int
    t_ns: int
    sweep: int
    labels: int
    offset_ns: int

    @property
    def sweep_ns(self) -> int:
        return self.t_ns + self.offset_ns

    @property
    def key(self) -> str:
        return f"{self.camera.name.partition('/')[2]}-{self.camera.labels[self.frame]}"


@dataclass
class _Tally:
    """What becomes of the frames while samples are made."""

    num_unmatched: int
    num_samples: dict[str, int] = field(default_factory=lambda: {"train": 0, "held_out": 0})
    num_labelled: int = 0  # pixels
    skipped: dict[str, str] = field(default_factory=dict)


def build_dataset(
    log: Log,
    out: Path | str,
    *,
    size: tuple[int, int] = (256, 144),
    tolerance_ns: int = TOLERANCE_NS,
    held_out: float = 0.2,
    max_bad_pct: float = 20.0,
    threads: int = 2,
    on_progress: Progress | None = None,
) -> DataSet:
    """Make a data set of every camera frame that has a labelled sweep near it in time.

    Frames that cannot be used (a damaged JPEG, a pose that is not finite, a file that is gone) are left out and named
    in the manifest; so many bad ones that the log itself must be wrong are an error.

    Args:
      out: the folder to make; nothing is there until all of it is.
      size: width and height of stored images, pixels.
      tolerance_ns: how far apart in time a frame and its sweep may be.
      held_out: share of the samples, the last ones in time, that training never sees; between 0 and 1.
      max_bad_pct: more unusable frames than this, in per cent of those joined, are an error.
      threads: that decode and project.
      on_progress: called after each frame with how many of the log's are done, and a few words.
    Raises:
      UsageError: a size that memory would not hold.
      ValueError: a setting out of range.
      DataError: no camera, lidar or labels; nothing joins; too many bad frames, the first of them named.
      StoreError: `out` exists, or the disk would not take it.
    """
    _check_settings(size, held_out, threads)
    work, num_unmatched = _join(log, tolerance_ns)
    table, unknown = merge_table(log.class_names)
    tally = _Tally(num_unmatched)
    out = Path(out)
    with publish_folder(out) as folder:
        made = _in_threads(lambda item: _make(log, item, size, table), work, threads)
        samples = _samples(work, made, _cut_ns(work, held_out), tally, on_progress)
        written = write_samples(folder, samples, _COLUMNS)
        _refuse_too_many_bad(log, tally.skipped, len(work), max_bad_pct)
        facts = {
            "classes": list(CLASSES),
            "width": size[0],
            "height": size[1],
            "num_unmatched": num_unmatched,
            "tolerance_ns": tolerance_ns,
            "labelled_pct": round(100 * tally.num_labelled / (sum(tally.num_samples.values()) * size[0] * size[1]), 2),
            "skipped": tally.skipped,
            "unknown_classes": unknown,
        }
        settings = {"size": list(size), "tolerance_ns": tolerance_ns, "held_out": held_out}
        steps, inputs = [Step("build_dataset", settings)], {log.name: log.content_hash()}
        write_first_manifest(
            folder, replace(written, num_samples=tally.num_samples), inputs=inputs, steps=steps, facts=facts
        )
    return DataSet.open(out)


def _check_settings(size: tuple[int, int], held_out: float, threads: int) -> None:
    if size[0] * size[1] > _MOST_PIXELS:
        raise UsageError(
            f"images of {size[0]}x{size[1]} pixels are too large; the most is {_MOST_PIXELS:,} pixels each",
            hint="ask for a smaller size, such as 256x144",
        )
    if not 0 <= held_out < 1 or min(size) < 1 or threads < 1:
        raise ValueError(f"held_out={held_out} (0 to below 1), size={size} and threads={threads} (1 or more each)")


def _cut_ns(work: list[_Work], held_out: float) -> int:
    """The stamp of the first sweep whose frames are held out; frames that share a sweep are never parted."""
    if not held_out:
        return max(item.sweep_ns for item in work) + 1
    return work[min(len(work) - 1, int(len(work) * (1 - held_out)))].sweep_ns


def _samples(
    work: list[_Work],
    results: Iterator[tuple[Encoded, int] | SampleError],
    cut_ns: int,
    tally: _Tally,
    on_progress: Progress | None,
) -> Iterator[Encoded]:
    """Samples that could be made, each with its split; counts them and those that could not."""
    for num_done, (item, made) in enumerate(zip(work, results, strict=True), start=1):
        if isinstance(made, SampleError):
            tally.skipped[item.key] = made.message
        else:
            sample, num_labelled = made
            split = "train" if item.sweep_ns < cut_ns else "held_out"
            tally.num_samples[split] += 1
            tally.num_labelled += num_labelled
            yield replace(sample, columns={**sample.columns, "split": split})
        if on_progress is not None:
            note = f"{len(tally.skipped)} skipped" if tally.skipped else ""
            on_progress(tally.num_unmatched + num_done, note)


def _join(log: Log, tolerance_ns: int) -> tuple[list[_Work], int]:
    """Frames with their sweeps, by time, and how many frames found none."""
    if not log.cameras:
        raise DataError(f"log {log.name} has no camera", hint=f"it has {', '.join(sorted(log.streams))}")
    lidar = log.lidar()
    labels = log.labels_of(lidar)
    labels_of_sweep = {int(t): i for i, t in enumerate(labels.t_ns)}
    labelled = np.flatnonzero(np.isin(lidar.t_ns, labels.t_ns))
    work = []
    num_unmatched = 0
    for camera in log.cameras:
        joined = nearest(camera.t_ns, lidar.t_ns[labelled], tolerance_ns=tolerance_ns)
        num_unmatched += joined.num_missed
        poses, intrinsics = log.poses_of(camera), log.intrinsics[camera.name]
        for frame in np.flatnonzero(joined.index_N >= 0):
            sweep, t_ns = int(labelled[joined.index_N[frame]]), int(camera.t_ns[frame])
            at = labels_of_sweep[int(lidar.t_ns[sweep])]
            work.append(_Work(camera, poses, intrinsics, int(frame), t_ns, sweep, at, int(joined.offset_N_ns[frame])))
    if not work:
        raise DataError(
            f"no frame of log {log.name} has a labelled sweep within {duration_text(tolerance_ns)} "
            f"({num_unmatched} frames, {len(labelled)} labelled sweeps)",
            hint="look at its stamps with `drivetrain data check`, or allow a larger tolerance",
        )
    return sorted(work, key=lambda item: (item.t_ns, item.key)), num_unmatched


def _make(log: Log, item: _Work, size: tuple[int, int], table: Bytes) -> tuple[Encoded, int] | SampleError:
    """One sample as bytes with its number of labelled pixels, or why it cannot be made."""
    try:
        image_HW3, label_HW, intrinsics = _pixels(log, item, size, table)
    except SampleError as exc:
        return exc
    columns = {
        "t_ns": item.t_ns,
        "lidar_offset_ns": item.offset_ns,
        "log": log.name,
        "camera": item.camera.name,
        "tags": [],
        **{name: getattr(intrinsics, name) for name in ("fx", "fy", "cx", "cy", "width", "height")},
    }
    parts = {"image.jpg": encode_jpeg(image_HW3), "label.png": encode_labels(label_HW)}
    return Encoded(item.key, parts, columns), int((label_HW != UNLABELLED).sum())


def _pixels(log: Log, item: _Work, size: tuple[int, int], table: Bytes) -> tuple[Bytes, Bytes, Intrinsics]:
    pose = item.poses.read(item.frame)
    if not pose.is_valid:
        raise SampleError(f"pose of {item.key} is not finite: {pose.position} {pose.heading}")
    image_HW3 = item.camera.read(item.frame)
    recorded = replace(item.intrinsics, width=image_HW3.shape[1], height=image_HW3.shape[0])
    if recorded != item.intrinsics:
        raise SampleError(f"{item.key} is {recorded.width}x{recorded.height} pixels, unlike the other frames")
    lidar = log.lidar()
    points_N3 = lidar.read(item.sweep)
    class_N = log.labels_of(lidar).read(item.labels)
    if len(points_N3) != len(class_N):
        raise SampleError(f"sweep of {item.key} has {len(points_N3)} points but {len(class_N)} classes")
    intrinsics = recorded.resized(*size)
    label_HW = label_map(points_N3, table[class_N], pose, intrinsics)
    return cast(Bytes, cv2.resize(image_HW3, size, interpolation=cv2.INTER_AREA)), label_HW, intrinsics


def _in_threads(make: Callable[[_Work], T], work: list[_Work], threads: int) -> Iterator[T]:
    """Results in order, with only a few ahead of the reader, so that memory does not grow with the log."""
    ahead: deque[Future[T]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="drivetrain-build") as pool:
        for item in work:
            ahead.append(pool.submit(make, item))
            if len(ahead) > 2 * threads:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def _refuse_too_many_bad(log: Log, skipped: dict[str, str], num_frames: int, max_bad_pct: float) -> None:
    bad_pct = 100 * len(skipped) / num_frames
    if bad_pct > max_bad_pct or len(skipped) == num_frames:
        key, reason = next(iter(skipped.items()))
        raise DataError(
            f"{len(skipped)} of {num_frames} frames of log {log.name} cannot be used ({bad_pct:.0f} %, at most "
            f"{max_bad_pct:.0f} % may be bad); the first is {key}: {reason}",
            hint="drivetrain data check shows what is wrong with the log",
        )
