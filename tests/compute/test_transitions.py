"""Jobs and attempts move only as they may: nothing that is said twice, late or in another order does more."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.compute.controller import transitions
from drivetrain.compute.controller.states import AttemptRecord, AttemptState, JobRecord, JobState, Why
from drivetrain.compute.job import Job
from drivetrain.compute.policy.values import Share

JOB = JobRecord(id="job-1", job=Job(command=("true",), nodes=2), user="u", team="t", run="run-1")
SHARES = (Share("a", ((0, 1000),)), Share("b", ((0, 1000),)))


def started() -> tuple[JobRecord, AttemptRecord]:
    job, attempt = transitions.placed(JOB, SHARES, "local", "it fits", 1.0)
    return transitions.alive(job, attempt, 2.0)


def test_a_job_succeeds_when_all_its_members_have() -> None:
    job, attempt = transitions.exited(*started(), 0, 0, 3.0)
    assert job.state is JobState.RUNNING
    job, attempt = transitions.exited(job, attempt, 1, 0, 4.0)
    assert (job.state, attempt.state, job.exit_code) == (JobState.SUCCEEDED, AttemptState.ENDED, 0)


def test_a_job_ran_until_its_last_ranks_ended_and_has_its_places_until_that_is_known() -> None:
    job, attempt = transitions.exited(*started(), 0, 0, 3600.0, over_s=7.0)
    job, attempt = transitions.exited(job, attempt, 1, 0, 3601.0, over_s=5.0)
    assert (job.ran_s, job.ended_s, attempt.ran_until_s, attempt.ended_s) == (5.0, 7.0, 7.0, 3601.0)


def test_a_job_whose_server_forgot_that_it_lives_ran_when_its_agent_says_and_not_when_it_was_heard_again() -> None:
    job, attempt = transitions.placed(JOB, SHARES, "local", "it fits", 1.0)
    job, attempt = transitions.alive(job, attempt, 3600.0, begun_s=2.0)
    for member in (0, 1):
        job, attempt = transitions.exited(job, attempt, member, 0, 3601.0, over_s=7.0)
    assert (job.ran_s, job.ended_s, attempt.started_s, attempt.ran_until_s) == (5.0, 7.0, 2.0, 7.0)


def test_one_that_is_told_to_leave_before_it_was_heard_of_has_run_since_it_began_and_not_since_it_was_placed() -> None:
    placed = transitions.placed(JOB, SHARES, "local", "it fits", 1.0)
    told = transitions.told_to_leave(*placed, Why.STOPPED, "by u", grace_s=30, now_s=90.0)
    job, attempt = transitions.alive(*told, 91.0, begun_s=80.0)
    assert (job.state, attempt.state) == (JobState.LEAVING, AttemptState.LEAVING)
    for member in (0, 1):
        job, attempt = transitions.exited(job, attempt, member, 143, 92.0)
    assert job.ran_s == 12.0


def test_what_never_began_has_not_run() -> None:
    job, attempt = transitions.placed(JOB, SHARES, "local", "it fits", 1.0)
    for member in (0, 1):
        job, attempt = transitions.member_lost(job, attempt, member, 3600.0)
    assert job.ran_s == 0.0


@given(st.floats(-1e10, 1e10))
def test_no_clock_of_a_node_has_a_job_begin_before_it_was_placed_or_in_the_future(begun_s: float) -> None:
    job, attempt = transitions.placed(JOB, SHARES, "local", "it fits", 1.0)
    _, attempt = transitions.alive(job, attempt, 9.0, begun_s=begun_s)
    assert attempt.started_s is not None
    assert 1.0 <= attempt.started_s <= 9.0


@given(st.floats(-1e10, 1e10))
def test_no_clock_of_a_node_has_a_job_end_before_it_began_or_in_the_future(over_s: float) -> None:
    job, attempt = started()
    for member in (0, 1):
        job, attempt = transitions.exited(job, attempt, member, 0, 9.0, over_s=over_s)
    assert job.ended_s is not None
    assert 2.0 <= job.ended_s <= 9.0


def test_a_failure_of_its_own_is_final() -> None:
    job, attempt = transitions.exited(*started(), 0, 3, 3.0)
    job, _ = transitions.exited(job, attempt, 1, 143, 3.0)
    assert (job.state, job.exit_code) == (JobState.FAILED, 3)


def test_a_failure_has_the_words_of_whoever_knows_them_though_others_ended_before() -> None:
    job, attempt = transitions.exited(*started(), 1, 2, 3.0)
    assert job.reason == "ended with 2 on b"
    told_to, _ = transitions.exited(job, attempt, 0, 143, 3.1, "stopped by SIGTERM")
    assert told_to.reason == "ended with 2 on b"
    job, _ = transitions.exited(job, attempt, 0, 2, 3.1, "rank 0 left with exit code 2")
    assert (job.state, job.exit_code) == (JobState.FAILED, 2)
    assert job.reason == "ended with 2 on a: rank 0 left with exit code 2"


def test_a_lost_node_has_it_wait_for_another_once_the_rest_has_left() -> None:
    job, attempt = transitions.member_lost(*started(), 1, 3.0)
    assert (job.state, attempt.why, attempt.leave_by_s) == (JobState.LEAVING, Why.LOST, 33.0)
    job, attempt = transitions.exited(job, attempt, 0, 143, 4.0)
    assert (job.state, job.reason, attempt.state) == (JobState.WAITING, "node b is lost", AttemptState.ENDED)


def test_a_preempted_job_waits_again_and_a_stopped_one_does_not() -> None:
    for why, state in ((Why.PREEMPTED, JobState.WAITING), (Why.STOPPED, JobState.STOPPED)):
        job, attempt = transitions.told_to_leave(*started(), why, "because", grace_s=30, now_s=3.0)
        for member in (0, 1):
            job, attempt = transitions.exited(job, attempt, member, 143, 4.0)
        assert (job.state, job.reason) == (state, "because")


def test_a_stop_outweighs_a_preemption_and_not_the_other_way_round() -> None:
    told = transitions.told_to_leave(*started(), Why.PREEMPTED, "for job-2", grace_s=30, now_s=3.0)
    _, attempt = transitions.told_to_leave(*told, Why.STOPPED, "by u", grace_s=60, now_s=4.0)
    assert (attempt.why, attempt.leave_by_s) == (Why.STOPPED, 33.0)
    _, attempt = transitions.told_to_leave(*told, Why.IDLE, "idle", grace_s=1, now_s=4.0)
    assert attempt.why is Why.PREEMPTED


def test_one_that_ended_well_although_it_was_told_to_leave_has_succeeded() -> None:
    job, attempt = transitions.told_to_leave(*started(), Why.PREEMPTED, "for job-2", grace_s=30, now_s=3.0)
    for member in (0, 1):
        job, attempt = transitions.exited(job, attempt, member, 0, 4.0)
    assert job.state is JobState.SUCCEEDED


HAPPENING = st.one_of(
    st.just(("alive",)),
    st.tuples(st.just("exit"), st.integers(-1, 2), st.sampled_from([0, 1, 143])),
    st.tuples(st.just("lost"), st.integers(0, 1)),
    st.tuples(st.just("leave"), st.sampled_from(list(Why))),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(HAPPENING, max_size=12))
def test_whatever_happens_an_ended_attempt_stays_ended_and_what_is_said_twice_counts_once(
    happenings: list[tuple[object, ...]],
) -> None:
    job, attempt = transitions.placed(JOB, SHARES, "local", "it fits", 1.0)
    for happening in happenings:
        before = job, attempt
        job, attempt = happened(job, attempt, happening)
        if before[1].state is AttemptState.ENDED:
            assert (job, attempt) == before
        if happening[0] in ("exit", "lost"):
            assert happened(job, attempt, happening) == (job, attempt)
        assert (attempt.state is AttemptState.ENDED) == (len(attempt.exits) + len(attempt.lost) == 2)
        assert (attempt.state is AttemptState.ENDED) == (job.state.is_final or job.state is JobState.WAITING)


def happened(job: JobRecord, attempt: AttemptRecord, happening: tuple[object, ...]) -> tuple[JobRecord, AttemptRecord]:
    match happening:
        case ("alive",):
            return transitions.alive(job, attempt, 2.0)
        case ("exit", int(member), int(code)):
            return transitions.exited(job, attempt, member, code, 3.0)
        case ("lost", int(member)):
            return transitions.member_lost(job, attempt, member, 3.0)
        case ("leave", Why() as why):
            return transitions.told_to_leave(job, attempt, why, "because", grace_s=1.0, now_s=3.0)
    raise AssertionError
