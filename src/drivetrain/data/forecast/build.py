"""Logs with tracks -> a data set of forecasting samples, each vehicle in one fold."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from drivetrain.core.errors import DataError
from drivetrain.data.codec import encode_all
from drivetrain.data.dataset import DataSet
from drivetrain.data.forecast.lanes import LaneMap
from drivetrain.data.forecast.tracks import Tracks, read_tracks
from drivetrain.data.forecast.windows import Horizon, Window, moments, windows
from drivetrain.data.log import Log
from drivetrain.data.manifest import Step
from drivetrain.data.sample import Encoded
from drivetrain.data.versions import write_dataset


@dataclass(frozen=True, eq=False)
class _Scene:
    """What one stream of boxes gives.

    Attributes:
      log: its name.
      name: of the scene, unique in the log.
      tracks: of the stream.
      lanes: that it drives on.
    """

    log: str
    name: str
    tracks: Tracks
    lanes: LaneMap


def build_forecast(
    logs: Sequence[Log], out: Path | str, *, horizon: Horizon | None = None, num_folds: int = 5
) -> DataSet:
    """Make a data set of every moment of every agent that has enough past and future.

    Parts: `history.npy`, `others.npy`, `lanes.npy`, `future.npy`, the arrays of `Window`. Columns: log, scene (the log,
    or one of its streams of boxes), track, label, fold, t_ns, way and pace (the manoeuvre), and x_m, y_m, heading_rad
    (the agent's frame in the world).

    All are in the split `train`, and all samples of one track's name in one fold, whatever the log: whoever leaves a
    fold out has seen nothing of its agents. The same logs give the same folds. What was left out is counted in the
    manifest's fact `dropped`.

    Args:
      logs: with boxes that have tracks.
      out: the folder to make; nothing is there until all of it is.
      horizon: how far samples look.
      num_folds: at least 2; fewer are made where there are fewer agents.
    Raises:
      ValueError: fewer than two folds, or no log.
      DataError: a log follows nothing, or there are not two agents with a sample.
      StoreError: `out` exists, or the disk would not take it.
    """
    horizon = horizon or Horizon()
    if num_folds < 2 or not logs:
        raise ValueError(f"num_folds is {num_folds} (2 or more) and there are {len(logs)} logs (1 or more)")
    scenes = [scene for log in logs for scene in _scenes(log, horizon)]
    dropped = _dropped(scenes, horizon)
    fold_of = _folds(scenes, horizon, num_folds)
    if len(fold_of) < 2:
        reasons = ", ".join(f"{number} x {reason}" for reason, number in dropped.items()) or "nothing left out"
        raise DataError(
            f"agents seen for {horizon.least_s + horizon.future_s:g} s without a gap: {len(fold_of)}; "
            f"expected 2 or more, one to learn from and one to hold out ({reasons})",
            hint="use longer recordings or a shorter horizon",
        )
    return write_dataset(
        out,
        _samples(scenes, horizon, fold_of),
        inputs={log.name: log.content_hash() for log in logs},
        steps=[Step("build_forecast", {**asdict(horizon), "num_folds": num_folds})],
        facts={
            "horizon": asdict(horizon),
            "num_folds": len(set(fold_of.values())),
            "num_agents": len(fold_of),
            "dropped": dropped,
        },
    )


def _scenes(log: Log, horizon: Horizon) -> list[_Scene]:
    followed = read_tracks(log, hz=horizon.hz)
    names = [log.name if len(followed) == 1 else f"{log.name}/{t.stream.partition('/')[2]}" for t in followed]
    return [
        _Scene(log.name, *each)
        for each in zip(names, followed, (LaneMap.of(log, t.stream) for t in followed), strict=True)
    ]


def _dropped(scenes: Sequence[_Scene], horizon: Horizon) -> dict[str, int]:
    """Why something was left out -> how often, over all scenes."""
    counts: Counter[str] = Counter()
    for scene in scenes:
        counts.update(scene.tracks.dropped)
        counts["track that is too short"] += sum(not moments(track, horizon) for track in scene.tracks.tracks)
    return {reason: number for reason, number in sorted(counts.items()) if number}


def _folds(scenes: Sequence[_Scene], horizon: Horizon, num_folds: int) -> dict[str, int]:
    """A fold for each track with a sample, as evenly as can be, in an order that has nothing to do with when it came.

    One name in several streams or recordings may well be one agent seen again, so it has one fold everywhere.
    """
    names = {track.name for scene in scenes for track in scene.tracks.tracks if moments(track, horizon)}
    mixed = sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    return {name: number % num_folds for number, name in enumerate(mixed)}


def _samples(scenes: Sequence[_Scene], horizon: Horizon, fold_of: Mapping[str, int]) -> Iterator[Encoded]:
    for number, scene in enumerate(scenes):
        names = {name: i for i, name in enumerate(sorted({track.name for track in scene.tracks.tracks}))}
        slug = re.sub(r"[^A-Za-z0-9_-]", "-", scene.name)[:40]
        for window in windows(scene.tracks, scene.lanes, horizon):
            key = f"{number}-{slug}/{names[window.track]:05d}/{window.tick:06d}"
            yield _encoded(key, scene, window, fold_of[window.track])


def _encoded(key: str, scene: _Scene, window: Window, fold: int) -> Encoded:
    parts = {
        "history.npy": window.history_H5,
        "others.npy": window.others_R5,
        "lanes.npy": window.lanes_LP3,
        "future.npy": window.future_F2,
    }
    columns = {
        "log": scene.log,
        "scene": scene.name,
        "track": window.track,
        "label": window.label,
        "fold": fold,
        "t_ns": scene.tracks.start_ns + window.tick * scene.tracks.period_ns,
        "way": window.manoeuvre.way,
        "pace": window.manoeuvre.pace,
        "x_m": float(window.origin_2[0]),
        "y_m": float(window.origin_2[1]),
        "heading_rad": window.heading_rad,
    }
    return Encoded(key, encode_all(parts), columns)
