"""Pollux's workloads, played by its published rules."""

from __future__ import annotations

import functools
import json
import re
import shutil
from pathlib import Path

import pytest
from benchmarks.completion_workloads import drawn
from click.testing import CliRunner, Result

from drivetrain.cli.simulate import command
from drivetrain.compute.policy.elastic import Cluster, Decision, Knowledge, Moment, policy_named
from drivetrain.compute.simulate.training import Conditions, Outcome, Submitted, play, read_profiles, read_workload
from drivetrain.compute.simulate.training.profiles import Profile, read_profile
from drivetrain.compute.simulate.training.tables import LARGEST_BYTES
from drivetrain.core.errors import DataError, DrivetrainError, UsageError

CLUSTER = Cluster(16, 4)
APPLICATIONS = ("bert", "cifar10", "deepspeech2", "imagenet", "ncf", "yolov3")


@pytest.fixture(scope="module")
def pollux(shared_data: Path) -> Path:
    return shared_data / "pollux"


def published(pollux: Path, number: int, policy: str) -> dict[str, int]:
    found: dict[str, int] = json.loads((pollux / "published_jct_1x.json").read_text())[policy][f"workload-{number}"][
        "jct_s"
    ]
    return found


def played(
    pollux: Path, policy: str, number: int, num_jobs: int, cluster: Cluster = CLUSTER, **conditions: float
) -> Outcome:
    workload = read_workload(pollux / f"workloads/workload-{number}.csv")[:num_jobs]
    return play(workload, profiles(pollux), cluster, policy_named(policy), Conditions(**conditions))


@functools.cache
def profiles(pollux: Path) -> dict[str, Profile]:
    """Of all applications; what lies between what was measured is worked out once."""
    return {name: read_profile(pollux / "traces", name) for name in APPLICATIONS}


def test_workloads_are_drawn_as_the_published_ones_were(pollux: Path) -> None:
    for number in (1, 2, 3, 4):
        published_one = read_workload(pollux / f"workloads/workload-{number}.csv")
        assert drawn(pollux / "traces", num_jobs=160, seed=number) == published_one
    others = drawn(pollux / "traces", num_jobs=240, seed=1, instead={"imagenet": "bert"})
    assert len(others) == 240
    assert "imagenet" not in {job.application for job in others}


def test_tiresias_takes_as_long_for_each_job_as_published_until_the_first_that_is_left_out(pollux: Path) -> None:
    workload = read_workload(pollux / "workloads/workload-3.csv")
    outcome = played(pollux, "tiresias", 3, 60)
    before_s = workload[60].time_s
    ended = {job.name: outcome.jct_s[job.name] for job in workload[:60]}
    ended = {job.name: ended[job.name] for job in workload[:60] if job.time_s + ended[job.name] < before_s}
    expected = published(pollux, 3, "tiresias")
    assert len(ended) > 40
    assert ended == {name: expected[name] for name in ended}


@pytest.mark.slow
@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_tiresias_takes_as_long_for_each_job_as_published(pollux: Path, number: int) -> None:
    assert dict(played(pollux, "tiresias", number, 160).jct_s) == published(pollux, number, "tiresias")


def test_ours_end_sooner_than_pollux_and_knowing_ends_helps(pollux: Path) -> None:
    mean_s = {
        policy: played(pollux, policy, 2, 40, Cluster(8, 4)).mean_jct_s
        for policy in ("pollux", "elastic-blind", "rollout-declared")
    }
    assert mean_s["rollout-declared"] < mean_s["elastic-blind"] < mean_s["pollux"]


def test_long_restarts_and_wrong_declarations_are_survived(pollux: Path) -> None:
    hard = {"restart_s": 120.0, "declared_error": 1.0}
    ours, theirs = (played(pollux, policy, 3, 40, **hard) for policy in ("rollout-declared", "pollux"))
    assert ours.mean_jct_s < theirs.mean_jct_s
    assert ours.num_restarts < theirs.num_restarts


