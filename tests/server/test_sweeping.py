"""A job's code is on the disk while it may run again, and a day more."""

from __future__ import annotations

from pathlib import Path

from drivetrain.compute.controller.states import JobRecord, JobState
from drivetrain.compute.job import Job
from drivetrain.server.database import Records, open_database
from drivetrain.server.sweeping import KEPT_S, sweep

NOW_S = 2e9


def test_only_the_code_of_jobs_that_ended_long_ago_is_removed(tmp_path: Path) -> None:
    ends = {
        "job-old": (JobState.SUCCEEDED, NOW_S - KEPT_S - 1),
        "job-old-1": (JobState.STOPPED, NOW_S - KEPT_S - 1),
        "job-new": (JobState.FAILED, NOW_S - KEPT_S + 1),
        "job-waiting": (JobState.WAITING, None),
    }
    job = Job(command=("true",))
    database = open_database(f"sqlite:///{tmp_path / 'database'}")
    with database.begin() as connection:
        Records(connection).add_jobs(
            [
                JobRecord(id=name, job=job, user="u", team="t", run="r", state=state, ended_s=ended_s)
                for name, (state, ended_s) in ends.items()
            ]
        )
    for name in (*ends, "job-nobody-knows"):
        (tmp_path / "work" / name).mkdir(parents=True)
        (tmp_path / "work" / f"{name}.lock").touch()
    sweep(database, tmp_path, NOW_S)
    sweep(database, tmp_path / "no home", NOW_S)
    database.dispose()
    left = {path.name.partition(".")[0] for path in (tmp_path / "work").iterdir()}
    assert left == {"job-new", "job-waiting", "job-nobody-knows"}
