"""Labels against each other: boxes and the points in them, and what one thing is called through time."""

from __future__ import annotations

from collections import defaultdict
from typing import cast

import numpy as np

from drivetrain.core.errors import SampleError
from drivetrain.data.arrays import Bytes, Floats, Mask
from drivetrain.data.classes import CLASSES, UNLABELLED, group_of, merge_table
from drivetrain.data.health.findings import Finding, Verdict, graded, named
from drivetrain.data.health.looks import Looks, SweepLook
from drivetrain.data.health.thresholds import LabelLimits
from drivetrain.data.log import Box, Log, Stream

_FEWEST_POINTS = 10  # in a box before their class says anything
_FEWEST_BOXES = 5
_MOST_MESSAGES = 2_000  # of boxes that are read for their tracks
_FLAT = [CLASSES.index(name) for name in ("road", "lane marking", "sidewalk", "vegetation")]
"""Groups that reach into any box from below; they say nothing of what stands on them."""


def label_findings(log: Log, looks: Looks, limits: LabelLimits) -> list[Finding]:
    """`boxes`: whether they hold points, of their own class; `tracks`: whether things keep their class."""
    found = []
    for lidar in sorted({sweep.lidar for sweep in looks.sweeps if sweep.boxes}):
        sweeps = [sweep for sweep in looks.sweeps if sweep.lidar == lidar]
        found.append(_boxes(log, lidar, sweeps, limits))
    for stream in log.of_kind("boxes"):
        found += _tracks(cast(Stream[tuple[Box, ...]], stream), limits)
    return found


def _boxes(log: Log, lidar: str, sweeps: list[SweepLook], limits: LabelLimits) -> Finding:
    table, _ = merge_table(log.class_names)
    num_near = num_empty = num_told = 0
    foreign: list[str] = []
    for sweep in sweeps:
        for box in _near(sweep, limits.near_m):
            inside = _inside(sweep.points_N3, box)
            num_near += 1
            num_empty += not inside.any()
            group = group_of(box.label)
            if sweep.class_N is not None and group not in (None, UNLABELLED):
                of_box = _group_inside(table[sweep.class_N[inside]])
                num_told += of_box is not None
                if of_box is not None and of_box != group:
                    foreign.append(box.label)
    if num_near < _FEWEST_BOXES:
        text = f"only {num_near} boxes within {limits.near_m:g} m of the sweeps that were looked at"
        return Finding("boxes", lidar, "unknown", text)
    empty_pct, foreign_pct = 100 * num_empty / num_near, 100 * len(foreign) / max(1, num_told)
    verdict: Verdict = "warn" if empty_pct > limits.empty_warn_pct else "ok"
    if num_told >= _FEWEST_BOXES and verdict == "ok":
        verdict = graded(foreign_pct, limits.foreign_warn_pct, limits.foreign_fail_pct)
    text = (
        f"{num_empty} of {num_near} boxes within {limits.near_m:g} m hold no point; the points of {len(foreign)} of "
        f"{num_told} are of another class{named(sorted(set(foreign)))}"
    )
    return Finding(
        "boxes", lidar, verdict, text, {"empty_pct": round(empty_pct, 2), "foreign_pct": round(foreign_pct, 2)}
    )


def _near(sweep: SweepLook, near_m: float) -> list[Box]:
    """Sound boxes near the middle of a sweep, which is about where the vehicle is."""
    if not len(sweep.points_N3):
        return []
    middle = np.median(sweep.points_N3, axis=0)
    sound = [box for box in sweep.boxes if np.isfinite([*box.centre, *box.size, box.yaw]).all() and min(box.size) > 0]
    return [box for box in sound if np.hypot(box.centre[0] - middle[0], box.centre[1] - middle[1]) <= near_m]


def _inside(points_N3: Floats, box: Box) -> Mask:
    away = points_N3 - np.asarray(box.centre)
    cos, sin = np.cos(box.yaw), np.sin(box.yaw)
    along, across = away[:, 0] * cos + away[:, 1] * sin, away[:, 1] * cos - away[:, 0] * sin
    length, width, height = box.size
    within = (np.abs(along) <= length / 2) & (np.abs(across) <= width / 2) & (np.abs(away[:, 2]) <= height / 2)
    mask: Mask = within
    return mask


def _group_inside(group_N: Bytes) -> int | None:
    """The group of most points in a box; None where too few stand out from the ground."""
    standing = group_N[(group_N != UNLABELLED) & ~np.isin(group_N, _FLAT)]
    if len(standing) < _FEWEST_POINTS:
        return None
    return int(np.bincount(standing).argmax())


def _tracks(stream: Stream[tuple[Box, ...]], limits: LabelLimits) -> list[Finding]:
    """Whether each track keeps its class, and stamps have no thing twice."""
    labels: dict[str, set[str]] = defaultdict(set)
    num_twice = 0
    for index in range(min(len(stream), _MOST_MESSAGES)):
        try:
            followed = [box for box in stream.read(index) if box.track]
        except SampleError as exc:
            return [Finding("readable", stream.name, "fail", f"a message cannot be read: {exc.message}")]
        num_twice += len(followed) - len({box.track for box in followed})
        for box in followed:
            labels[box.track].add(box.label)
    if not labels:
        return []
    flipped = sorted(track for track, names in labels.items() if len(names) > 1)
    verdict: Verdict = "warn" if 100 * len(flipped) / len(labels) > limits.flips_warn_pct or num_twice else "ok"
    flips = f"{len(flipped)} of {len(labels)} tracks change their class{named(flipped)}"
    evidence = {"num_flipped": len(flipped), "num_twice": num_twice}
    return [Finding("tracks", stream.name, verdict, f"{flips}; {num_twice} are there twice at once", evidence)]