def test_the_same_is_played_twice_and_declarations_go_by_the_seed(pollux: Path) -> None:
    once, again, other = (
        played(pollux, "elastic-declared", 3, 30, declared_error=1.0, seed=seed).jct_s for seed in (1, 1, 2)
    )
    assert once == again != other


class Idle:
    """A policy that gives nothing."""

    name, knowledge, tunes_batch = "idle", Knowledge.BLIND, True

    def decide(self, moment: Moment, memory: object) -> Decision:
        assert all(not job.application and job.declared is None for job in moment.jobs)  # blind
        return Decision({})


class Generous(Idle):
    """A policy that gives everyone all."""

    def decide(self, moment: Moment, memory: object) -> Decision:
        return Decision({job.name: ((0, 4),) for job in moment.jobs})


def test_a_policy_that_starves_jobs_or_gives_a_gpu_twice_is_found(pollux: Path) -> None:
    workload = read_workload(pollux / "workloads/workload-3.csv")[:4]
    with pytest.raises(DrivetrainError, match="idle has let no job make progress for 168 h: 4 wait"):
        play(workload, profiles(pollux), CLUSTER, Idle())
    with pytest.raises(DrivetrainError, match="more GPUs of a node than it has"):
        play(workload, profiles(pollux), CLUSTER, Generous())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("policy", "at_most_s"),
    [("rollout-declared", 2250), ("rollout-named", 2400), ("elastic-blind", 2500)],
)
def test_the_mean_of_the_four_workloads_is_what_was_promised(pollux: Path, policy: str, at_most_s: float) -> None:
    means_s = [played(pollux, policy, number, 160).mean_jct_s for number in (1, 2, 3, 4)]
    assert sum(means_s) / 4 <= at_most_s


def write(folder: Path, *rows: str) -> Path:
    path = folder / "workload.csv"
    path.write_text("\n".join(["name,time,application,num_replicas,batch_size", *rows]) + "\n")
    return path


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("a,60,cifar10,2", "line 2: not 5 values"),
        ("a,-1,cifar10,2,128", "time is '-1'"),
        ("a,60,cifar10,0,128", "num_replicas is '0'"),
        ("a,60,cifar10,2,1e3", "batch_size is '1e3'"),
        (",60,cifar10,2,128", "a job without a name"),
        ("a,60,../cifar10,2,128", "the application is '../cifar10'"),
        ("a,60,..,2,128", "the application is '..'"),
        ("a,60,ci\0far,2,128", "the application is 'ci\\x00far'"),
        (f"a,60,{'x' * 101},2,128", "the application is 'xxxx"),
        (f"a,60,cifar10,{'1' * 5000},128", "num_replicas is '1111"),
        (f"{'x' * 200_000},60,cifar10,2,128", "line 2: no CSV: field larger"),
        ("a,60,cifar10,2,128\na,61,cifar10,2,128", "line 3: a second job 'a'"),
    ],
)
def test_a_malformed_row_is_named_with_its_line(tmp_path: Path, row: str, says: str) -> None:
    with pytest.raises(DataError, match="line") as caught:
        read_workload(write(tmp_path, row))
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"name,time,application,num_replicas,batch_size\n", "has no rows"),
        (b"name,time,application\na,60,cifar10\n", "has no column num_replicas"),
        (b"\xff\xfe\x00name", "byte 0 is no text"),
    ],
)
def test_a_file_that_holds_no_workload_is_named(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "w.csv").write_bytes(content)
    with pytest.raises(DataError, match=re.escape(str(tmp_path / "w.csv"))) as caught:
        read_workload(tmp_path / "w.csv")
    assert says in caught.value.message


def test_a_workload_is_read_as_spreadsheets_write_it(tmp_path: Path) -> None:
    text = 'name,batch_size,note,time,application,num_replicas\r\na,128,"x, y",60,cifar10,2\r\n'
    (tmp_path / "w.csv").write_text(text, encoding="utf-8-sig", newline="")
    assert read_workload(tmp_path / "w.csv") == (Submitted("a", 60, "cifar10", 2, 128),)


