"""Replays of pods on nodes, from files as the openb traces have them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from drivetrain.cli.simulate import command
from drivetrain.compute.policy.packing import Machine, Shape
from drivetrain.compute.policy.packing.pack import NOTHING
from drivetrain.compute.simulate.arrivals import churned
from drivetrain.compute.simulate.openb import Pod
from drivetrain.core.errors import DataError, DrivetrainError, UsageError

PODS = """name,cpu_milli,memory_mib,num_gpu,gpu_milli
a,4000,1000,1,500
b,8000,1000,1,1000
c,2000,500,0,0
d,9000,9,2,1000
"""
NODES = "sn,cpu_milli,memory_mib,gpu,model\n" + "".join(f"n{at},64000,256000,4,T4\n" for at in range(4))


@pytest.fixture
def simulate(tmp_path: Path) -> Callable[..., Result]:
    """Run the verb on two files; errors of ours come out as they are."""

    def run(pods: str = PODS, nodes: str = NODES, *options: str) -> Result:
        (tmp_path / "pods.csv").write_text(pods)
        (tmp_path / "nodes.csv").write_text(nodes)
        args = ["--pods", str(tmp_path / "pods.csv"), "--nodes", str(tmp_path / "nodes.csv"), *options]
        result = CliRunner().invoke(command, args, standalone_mode=False)
        if isinstance(result.exception, DrivetrainError):
            raise result.exception
        assert result.exception is None, result.exception
        return result

    return run


def test_each_policy_fills_a_small_cluster_the_same_way_twice(simulate: Callable[..., Result]) -> None:
    for policy in ("priced", "FGD", "BestFit", "random"):
        once, again = (json.loads(simulate(PODS, NODES, "--policy", policy, "--json").stdout) for _ in range(2))
        assert once["gpu_allocation_pct"] > 80
        assert once["num_gpus"] == 16
        assert {**once, "us_per_placement": 0, "took_s": 0} == {**again, "us_per_placement": 0, "took_s": 0}


def test_policies_are_compared_on_the_same_arrivals(simulate: Callable[..., Result]) -> None:
    found = json.loads(simulate(PODS, NODES, "--policy", "priced", "--policy", "fgd", "--json").stdout)["policies"]
    assert [one["policy"] for one in found] == ["priced", "fgd"]
    assert found[0]["num_arrivals"] == found[1]["num_arrivals"]
    assert "refused" in simulate(PODS, NODES, "--policy", "priced", "--policy", "fgd").stdout


def test_pods_that_no_empty_node_could_take_are_counted_and_named(simulate: Callable[..., Result]) -> None:
    result = simulate(PODS + "huge,1000,10,8,1000\n", NODES, "--json")
    found = json.loads(result.stdout)
    assert found["impossible"] == ["huge"]
    assert found["num_impossible"] > 0
    assert "huge" in result.stderr


@pytest.mark.parametrize(
    ("pods", "says"),
    [
        ("name,cpu_milli\na,1\n", "no column 'memory_mib'"),
        (PODS + "e,1,1\n", "line 6: 3 cells, expected 5"),
        (PODS + "e,many,1,1,1000\n", "line 6: cpu_milli is 'many'"),
        (PODS + "e,1,1,1,1500\n", "gpu_milli is '1500', expected a whole number from 0 to 1000"),
        (PODS + "e,1,1,1,0\n", "expected both or none"),
        (PODS + "e,-1,1,1,1000\n" * 5, "and 2 more lines"),
        (PODS.replace("\n", ",gpu_spc\n", 1), "column 'gpu_spc' that is not known"),
        (PODS.splitlines()[0], "no rows"),
        ("", "no rows"),
    ],
)
def test_a_list_that_is_none_is_refused_with_the_line(simulate: Callable[..., Result], pods: str, says: str) -> None:
    with pytest.raises(DataError) as caught:
        simulate(pods)
    assert says in str(caught.value)


def test_pods_that_cannot_make_the_demand_are_refused_at_once(simulate: Callable[..., Result]) -> None:
    with pytest.raises(DataError, match="none of the pods asks for a GPU"):
        simulate("name,cpu_milli,memory_mib,num_gpu,gpu_milli\nc,2000,500,0,0\n")
    with pytest.raises(DataError, match="no GPUs"):
        simulate(PODS, "sn,cpu_milli,memory_mib,gpu,model\nn,64000,256000,0,\n")


def test_a_demand_that_would_never_end_is_refused_at_once(simulate: Callable[..., Result]) -> None:
    crowd = "name,cpu_milli,memory_mib,num_gpu,gpu_milli\na,1,1,1,1\n" + "c,1,1,0,0\n" * 999
    with pytest.raises(DataError, match="would take 20,800,000 pods"):
        simulate(crowd, NODES)


def test_pods_leave_by_their_own_times(simulate: Callable[..., Result]) -> None:
    head, *rows = PODS.splitlines()
    lines = [f"{head},creation_time,deletion_time", *(f"{row},{at},{at + 50}" for at, row in enumerate(rows))]
    found = json.loads(simulate("\n".join(lines), NODES, "--departures", "--json").stdout)
    assert found["has_departures"]
    assert 50 < found["gpu_allocation_pct"] <= 100
    with pytest.raises(DataError, match="no creation_time or no deletion_time"):
        simulate(PODS, NODES, "--departures")


def test_what_leaves_came_before_and_leaves_once() -> None:
    pods = [Pod(f"p{at}", Shape(1000, 1, 1, 500), created_s=at, deleted_s=at + 7 * at % 50) for at in range(40)]
    trace = churned(pods, [Machine("n", 64_000, 1000, 8)], seed=3, demand_pct=200)
    leaving = np.flatnonzero(trace.events.departures != NOTHING)
    came = trace.events.departures[leaving]
    assert len(leaving) > 40
    assert len(set(came)) == len(came)
    assert (came < leaving).all()
    assert (trace.events.arrivals[came] != NOTHING).all()
    assert (np.diff(trace.times_s) >= 0).all()
    assert (trace.times_s[: trace.num_before] == 0).all()


def test_columns_that_are_not_read_are_told(simulate: Callable[..., Result]) -> None:
    result = simulate(PODS, NODES.replace("model\n", "model,rack\n").replace("T4\n", "T4,r1\n"))
    assert "not read: rack" in result.stderr


def test_a_policy_that_is_none_is_refused_with_the_nearest(simulate: Callable[..., Result]) -> None:
    with pytest.raises(UsageError, match="did you mean best-fit"):
        simulate(PODS, NODES, "--policy", "bestfi")


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="without --nodes"):
        CliRunner().invoke(command, ["--pods", "x.csv"], standalone_mode=False, catch_exceptions=False)
    with pytest.raises(UsageError, match="nothing to replay"):
        CliRunner().invoke(command, [], standalone_mode=False, catch_exceptions=False)
