"""From where on a number is worth a warning, and from where on it fails: defaults that a sound drive passes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from drivetrain.core import config


@dataclass(frozen=True, slots=True, kw_only=True)
class StampLimits:
    """Of each stream's stamps; those of cameras and lidars can fail a log, those of others only warn.

    Attributes:
      repeated_fail_pct: repeated stamps, in per cent of the messages; any warn.
      dropped_fail_pct: messages missing inside the stream, in per cent of those expected; any warn.
      jitter_warn_pct, jitter_fail_pct: 95th percentile of how far distances of stamps are from the period, in per cent
        of it.
      short_warn_pct, short_fail_pct: how much of the log's time lies before a camera's or lidar's first message or
        after its last, in per cent.
    """

    repeated_fail_pct: float = 10.0
    dropped_fail_pct: float = 10.0
    jitter_warn_pct: float = 10.0
    jitter_fail_pct: float = 50.0
    short_warn_pct: float = 10.0
    short_fail_pct: float = 50.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OffsetLimits:
    """Of how a lidar's stamps lie to a camera's: `apart_warn_ms`, and the least share of frames that find a sweep."""

    apart_warn_ms: float = 10.0
    joined_fail_pct: float = 50.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockLimits:
    """Of how clocks lie to each other, told by the vehicle's motion.

    Attributes:
      lag_warn_ms, lag_fail_ms: one is late beside the others.
      drift_warn_ppm, drift_fail_ppm: one runs faster or slower.
      num_errors: a lag or a drift below this many of its standard errors is none.
      least_correlation: of two streams' rates; below it they do not speak of one motion.
      largest_error_ms: of a lag; above it there was too little motion to tell.
    """

    lag_warn_ms: float = 3.0
    lag_fail_ms: float = 50.0
    drift_warn_ppm: float = 100.0
    drift_fail_ppm: float = 2000.0
    num_errors: float = 5.0
    least_correlation: float = 0.8
    largest_error_ms: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationLimits:
    """Of a camera's numbers, and of where lidar points fall in its images.

    Attributes:
      turned_warn_deg, turned_fail_deg: how far the camera seems turned against its pose, to a side or up and down.
      focal_warn_pct, focal_fail_pct: how far the recorded focal length seems off, in per cent.
      num_errors: a turn or focal length off by less than this many of its standard errors is not off.
    """

    turned_warn_deg: float = 0.2
    turned_fail_deg: float = 1.5
    focal_warn_pct: float = 2.0
    focal_fail_pct: float = 8.0
    num_errors: float = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueLimits:
    """Of what messages say.

    Attributes:
      bad_fail_pct: poses, numbers or points that are not finite, in per cent; any warn.
      fastest_m_per_s: a pose may not leave the one before faster; a speed may not be larger.
      fastest_turn_rad_per_s: of a yaw rate or a gyro.
      hardest_m_per_s2: of an acceleration.
      frozen_warn_s, frozen_fail_pct: how long a sensor that else changes says the same; of the stream's time.
      few_points_warn_pct: a sweep with less than this share of the usual number of points is thin.
    """

    bad_fail_pct: float = 10.0
    fastest_m_per_s: float = 100.0
    fastest_turn_rad_per_s: float = 20.0
    hardest_m_per_s2: float = 200.0
    frozen_warn_s: float = 0.5
    frozen_fail_pct: float = 25.0
    few_points_warn_pct: float = 50.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposureLimits:
    """Of images, 0 .. 255: mean brightness, and the share of pixels at either end.

    Attributes:
      dark_below, bright_above: a frame whose mean lies outside is badly exposed.
      clipped_pct: so is one with more pixels of 2 or less, or of 253 or more.
      fail_pct: of the frames; any warn.
    """

    dark_below: float = 10.0
    bright_above: float = 235.0
    clipped_pct: float = 60.0
    fail_pct: float = 50.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelLimits:
    """Of boxes against points and through time.

    Attributes:
      near_m: boxes nearer to the middle of their sweep than this should hold points.
      empty_warn_pct: of near boxes that hold none.
      foreign_warn_pct, foreign_fail_pct: of near boxes whose points are mostly of another class.
      flips_warn_pct: of tracks whose class changes.
    """

    near_m: float = 25.0
    empty_warn_pct: float = 35.0
    foreign_warn_pct: float = 10.0
    foreign_fail_pct: float = 50.0
    flips_warn_pct: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """All limits; a TOML file has a table for each group and says only what differs."""

    stamps: StampLimits = field(default_factory=StampLimits)
    offset: OffsetLimits = field(default_factory=OffsetLimits)
    clock: ClockLimits = field(default_factory=ClockLimits)
    calibration: CalibrationLimits = field(default_factory=CalibrationLimits)
    values: ValueLimits = field(default_factory=ValueLimits)
    exposure: ExposureLimits = field(default_factory=ExposureLimits)
    labels: LabelLimits = field(default_factory=LabelLimits)


def load_thresholds(path: Path) -> Thresholds:
    """Limits from a TOML file. Raises ConfigError: no such file, or a key that is not one; the nearest one is named."""
    return config.load_file(Thresholds, path)
