"""The same pipelines on a Ray cluster of two nodes on this machine: byte for byte, also when workers or a node die."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
import pytest
from click.testing import CliRunner

from drivetrain.cli.data import command
from drivetrain.core.errors import DataError
from drivetrain.data import build_dataset
from drivetrain.data.ops.encode import Encode
from drivetrain.data.pipeline import How, Pipeline, Shards, run

pytestmark = pytest.mark.slow

NODE: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 100 << 20, "include_dashboard": False}


@pytest.fixture(scope="module")
def two_nodes() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patched.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        from ray.cluster_utils import Cluster

        cluster = Cluster(initialize_head=True, head_node_args=NODE, shutdown_at_exit=False)
        try:
            cluster.add_node(**NODE)
            yield cluster
        finally:
            cluster.shutdown()


def files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def busy(numbers: ModuleType, out: Path) -> Pipeline:
    """A data set that takes a cluster a while."""
    steps = numbers.Numbers(320, 100) | numbers.Add(1) | numbers.Slow(rounds=30_000) + numbers.Refuse((7, 40))
    return steps | Encode(("x.npy",)) | Shards(out)


def worker_at_work() -> int | None:
    """The process that runs one of our tasks at this moment; a worker between two tasks has another name."""
    names = [(each.pid, each.info["cmdline"] or [""]) for each in psutil.process_iter(["cmdline"])]
    return next((pid for pid, line in names if line[0] == "ray::run_chunk"), None)


class KillAWorker:
    """Told of progress, kills the first worker that it meets at work once `after` items are done, and no other."""

    def __init__(self, after: int) -> None:
        self.after, self.killed = after, list[int]()

    def __call__(self, done: int, note: str) -> None:
        if done >= self.after and not self.killed and (pid := worker_at_work()) is not None:
            os.kill(pid, signal.SIGKILL)
            self.killed.append(pid)


def raylets() -> set[int]:
    return {each.pid for each in psutil.process_iter(["name"]) if each.info["name"] == "raylet"}


def once_at(number: int, act: Callable[[], None]) -> Callable[[int, str], None]:
    def on_progress(done: int, note: str) -> None:
        if done == number:
            act()

    return on_progress


def test_a_cluster_gives_what_threads_give(numbers: ModuleType, two_nodes: Any, tmp_path: Path) -> None:
    pipeline = numbers.Numbers(150) | numbers.Add(1) | numbers.Twice() | numbers.Refuse((7, 40)) | numbers.Collect()
    here = run(pipeline, How(threads=2))
    ray = How(on="ray", address=two_nodes.address, cache=tmp_path / "cache")
    there = run(pipeline, ray)
    assert there.made == here.made
    assert (there.tally.bad, there.tally.dropped) == (here.tally.bad, here.tally.dropped)
    assert there.stages.num_workers == 2
    assert run(pipeline, How(threads=2, cache=tmp_path / "cache")).made == here.made  # what a cluster kept, threads use
    assert run(pipeline, ray).made == here.made


def test_a_data_set_is_the_same_when_a_worker_is_killed_in_the_middle(
    numbers: ModuleType, two_nodes: Any, tmp_path: Path
) -> None:
    run(busy(numbers, tmp_path / "here"), How(threads=2))
    how = How(on="ray", address=two_nodes.address)
    kill = KillAWorker(after=70)
    run(busy(numbers, tmp_path / "there"), how, on_progress=kill)
    assert kill.killed
    assert files(tmp_path / "there") == files(tmp_path / "here")


def test_a_data_set_is_the_same_when_a_node_is_killed_in_the_middle(
    numbers: ModuleType, two_nodes: Any, tmp_path: Path
) -> None:
    run(busy(numbers, tmp_path / "here"), How(threads=2))
    node = two_nodes.add_node(**NODE)
    how = How(on="ray", address=two_nodes.address)
    gone = once_at(70, lambda: two_nodes.remove_node(node, allow_graceful=False))
    run(busy(numbers, tmp_path / "there"), how, on_progress=gone)
    assert files(tmp_path / "there") == files(tmp_path / "here")


def test_an_item_on_which_workers_die_again_and_again_is_named(numbers: ModuleType, two_nodes: Any) -> None:
    with pytest.raises(DataError, match="workers died again and again on items 0 to 31 of the source"):
        run(numbers.Numbers(40) | numbers.Die((3,)) | numbers.Collect(), How(on="ray", address=two_nodes.address))


def test_ingest_starts_a_cluster_of_its_own_and_leaves_none(tmp_path: Path, own_home: Path) -> None:
    street = tmp_path / "street.toml"
    street.write_text("duration_s = 1.0\nwidth = 64\nheight = 36\n")
    here = build_dataset(street, tmp_path / "here", size=(32, 18))
    before = raylets()
    arguments = ["ingest", str(street), "--out", f"{tmp_path}/there", "--size", "32x18", "--on", "ray", "--json"]
    result = CliRunner().invoke(command, [*arguments, "--threads", "1"], standalone_mode=False, catch_exceptions=False)
    assert json.loads(result.stdout)["version"] == here.manifest.version
    assert files(tmp_path / "there") == files(here.path)
    assert raylets() == before
