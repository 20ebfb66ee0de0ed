"""The same pipelines on a Ray cluster of two nodes on this machine: byte for byte, also when workers are killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from drivetrain.data import DataSet
from drivetrain.data.build import labelled_frames
from drivetrain.data.pipeline import How, run

pytestmark = pytest.mark.slow

STREET = "duration_s = 8.0\nwidth = 96\nheight = 54\ncamera_hz = 20.0\n"


@pytest.fixture(scope="module")
def two_nodes() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patched.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        from ray.cluster_utils import Cluster

        node = {"num_cpus": 1, "object_store_memory": 100 << 20, "include_dashboard": False}
        cluster = Cluster(initialize_head=True, head_node_args=node, shutdown_at_exit=False)
        try:
            cluster.add_node(**node)
            yield cluster
        finally:
            cluster.shutdown()


def test_a_cluster_gives_what_threads_give(numbers: ModuleType, two_nodes: Any, tmp_path: Path) -> None:
    steps = numbers.Numbers(150) | numbers.Add(1) | numbers.Twice() | numbers.Slow() + numbers.Refuse((7, 40))
    here = run(steps | numbers.Collect(), How(threads=2))
    ray = How(on="ray", address=two_nodes.address, cache=tmp_path / "cache")
    there = run(steps | numbers.Collect(), ray)
    assert there.made == here.made
    assert (there.tally.bad, there.tally.dropped) == (here.tally.bad, here.tally.dropped)
    assert there.stages.num_workers == 2
    assert run(steps | numbers.Collect(), ray).made == here.made


def files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a_data_set_is_the_same_when_a_worker_is_killed_in_the_middle(two_nodes: Any, tmp_path: Path) -> None:
    street = tmp_path / "street.toml"
    street.write_text(STREET)
    here = run(labelled_frames(street, tmp_path / "here", size=(48, 27)), How(threads=2))
    killed: list[int] = []

    def kill_one(done: int, note: str) -> None:
        if done == 40 and not killed:
            killed.append(_kill_a_worker(two_nodes))

    there = run(
        labelled_frames(street, tmp_path / "there", size=(48, 27)),
        How(on="ray", address=two_nodes.address),
        on_progress=kill_one,
    )
    assert killed
    assert isinstance(here.made, DataSet)
    assert isinstance(there.made, DataSet)
    assert files(here.made.path) == files(there.made.path)


def _kill_a_worker(cluster: Any) -> int:
    """SIGKILL for a process that runs one of our tasks."""
    import psutil

    found = [p for p in psutil.process_iter(["cmdline"]) if "ray::run_chunk" in " ".join(p.info["cmdline"] or ())]
    os.kill(found[0].pid, signal.SIGKILL)
    return int(found[0].pid)
