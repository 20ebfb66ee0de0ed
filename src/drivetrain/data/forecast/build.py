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
from drivetrain.data.forecast.windows import Horizon, Window, windows
from drivetrain.data.log import Log
from drivetrain.data.manifest import Step
from drivetrain.data.sample import Encoded
from drivetrain.data.versions import write_dataset


@dataclass(frozen=True, eq=False)
class _Scene:
    """What one stream of boxes gives.

    Attributes:
      log: its name.
      name: of the scene, unique.
      tracks: of the stream.
      windows: of the tracks.
    """

    log: str
    name: str
    tracks: Tracks
    windows: list[Window]


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
    dropped: Counter[str] = Counter()
    scenes = []
    for log in logs:
        followed = read_tracks(log, hz=horizon.hz)
        for tracks in followed:
            dropped.update(tracks.dropped)
            name = log.name if len(followed) == 1 else f"{log.name}/{tracks.stream.partition('/')[2]}"
            found = list(windows(tracks, LaneMap.of(log, tracks.stream), horizon, dropped))
            scenes.append(_Scene(log.name, name, tracks, found))
    fold_of = _folds(scenes, num_folds)
    num_agents = len(fold_of)
    if num_agents < 2:
        reasons = ", ".join(f"{number} x {reason}" for reason, number in sorted(dropped.items())) or "nothing left out"
        raise DataError(
            f"{num_agents} agents are seen for {horizon.least_s + horizon.future_s:g} s without a gap; expected 2 or "
            f"more, one to learn from and one to hold out ({reasons})",
            hint="use longer recordings or a shorter horizon",
        )
    return write_dataset(
        out,
        _samples(scenes, fold_of),
        inputs={log.name: log.content_hash() for log in logs},
        steps=[Step("build_forecast", {**asdict(horizon), "num_folds": num_folds})],
        facts={
            "horizon": asdict(horizon),
            "num_folds": len(set(fold_of.values())),
            "num_agents": num_agents,
            "dropped": {reason: number for reason, number in sorted(dropped.items()) if number},
        },
    )


def _folds(scenes: Sequence[_Scene], num_folds: int) -> dict[str, int]:
    """A fold for each track with a sample, as evenly as can be, in an order that has nothing to do with when it came.

    One name in several streams or recordings may well be one agent seen again, so it has one fold everywhere.
    """
    tracks = {window.track for scene in scenes for window in scene.windows}
    mixed = sorted(tracks, key=lambda track: hashlib.sha256(track.encode()).hexdigest())
    return {track: number % num_folds for number, track in enumerate(mixed)}


def _samples(scenes: Sequence[_Scene], fold_of: Mapping[str, int]) -> Iterator[Encoded]:
    for number, scene in enumerate(scenes):
        agents = {name: i for i, name in enumerate(sorted({window.track for window in scene.windows}))}
        slug = re.sub(r"[^A-Za-z0-9_-]", "-", scene.name)[:40]
        for window in scene.windows:
            key = f"{number}-{slug}/{agents[window.track]:05d}/{window.tick:06d}"
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
