"""Whoever asks for a job beside others is told of theirs alone, whatever is wrong with the others'."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Engine
from tests.server.conftest import DATABASES

from drivetrain.compute.controller.states import JobRecord
from drivetrain.compute.job import Job
from drivetrain.core.errors import UsageError
from drivetrain.server.database import open_database
from drivetrain.server.services import jobs
from drivetrain.server.services.describing import described
from drivetrain.server.services.following import Printed, Reader, printed
from drivetrain.server.services.people import Person, Role
from drivetrain.store import run_folder

ODD = ("", "\0", "job-\0", "job-\ud800", "job", "%%%%", "/_%'\"", "j" * 60_000, "%" * 40_000, "\U0001f697" * 2_000_000)


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setenv("DRIVETRAIN_HOME", str(tmp_path))
    url = f"sqlite:///{tmp_path / 'database'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").database(f"together-{uuid.uuid4().hex[:8]}")
    engine = open_database(url)
    yield engine
    engine.dispose()


def submitted(database: Engine) -> JobRecord:
    with database.begin() as connection:
        who = Person("ana", Role.MEMBER, ("maps",))
        return jobs.submit(connection, who, Job(command=("true",)), snapshot="", folder="/", key="", now_s=1e9)


def test_a_job_is_described_and_its_logs_are_read_beside_names_that_no_job_has(database: Engine) -> None:
    job = submitted(database).id
    for odd in ODD:
        found = described(database, [odd, job])
        assert isinstance(found[odd], UsageError)
        assert isinstance(told := found[job], bytes)
        assert msgspec.json.decode(told)["id"] == job
        readers = [Reader(name, {}, None) for name in (odd, job)]
        wrong, right = map(printed(database, readers).get, readers)
        assert isinstance(wrong, UsageError)
        assert len(wrong.message) < 200
        assert isinstance(right, Printed)


def test_logs_are_read_beside_those_that_cannot_be(database: Engine) -> None:
    broken, whole = submitted(database), submitted(database)
    for job in (broken, whole):
        run_folder(job.run).logs.mkdir(parents=True)
    (run_folder(broken.run).logs / "attempt-0.rank-0.log").mkdir()
    (run_folder(whole.run).logs / "attempt-0.rank-0.log").write_text("hello\n")
    readers = [Reader(job.id, {}, None) for job in (broken, whole)]
    wrong, right = map(printed(database, readers).get, readers)
    assert isinstance(wrong, OSError)
    assert isinstance(right, Printed)
    assert [piece.text for piece in right.pieces] == ["hello\n"]
