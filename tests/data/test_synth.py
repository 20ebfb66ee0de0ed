from __future__ import annotations

import numpy as np
import pytest

from drivetrain.data import SynthSpec, synth
from drivetrain.data.log import Box, Pose

LOG = synth(SynthSpec(duration_s=2.0, width=32, height=18, jitter_s=0.0))


def _ego() -> tuple[np.ndarray, np.ndarray]:
    """Positions (N x 2) and yaws by the vehicle's poses."""
    poses = [LOG.streams["pose/ego"].read(i) for i in range(len(LOG.streams["pose/ego"]))]
    assert all(isinstance(pose, Pose) for pose in poses)
    return np.array([p.position[:2] for p in poses]), np.array(
        [2 * np.arctan2(p.heading[3], p.heading[0]) for p in poses]
    )  # type: ignore[attr-defined]


def test_speed_yaw_rate_and_acceleration_are_the_derivatives_of_the_vehicles_poses() -> None:
    position_N2, yaw_N = _ego()
    speed, imu = LOG.streams["scalars/speed"], LOG.streams["scalars/imu"]
    assert imu.fields == ("yaw_rate_rad_per_s", "acceleration_x_m_per_s2", "acceleration_y_m_per_s2")
    assert speed.values is not None
    assert imu.values is not None
    velocity_N2 = np.gradient(position_N2, 0.01, axis=0)
    inner = slice(2, -2)  # differences at the ends are one-sided
    np.testing.assert_allclose(speed.values()[inner, 0], np.linalg.norm(velocity_N2, axis=1)[inner], rtol=1e-5)
    rate, forward, left = imu.values().T
    np.testing.assert_allclose(rate[inner], np.gradient(yaw_N, 0.01)[inner], atol=1e-5)
    ax, ay = np.gradient(velocity_N2, 0.01, axis=0).T
    np.testing.assert_allclose(forward[inner], (ax * np.cos(yaw_N) + ay * np.sin(yaw_N))[inner], atol=1e-4)
    np.testing.assert_allclose(left[inner], (ay * np.cos(yaw_N) - ax * np.sin(yaw_N))[inner], atol=1e-4)


def test_the_camera_is_carried_by_the_vehicle() -> None:
    camera, ego = LOG.streams["pose/front"], LOG.streams["pose/ego"]
    at = int(np.flatnonzero(ego.t_ns == camera.t_ns[7])[0])
    assert camera.read(7).position[:2] == pytest.approx(ego.read(at).position[:2])  # type: ignore[attr-defined]


def test_a_message_of_scalars_is_a_row_of_its_values() -> None:
    imu = LOG.streams["scalars/imu"]
    assert imu.values is not None
    np.testing.assert_array_equal(imu.read(5), imu.values()[5])  # type: ignore[arg-type]
    assert (len(imu), imu.labels[5], list(imu.labels[:2])) == (200, "5", ["0", "1"])


def test_a_things_box_moves_with_its_velocity_under_one_track() -> None:
    boxes = LOG.streams["boxes/top"]
    first, later = boxes.read(0), boxes.read(20)
    elapsed_s = (boxes.t_ns[20] - boxes.t_ns[0]) / 1e9
    assert isinstance(first, tuple)
    assert isinstance(later, tuple)
    after: dict[str, Box] = {box.track: box for box in later}
    assert len(after) == len(later) > 10
    assert any(box.velocity != (0.0, 0.0) for box in first)
    for box in first:
        moved = np.array(box.centre[:2]) + np.array(box.velocity) * elapsed_s
        assert after[box.track].centre[:2] == pytest.approx(moved.tolist())
