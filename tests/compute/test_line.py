"""Jobs in line, by kind."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from drivetrain.compute.controller.line import Line
from drivetrain.compute.controller.states import JobRecord, JobState
from drivetrain.compute.job import Job

STATES = (JobState.WAITING, JobState.WAITING, JobState.RUNNING, JobState.SUCCEEDED)


def record(name: str, submitted_s: float, state: JobState = JobState.WAITING, gpus: int = 1) -> JobRecord:
    job = Job(command=("true",), gpus=gpus)
    return JobRecord(id=name, job=job, user="ana", team="maps", run="run", state=state, submitted_s=submitted_s)


def test_the_oldest_of_each_kind_come_first() -> None:
    line = Line()
    for job in (record("c", 3.0), record("a", 1.0), record("b", 2.0), record("d", 0.5, gpus=8)):
        line.put(job)
    assert sorted(line.first(2)) == ["a", "b", "d"]
    assert sorted(line.first()) == ["a", "b", "c", "d"]


def test_who_waits_again_is_as_old_as_it_was() -> None:
    line = Line()
    old, young = record("old", 1.0), record("young", 2.0)
    for job in (old, young, replace(old, state=JobState.RUNNING), replace(old, state=JobState.WAITING)):
        line.put(job)
    assert line.first(1) == ["old"]


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(STATES), st.integers(1, 2)), max_size=30))
def test_in_line_are_those_that_wait_and_nobody_else(puts: list[tuple[int, JobState, int]]) -> None:
    line, now = Line(), {}
    for number, state, gpus in puts:
        name = f"job{number}"
        known = now.get(name) or record(name, float(number), gpus=gpus)
        now[name] = replace(known, state=state)
        line.put(now[name])
    waiting = sorted(name for name, job in now.items() if job.state is JobState.WAITING)
    assert sorted(line.first()) == waiting
    assert len(line) == len(waiting)
