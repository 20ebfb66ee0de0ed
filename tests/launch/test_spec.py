from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from drivetrain.core.errors import UsageError
from drivetrain.launch import Launcher, LaunchSpec, rank_environment, requests_text
from drivetrain.launch.spec import DEFAULT_PRELOAD, preload_of
from drivetrain.store import RunFolder

RUN = RunFolder(Path("/home/of/runs/runs/run-01jcz9k3m4-x7q2pa"))


def test_a_rank_is_given_what_torchrun_would_give_it_and_ours() -> None:
    spec = LaunchSpec(command=("python", "train.py"), num_ranks=4, faults=("kill:rank=1,step=48",))
    assert rank_environment(spec, RUN, rank=1, attempt=2, port=20123, num_cores=8, user={}) == {
        "RANK": "1",
        "LOCAL_RANK": "1",
        "WORLD_SIZE": "4",
        "LOCAL_WORLD_SIZE": "4",
        "GROUP_RANK": "0",
        "GROUP_WORLD_SIZE": "1",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": "20123",
        "TORCHELASTIC_RUN_ID": "run-01jcz9k3m4-x7q2pa",
        "TORCHELASTIC_RESTART_COUNT": "2",
        "TORCHELASTIC_MAX_RESTARTS": "3",
        "OMP_NUM_THREADS": "2",
        "DRIVETRAIN_HOME": "/home/of/runs",
        "DRIVETRAIN_RUN": "run-01jcz9k3m4-x7q2pa",
        "DRIVETRAIN_ATTEMPT": "2",
        "DRIVETRAIN_LEASE_NS": "10000000000",
        "DRIVETRAIN_FAULT": "kill:rank=1,step=48",
    }


def test_more_ranks_than_cores_get_one_thread_each() -> None:
    spec = LaunchSpec(command=("x",), num_ranks=4)
    assert rank_environment(spec, RUN, rank=0, attempt=0, port=1, num_cores=2, user={})["OMP_NUM_THREADS"] == "1"


def test_the_users_own_thread_count_and_variables_win() -> None:
    spec = LaunchSpec(command=("x",), num_ranks=2, env={"MASTER_ADDR": "10.0.0.1"})
    env = rank_environment(spec, RUN, rank=0, attempt=0, port=1, num_cores=8, user={"OMP_NUM_THREADS": "7"})
    assert "OMP_NUM_THREADS" not in env
    assert env["MASTER_ADDR"] == "10.0.0.1"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"command": ()}, "no command"),
        ({"num_ranks": 0}, "0 ranks"),
        ({"restarts": -1}, "restarts is -1"),
        ({"hang_after_ns": 0}, "hang_after"),
        ({"faults": ("kill:rank=2,step=1",)}, "never strike"),
        ({"faults": ("explode",)}, "no fault"),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        LaunchSpec(**{"command": ("x",), "num_ranks": 2, **wrong})


def test_python_means_this_interpreter_and_a_script_is_forked(tmp_path: Path) -> None:
    (tmp_path / "train.py").touch()
    for python in ("python", "python3", sys.executable):
        program = LaunchSpec(command=(python, "-u", "train.py", "--lr", "1"), cwd=tmp_path).program()
        assert (program.kind, program.argv) == ("script", ("train.py", "--lr", "1"))


def test_a_module_is_forked_and_interpreter_options_are_executed(tmp_path: Path) -> None:
    module = LaunchSpec(command=("python", "-m", "json.tool", "x"), cwd=tmp_path).program()
    assert (module.kind, module.argv) == ("module", ("json.tool", "x"))
    options = LaunchSpec(command=("python", "-X", "dev", "train.py"), cwd=tmp_path).program()
    assert (options.kind, options.argv) == ("executable", (sys.executable, "-X", "dev", "train.py"))


def test_only_forked_programs_preload() -> None:
    executed = LaunchSpec(command=("true",))
    forked = LaunchSpec(command=("python", "-m", "json.tool"))
    assert preload_of(executed, executed.program()) == ()
    assert preload_of(forked, forked.program()) == DEFAULT_PRELOAD


@pytest.mark.parametrize("command", [("no-such-program",), ("./nowhere/program",), ("python", "no-such-script.py")])
def test_what_cannot_start_is_one_clear_error(command: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"there is no (program|script) {command[-1]}"):
        LaunchSpec(command=command, cwd=tmp_path).program()


def test_the_plan_is_the_exact_requests_as_json(tmp_path: Path) -> None:
    spec = LaunchSpec(command=("true", "now"), num_ranks=2, cwd=tmp_path)
    plan = Launcher(spec, RunFolder(tmp_path / "home" / "runs" / "run-x")).plan()
    shown = json.loads(requests_text(plan))
    assert [request["rank"] for request in shown] == [0, 1]
    assert shown[1]["argv"][1:] == ["now"]
    assert shown[1]["env"]["RANK"] == "1"
    assert shown[1]["cwd"] == str(tmp_path)
    assert shown[0]["env"]["MASTER_PORT"] == shown[1]["env"]["MASTER_PORT"]
    assert not (tmp_path / "home").exists()
