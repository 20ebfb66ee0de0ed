from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from drivetrain.core.errors import DataError
from drivetrain.data import SynthSpec, synth
from drivetrain.data.forecast import read_tracks

from .logs import box, log_of, steady, together


def test_a_box_that_is_followed_becomes_a_track_on_even_ticks() -> None:
    (tracks,) = read_tracks(log_of(steady("a", seconds=2.0)))
    (track,) = tracks.tracks
    assert (track.name, track.label, track.first_tick, len(track)) == ("a", "car", 0, 20)
    np.testing.assert_allclose(track.position_T2[:, 0], np.arange(20.0))
    np.testing.assert_allclose(track.velocity_T2, [[10.0, 0.0]] * 20)
    assert tracks.dropped == {}


def test_jittered_stamps_of_another_rate_give_the_same_ticks() -> None:
    rng = np.random.default_rng(0)
    times = np.arange(0, 3, 0.05) + rng.normal(0, 0.002, 60)
    rows = [(float(t), [box("a", 10 * float(t), 0.0, 0.0, (10.0, 0.0))]) for t in times - times[0]]
    (track,) = read_tracks(log_of(rows))[0].tracks
    np.testing.assert_allclose(np.diff(track.position_T2[:, 0]), 1.0, atol=1e-6)


def test_a_gap_cuts_a_track_in_two_and_one_missing_message_does_not() -> None:
    rows = steady("a", seconds=6.0)
    (tracks,) = read_tracks(log_of(rows[:10] + rows[11:30] + rows[40:]))
    assert [(t.first_tick, len(t)) for t in tracks.tracks] == [(0, 30), (40, 20)]
    assert tracks.dropped == {"gap in a track": 1}


def test_a_clock_that_jumps_by_years_makes_no_endless_track() -> None:
    rows = [(0.0, [box("a", 0, 0)]), (0.1, [box("a", 1, 0)]), (3e9, [box("a", 2, 0)]), (3e9 + 0.1, [box("a", 3, 0)])]
    for some in (rows, rows[1:3]):
        log = log_of(some)
        if some is rows:
            assert [len(track) for track in read_tracks(log)[0].tracks] == [2, 2]
        else:
            with pytest.raises(DataError, match="follows nothing"):
                read_tracks(log)


def test_what_is_not_finite_repeated_or_unreadable_is_left_out_and_counted() -> None:
    rows = steady("a", seconds=2.0)
    (t, (bad,)) = rows[5]
    rows[5] = (t, [replace(bad, centre=(math.nan, 0.0, 0.0))])
    rows[8] = (rows[8][0], [*rows[8][1], box("a", 999.0, 0.0, 0.0, (0.0, 0.0))])
    damaged = [*rows[:12], (rows[12][0], None), *rows[13:]]
    (tracks,) = read_tracks(log_of(damaged))
    assert tracks.dropped == {
        "observation that is not finite": 1,
        "observation that repeats a stamp": 1,
        "message that cannot be read": 1,
    }
    (track,) = tracks.tracks
    np.testing.assert_allclose(track.position_T2[:, 0], np.arange(20.0))


def test_where_no_velocity_is_given_it_comes_from_the_past() -> None:
    rows = [(t / 10, [box("a", t * t / 20, 0.0)]) for t in range(10)]
    (track,) = read_tracks(log_of(rows))[0].tracks
    np.testing.assert_allclose(track.velocity_T2[2:, 0], [(t * t - (t - 1) ** 2) / 2 for t in range(2, 10)])


def test_a_log_that_follows_nothing_is_refused() -> None:
    with pytest.raises(DataError, match="follows nothing"):
        read_tracks(log_of([(0.0, [box("", 0, 0)]), (0.1, [box("", 1, 0)])]))


def test_a_generated_drive_has_tracks() -> None:
    (tracks,) = read_tracks(synth(SynthSpec(duration_s=1.0, width=16, height=9)))
    moving = [track for track in tracks.tracks if np.linalg.norm(track.velocity_T2[0]) > 5]
    assert len(moving) > 3
    for track in moving:
        step = np.diff(track.position_T2, axis=0) * 10
        np.testing.assert_allclose(step, track.velocity_T2[1:], atol=0.5)


def test_streams_of_one_log_are_scenes_of_their_own() -> None:
    log = log_of(together(steady("a", seconds=1.0), steady("b", y=4, seconds=1.0)))
    other = replace(log.streams["boxes/x"], name="boxes/y")
    assert [t.stream for t in read_tracks(replace(log, streams={**log.streams, "boxes/y": other}))] == [
        "boxes/x",
        "boxes/y",
    ]
