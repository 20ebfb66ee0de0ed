"""Jobs, made up: what a policy is told, without a simulator."""

from __future__ import annotations

from typing import Any

from drivetrain.compute.policy.elastic.kernels.step import step_s
from drivetrain.compute.policy.elastic.speed import fit, speed_array
from drivetrain.compute.policy.elastic.values import Batch, Cluster, ElasticJob, Measured, Moment, Speed

CLUSTER = Cluster(4, 4)
BATCH = Batch(128, 4096, 32, 1024)
SPEED = Speed(0.02, 0.0005, 0.03, 0.002, 0.01, 0.001, 1.8)


def measured(*configurations: tuple[int, int, int], speed: Speed = SPEED) -> tuple[Measured, ...]:
    """What a job of that speed measures with (nodes, GPUs, local batch)."""
    found = []
    for nodes, gpus, local in configurations:
        whole_s = step_s(speed_array(speed), nodes, gpus, local, 0)
        found.append(
            Measured(nodes, gpus, local, whole_s, whole_s - speed.compute_s - speed.compute_s_per_sample * local)
        )
    return tuple(found)


SEEN = measured((1, 1, 128), (1, 2, 128), (1, 4, 256), (2, 8, 256), (3, 12, 256))
FITTED = fit(SEEN)


def job(name: str, **changes: Any) -> ElasticJob:
    """One that has measured up to 12 GPUs."""
    values: dict[str, Any] = {
        "name": name,
        "application": "",
        "submitted_s": 0.0,
        "batch": BATCH,
        "fixed_batch": None,
        "most_gpus": 16,
        "requested_gpus": 1,
        "measured": SEEN,
        "speed": FITTED,
        "noise": (1.0, 20.0),
        "progress": 100.0,
        "held_gpu_s": 1e6,
    }
    return ElasticJob(**{**values, **changes})


def moment(*jobs: ElasticJob, **changes: Any) -> Moment:
    """Now is an hour after the first job came."""
    values: dict[str, Any] = {"now_s": 3600.0, "cluster": CLUSTER, "jobs": jobs}
    return Moment(**{**values, **changes})