def test_of_a_file_without_end_no_more_is_read_than_a_table_may_have(tmp_path: Path) -> None:
    with (tmp_path / "w.csv").open("wb") as file:
        file.truncate(LARGEST_BYTES + 1)
    for path in (tmp_path / "w.csv", Path("/dev/zero")):
        with pytest.raises(DataError, match=f"{path} has more than 16 MiB"):
            read_workload(path)
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        read_workload(tmp_path)
    with pytest.raises(DataError, match="there is no file"):
        read_workload(tmp_path / "none.csv")


def test_a_job_whose_application_has_no_profile_is_named_with_those_there_are(tmp_path: Path, pollux: Path) -> None:
    workload = read_workload(write(tmp_path, "a,60,resnet,2,128"))
    with pytest.raises(DataError, match=r"job 'a' [\s\S]*no profile of resnet[\s\S]*there are bert, cifar10") as caught:
        read_profiles(pollux / "traces", workload)
    assert str(pollux / "traces/resnet") in str(caught.value)


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        ("validation-128.csv", "progress,grad_sqr\n1,1\n", "no column grad_var"),
        ("validation-128.csv", "progress,grad_sqr,grad_var\n1,1,nan\n", "line 2: grad_var is 'nan'"),
        ("placements.csv", "placement,local_bsz,step_time,sync_time\n1,32,0,0\n", "a step_time of 0"),
        ("scalability.csv", "num_nodes,num_replicas,local_bsz,step_time,sync_time\n", "has no rows"),
        ("placements.csv", "placement,local_bsz,step_time,sync_time\n1.5,32,1,0\n", "a placement or size of 1.5"),
        ("placements.csv", "placement,local_bsz,step_time,sync_time\n10,32,1,0\n", "a placement or size of 10"),
        ("placements.csv", "placement,local_bsz,step_time,sync_time\n1,0,1,0\n", "a placement or size of 0"),
        ("placements.csv", "placement,local_bsz,step_time,sync_time\n1,9999,1,0\n", "9999 samples and more"),
        ("scalability.csv", "num_nodes,num_replicas,local_bsz,step_time,sync_time\n1,1,1e99,1,0\n", "size of 1e+99"),
    ],
)
def test_a_profile_that_is_none_is_named_with_its_file(
    tmp_path: Path, pollux: Path, file: str, text: str, says: str
) -> None:
    shutil.copytree(pollux / "traces/cifar10", tmp_path / "cifar10", copy_function=shutil.copyfile)
    (tmp_path / "cifar10").chmod(0o755)
    (tmp_path / "cifar10" / file).write_text(text)
    with pytest.raises(DataError) as caught:
        read_profiles(tmp_path, read_workload(write(tmp_path, "a,60,cifar10,2,128")))
    assert says in str(caught.value)
    assert file in str(caught.value)


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (("2,1,1", "1,1,1"), "progress does not grow"),
        (("0,1,1",), "progress does not grow"),
        (("1e18,1,1",), "takes .* days or more; up to 366 are played"),
    ],
)
def test_progress_that_has_no_end_is_refused(tmp_path: Path, pollux: Path, rows: tuple[str, ...], says: str) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one/validation-128.csv").write_text("\n".join(["progress,grad_sqr,grad_var", *rows]) + "\n")
    for name in ("placements.csv", "scalability.csv"):
        shutil.copyfile(pollux / "traces/cifar10" / name, tmp_path / "one" / name)
    with pytest.raises(DataError, match=f"{tmp_path / 'one'}: .*{says}"):
        read_profiles(tmp_path, read_workload(write(tmp_path, "a,60,one,2,128")))


