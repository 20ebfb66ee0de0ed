"""A log becomes a data set of labelled frames: join by time, project labelled points, resize both together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pyarrow as pa

from drivetrain.core.errors import DataError, UsageError
from drivetrain.core.units import duration_text
from drivetrain.data.classes import CLASSES, merge_table
from drivetrain.data.dataset import DataSet
from drivetrain.data.index import WORD
from drivetrain.data.log import Log
from drivetrain.data.ops.drop_bad import DropBad
from drivetrain.data.ops.encode import Encode
from drivetrain.data.ops.project_labels import ProjectLabels
from drivetrain.data.ops.read import Read
from drivetrain.data.ops.resize import Resize
from drivetrain.data.ops.split_by_time import SplitByTime
from drivetrain.data.ops.sync_nearest import SyncNearest
from drivetrain.data.ops.tag_drive import TagDrive
from drivetrain.data.ops.tag_image import TagImage
from drivetrain.data.pipeline.description import Opened, Pipeline, Sink
from drivetrain.data.pipeline.frames import Frames
from drivetrain.data.pipeline.item import Item
from drivetrain.data.pipeline.run import How, Progress, run
from drivetrain.data.pipeline.shards import as_sample
from drivetrain.data.pipeline.tally import Tally
from drivetrain.data.sample import Encoded
from drivetrain.data.shards import write_samples
from drivetrain.data.tags import COLUMNS
from drivetrain.data.versions import write_first_manifest
from drivetrain.store import publish_folder

TOLERANCE_NS = 60_000_000
"""A frame and its sweep may be this far apart: a little over half of the period of a 10 Hz lidar."""
MAX_BAD_PCT = 20.0
"""More unusable frames than this, in per cent, and the log itself must be wrong."""

_MOST_PIXELS = 1 << 26  # of one image; a frame takes some 20 bytes for each on its way through
_COLUMNS = {
    "t_ns": pa.int64(),
    "lidar_offset_ns": pa.int64(),
    "log": WORD,
    "camera": WORD,
    **COLUMNS,
    **dict.fromkeys(("fx", "fy", "cx", "cy"), pa.float64()),
    **dict.fromkeys(("width", "height"), pa.int32()),
}


def build_dataset(
    log: Log | Path | str,
    out: Path | str,
    *,
    size: tuple[int, int] = (256, 144),
    tolerance_ns: int = TOLERANCE_NS,
    held_out: float = 0.2,
    max_bad_pct: float = MAX_BAD_PCT,
    threads: int = 2,
    on_progress: Progress | None = None,
) -> DataSet:
    """Make a data set of every camera frame that has a labelled sweep near it in time.

    Frames that cannot be used (a damaged JPEG, a pose that is not finite, a file that is gone) are left out and named
    in the manifest; so many bad ones that the log itself must be wrong are an error.

    Args:
      log: opened, or its path.
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
    if threads < 1:
        raise ValueError(f"threads={threads} (1 or more)")
    pipeline = labelled_frames(log, out, size=size, tolerance_ns=tolerance_ns, held_out=held_out)
    name = log.name if isinstance(log, Log) else str(log)
    outcome = run(
        pipeline, How(threads=threads), max_bad_pct=max_bad_pct, what=f"frames of log {name}", on_progress=on_progress
    )
    return cast(DataSet, outcome.made)


def labelled_frames(
    log: Log | Path | str,
    out: Path | str,
    *,
    size: tuple[int, int] = (256, 144),
    tolerance_ns: int = TOLERANCE_NS,
    held_out: float = 0.2,
) -> Pipeline:
    """The pipeline that `build_dataset` runs; frames are joined with sweeps now, to know where to cut the split.

    See `build_dataset` for arguments and errors.
    """
    _check_settings(size, held_out)
    frames = Frames(log)
    opened = frames.open()
    sync = _sync(opened, tolerance_ns)
    sweeps_ns = _sweeps_ns(opened, sync)
    transform = DropBad() + Read(("image", "points", "point_labels")) + ProjectLabels(size) + Resize(size)
    split = SplitByTime(("t_ns", "lidar_offset_ns"), _cut_ns(sweeps_ns, held_out))
    unknown = tuple(merge_table(cast(Log, opened.log).class_names)[1])
    sink = _LabelledFrames(out, size, tolerance_ns, unknown)
    transform += TagDrive() + TagImage()
    return frames | sync | transform + Encode(("image.jpg", "label.png")) | split | sink


