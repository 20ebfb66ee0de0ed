"""What every elastic policy does, and what each level of knowledge gives it."""

from __future__ import annotations

import pytest
from tests.compute.policy.elastic.made import job, moment

from drivetrain.compute.policy.elastic import DEFAULTS, POLICIES, Cluster, Finished, Knowledge, Policy, policy_named
from drivetrain.core.errors import UsageError

TUNING = [policy for policy in POLICIES if policy.tunes_batch]
OURS = [policy for policy in TUNING if policy.name != "pollux"]


def gpus(policy: Policy, *jobs, **changes) -> dict[str, int]:
    """How many each gets."""
    placements = policy.decide(moment(*jobs, **changes), None).placements
    return {one.name: sum(count for _, count in placements.get(one.name, ())) for one in jobs}


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_a_policy_decides_the_same_of_the_same_and_gives_no_gpu_twice(policy: Policy) -> None:
    jobs = [job(f"j{k}", progress=10.0 * 3**k, declared=10.0 * 4**k, requested_gpus=1 + k) for k in range(9)]
    once, again = (policy.decide(moment(*jobs), None).placements for _ in range(2))
    assert once == again
    used = [0] * 4
    for placement in once.values():
        for node, count in placement:
            used[node] += count
    assert max(used) <= 4
    assert sum(used) > 12


@pytest.mark.parametrize("policy", TUNING, ids=lambda policy: policy.name)
def test_a_job_that_has_measured_nothing_starts_small(policy: Policy) -> None:
    assert 1 <= gpus(policy, job("new", measured=(), speed=None, progress=0.0, declared=1e6))["new"] <= 4


@pytest.mark.parametrize("policy", OURS, ids=lambda policy: policy.name)
def test_a_job_that_is_restarting_keeps_just_its_gpus(policy: Policy) -> None:
    stays = job("stays", placement=((2, 2),), restarting=True, progress=1e9, declared=2e9)
    others = [job(f"j{k}", declared=1e3) for k in range(20)]
    placements = policy.decide(moment(stays, *others), None).placements
    assert placements["stays"] == ((2, 2),)


@pytest.mark.parametrize("policy", OURS, ids=lambda policy: policy.name)
def test_a_job_that_was_owed_gpus_for_long_gets_one_before_others_grow(policy: Policy) -> None:
    long = job("long", progress=1e8, declared=1e9, held_gpu_s=0.0)
    short = [job(f"j{k}", progress=1.0, declared=200.0) for k in range(16)]
    assert gpus(policy, *short, long)["long"] >= 1


def test_the_declared_end_moves_gpus_to_who_is_nearly_done() -> None:
    jobs = job("near", progress=9e4, declared=1e5), job("far", progress=9e4, declared=1e7)
    got = gpus(policy_named("elastic-declared"), *jobs)
    assert got["near"] > got["far"]
    even = gpus(policy_named("elastic-blind"), *jobs)
    assert even["near"] == even["far"]


def test_the_name_tells_the_end_once_one_of_that_name_has_finished() -> None:
    jobs = job("a", application="near", progress=9e4), job("b", application="far", progress=9e4)
    finished = (Finished("near", 1e5), Finished("far", 1e7))
    got = gpus(policy_named("elastic-named"), *jobs, finished=finished)
    assert got["a"] > got["b"]
    before = gpus(policy_named("elastic-named"), *jobs)
    assert before["a"] == before["b"]


def test_a_job_past_its_declared_end_is_expected_to_go_on() -> None:
    past = job("past", progress=1e5, declared=1e3)
    got = gpus(policy_named("elastic-declared"), past, job("soon", progress=1e5, declared=1.01e5))
    assert got["soon"] > got["past"]


def test_a_declaration_counts_for_as_much_as_those_before_it_were_true() -> None:
    jobs = job("a", application="x", declared=1e5), job("b", application="y", declared=1e7)
    true = tuple(Finished(name, total, total) for name, total in (("x", 1e7), ("y", 1e5)) for _ in range(5))
    got = gpus(policy_named("elastic-declared"), *jobs, finished=true)
    assert got["a"] > got["b"]
    wrong = tuple(Finished(one.application, one.progress, one.progress * 9) for one in true)
    got = gpus(policy_named("elastic-declared"), *jobs, finished=wrong)
    assert got["b"] > got["a"]


def test_there_is_one_default_for_each_level_of_knowledge() -> None:
    for knowledge in Knowledge:
        policy = policy_named(str(knowledge))
        assert (policy.name, policy.knowledge) == (DEFAULTS[knowledge], knowledge)


def test_a_name_that_is_none_is_refused_with_the_nearest() -> None:
    with pytest.raises(
        UsageError, match=r"no elastic policy 'elastic-blnd'[^\n]*tiresias[\s\S]*did you mean elastic-blind"
    ):
        policy_named("elastic-blnd")
    assert policy_named("RolloutDeclared").name == "rollout-declared"


def test_a_cluster_of_one_gpu_is_enough() -> None:
    for policy in TUNING:
        got = gpus(policy, job("a", declared=1e4), job("b", declared=1e5), cluster=Cluster(1, 1))
        assert sum(got.values()) == 1
