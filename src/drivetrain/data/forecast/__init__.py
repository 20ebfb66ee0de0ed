"""Motion forecasting: tracks of a log become samples whose labels are the future.

tracks.py       boxes that are followed -> evenly spaced tracks
lanes.py        the lanes round a place, and the one that it is in
windows.py      tracks and lanes -> samples in the agent's frame; manoeuvres.py names their future
build.py        samples -> a data set, each agent in one fold
kinematic.py    forecasts without learning; scores.py how far a forecast is from what happened

The life of a value: Log -> Tracks and LaneMap -> Window -> sample of a data set -> batch -> forecast -> Score
"""

from drivetrain.data.forecast.build import build_forecast
from drivetrain.data.forecast.kinematic import constant_turn_rate, constant_velocity
from drivetrain.data.forecast.lanes import LaneMap
from drivetrain.data.forecast.manoeuvres import PACES, WAYS, Manoeuvre, manoeuvre_of
from drivetrain.data.forecast.scores import MISS_M, Errors, Score, errors
from drivetrain.data.forecast.tracks import Track, Tracks, read_tracks
from drivetrain.data.forecast.windows import ROLES, Horizon, Window, windows

__all__ = [
    "MISS_M",
    "PACES",
    "ROLES",
    "WAYS",
    "Errors",
    "Horizon",
    "LaneMap",
    "Manoeuvre",
    "Score",
    "Track",
    "Tracks",
    "Window",
    "build_forecast",
    "constant_turn_rate",
    "constant_velocity",
    "errors",
    "manoeuvre_of",
    "read_tracks",
    "windows",
]