def _check_settings(size: tuple[int, int], held_out: float) -> None:
    if size[0] * size[1] > _MOST_PIXELS:
        raise UsageError(
            f"images of {size[0]}x{size[1]} pixels are too large; the most is {_MOST_PIXELS:,} pixels each",
            hint="ask for a smaller size, such as 256x144",
        )
    if not 0 <= held_out < 1 or min(size) < 1:
        raise ValueError(f"held_out={held_out} (0 to below 1) and size={size} (1 or more each)")


def _sync(opened: Opened, tolerance_ns: int) -> SyncNearest:
    """Frames meet the sweeps that have labels."""
    log = cast(Log, opened.log)
    for camera in log.cameras:
        log.poses_of(camera)
        if camera.name not in log.intrinsics:
            raise DataError(f"log {log.name} has no intrinsics of {camera.name}, so labels cannot be projected into it")
        _check_lens(log, camera.name)
    lidar = log.lidar()
    parts = (("points", lidar.name), ("point_labels", log.labels_of(lidar).name))
    return SyncNearest(parts, tolerance_ns, offset="lidar_offset_ns")


def _check_lens(log: Log, camera: str) -> None:
    lens = log.intrinsics[camera]
    if not lens.is_valid:
        raise DataError(
            f"log {log.name} gives {camera} focal lengths {lens.fx:g} and {lens.fy:g} and the axis {lens.cx:g}, "
            f"{lens.cy:g} in {lens.width}x{lens.height} pixels: labels cannot be projected with these",
            hint="a camera that was never calibrated is often recorded with zeros: give the log its calibration",
        )


def _sweeps_ns(opened: Opened, sync: SyncNearest) -> list[int]:
    """The stamps of the sweeps of all frames that have one, in the frames' order; nothing is read for it."""
    found = (sync(replace(item, log=opened.log)) for item in opened.items)
    stamps = [cast(int, item.columns["t_ns"]) + cast(int, item.columns["lidar_offset_ns"]) for item in found if item]
    if not stamps:
        num_labelled = sync.num_stamps(cast(Log, opened.log))
        raise DataError(
            f"no frame of log {opened.name} has a labelled sweep within {duration_text(sync.tolerance_ns)} "
            f"({len(opened.items)} frames, {num_labelled} labelled sweeps)",
            hint="look at its stamps with `drivetrain data check`, or allow a larger tolerance",
        )
    return stamps


def _cut_ns(sweeps_ns: list[int], held_out: float) -> int:
    """The stamp of the first sweep whose frames are held out; frames that share a sweep are never parted."""
    if not held_out:
        return max(sweeps_ns) + 1
    return sweeps_ns[min(len(sweeps_ns) - 1, int(len(sweeps_ns) * (1 - held_out)))]


@dataclass(frozen=True)
class _LabelledFrames(Sink):
    """A data set with what people want to know of labelled frames in its manifest."""

    out: Path | str
    size: tuple[int, int]
    tolerance_ns: int
    unknown_classes: tuple[str, ...]

    def write(self, items: Iterator[Item], tally: Tally) -> DataSet:
        """Write shards, index and manifest."""
        num_samples, num_labelled = Counter(train=0, held_out=0), 0

        def samples() -> Iterator[Encoded]:
            nonlocal num_labelled
            for item in items:
                columns = dict(item.columns)
                num_labelled += cast(int, columns.pop("num_labelled"))
                num_samples[cast(str, columns["split"])] += 1
                yield as_sample(replace(item, columns=columns))

        out = Path(self.out)
        with publish_folder(out) as folder:
            written = write_samples(folder, samples(), _COLUMNS)
            facts = self._facts(tally, num_labelled)
            written = replace(written, num_samples=dict(num_samples))
            write_first_manifest(folder, written, inputs=tally.inputs, steps=tally.history, facts=facts)
        return DataSet.open(out)

    def _facts(self, tally: Tally, num_labelled: int) -> dict[str, Any]:
        width, height = self.size
        return {
            "classes": list(CLASSES),
            "width": width,
            "height": height,
            "num_unmatched": tally.dropped["SyncNearest"],
            "tolerance_ns": self.tolerance_ns,
            "labelled_pct": round(100 * num_labelled / (tally.num_made * width * height), 2),
            "skipped": tally.bad,
            "unknown_classes": list(self.unknown_classes),
        }
