"""What a policy is told of a job, and what it makes of it."""

from __future__ import annotations

from msgspec.structs import replace

from drivetrain.compute.controller.states import JobRecord
from drivetrain.compute.controller.told import request_of, waiting_of
from drivetrain.compute.job import Job
from drivetrain.compute.policy.pools import by_price
from drivetrain.compute.policy.values import Pool, RunTime


def test_a_job_that_agrees_to_be_preempted_goes_where_it_may_be_interrupted_and_another_does_not() -> None:
    pools = {"dear": Pool("dear", "on-demand", 4_000_000), "spot": Pool("spot", "spot", 1_000_000, 0.5)}
    for preemptible, first in ((True, "spot"), (False, "dear")):
        job = Job(command=("true",), gpus=8, preemptible=preemptible)
        record = JobRecord(id="j", job=job, user="ana", team="maps", run="r")
        told = waiting_of(record, request_of(record, has_cores=False))
        told = replace(told, run_time=RunTime(18_000, 36_000, 72_000))
        assert by_price(told, sorted(pools), pools, 0.0)[0] == first