@pytest.mark.parametrize("cluster", [Cluster(1, 1), Cluster(3, 3), Cluster(64, 1), Cluster(1000, 4)])
def test_a_cluster_may_have_any_shape(tmp_path: Path, pollux: Path, cluster: Cluster) -> None:
    applications = ("cifar10", "ncf", "bert", "ncf")
    rows = (f"{number},{60 * number},{application},1,32768" for number, application in enumerate(applications))
    workload = read_workload(write(tmp_path, *rows))
    for policy in ("pollux", "elastic-blind", "rollout-declared"):
        assert all(play(workload, profiles(pollux), cluster, policy_named(policy)).jct_s.values())


def test_what_can_never_run_is_refused_at_once(tmp_path: Path, pollux: Path) -> None:
    workload = read_workload(write(tmp_path, "a,60,cifar10,65,128"))
    with pytest.raises(DataError, match="a asks for 65 GPUs, and the cluster has 64"):
        play(workload, profiles(pollux), CLUSTER, policy_named("tiresias"))
    with pytest.raises(UsageError, match="0 nodes"):
        play(workload, profiles(pollux), Cluster(0, 4), policy_named("tiresias"))
    workload = read_workload(write(tmp_path, "a,60,cifar10,2,100000"))
    with pytest.raises(DataError, match="measured from 128 to 4096"):
        play(workload, profiles(pollux), CLUSTER, policy_named("tiresias"))


def simulate(pollux: Path, *options: str) -> Result:
    """Run the verb; errors of ours come out as they are."""
    args = ["--profiles", str(pollux / "traces"), *options]
    result = CliRunner().invoke(command, args, standalone_mode=False)
    if isinstance(result.exception, DrivetrainError):
        raise result.exception
    assert result.exception is None, result.exception
    return result


def test_the_verb_prints_the_mean_and_each_job(tmp_path: Path, pollux: Path) -> None:
    rows = ("a,60,cifar10,2,256", "b,70,ncf,1,32768", "c,80,cifar10,4,512")
    options = ("--workload", str(write(tmp_path, *rows)), "--nodes", "2", "--gpus-per-node", "4")
    found = json.loads(simulate(pollux, *options, "--policy", "elastic-named", "--json").stdout)
    assert list(found["jct_s"]) == ["a", "b", "c"]
    assert found["mean_jct_s"] == pytest.approx(sum(found["jct_s"].values()) / 3)
    assert found["makespan_s"] >= max(found["jct_s"].values())
    assert found["gpu_hours"] > 0
    assert found["device_h"]["productive"] + found["device_h"]["restore"] == pytest.approx(found["gpu_hours"])
    assert sum(found["device_h"].values()) * 3600 == pytest.approx(8 * (found["span_s"] + 60))
    assert found["took"]["cifar10"]["mean_s"] == pytest.approx((found["jct_s"]["a"] + found["jct_s"]["c"]) / 2, abs=1)
    page = tmp_path / "page.html"
    two = simulate(pollux, *options, "--policy", "tiresias", "--policy", "pollux", "--html", str(page))
    assert [line.split()[0] for line in two.stdout.splitlines()[3:5]] == ["tiresias", "pollux"]
    assert page.read_text(encoding="utf-8").count("<svg") == 4


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--nodes", "0", "--gpus-per-node", "4"), "--nodes is '0'"),
        (("--nodes", "-1", "--gpus-per-node", "4"), "--nodes is '-1'"),
        (("--nodes", "16", "--gpus-per-node", "8"), "measured with up to 4 on a node"),
        (("--nodes", "16"), "needs --profiles, --nodes and --gpus-per-node"),
        (("--nodes", "16", "--gpus-per-node", "4", "--policy", "polux"), "did you mean pollux"),
        (("--nodes", "16", "--gpus-per-node", "4", "--pods", "x"), "both given"),
    ],
)
def test_what_the_verb_cannot_take_is_named(tmp_path: Path, pollux: Path, options: tuple[str, ...], says: str) -> None:
    with pytest.raises(UsageError) as caught:
        simulate(pollux, "--workload", str(write(tmp_path, "a,60,cifar10,2,256")), *options)
    assert says in str(caught.value)
