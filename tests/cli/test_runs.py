from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from drivetrain.cli.runs import command
from drivetrain.core.errors import UsageError
from drivetrain.store import create_run, open_run, publish_bytes


def test_runs_are_listed_newest_first(own_home: Path) -> None:
    ids = [create_run(["python", "train.py"], number, name=f"run {number}").id for number in (1, 2, 3)]
    done = CliRunner().invoke(command, ["--json"])
    listed = json.loads(done.stdout)
    assert [line["id"] for line in listed] == ids[::-1]
    assert [line["num_ranks"] for line in listed] == [3, 2, 1]
    assert listed[0]["status"] == "no records"
    assert listed[0]["goodput_pct"] is None
    table = CliRunner().invoke(command, []).stdout.splitlines()
    assert [line.split()[0] for line in table] == ["id", *ids[::-1]]


def test_no_runs_are_an_empty_list_and_a_word_on_stderr(own_home: Path) -> None:
    assert json.loads(CliRunner().invoke(command, ["--json"]).stdout) == []
    done = CliRunner().invoke(command, [])
    assert done.stdout == ""
    assert "there are no runs in" in done.stderr


@pytest.mark.parametrize("content", [b"", b"\xff garbage", b'{"k":"journal"}\n{"k":"x"}\n'])
def test_a_damaged_journal_does_not_stop_the_listing(own_home: Path, content: bytes) -> None:
    run = create_run(["python"], 1)
    publish_bytes(run.journal / "launcher.jsonl", content)
    (line,) = json.loads(CliRunner().invoke(command, ["--json"]).stdout)
    assert line["status"] == "no records"


def test_a_run_is_found_by_the_name_people_gave_it(own_home: Path) -> None:
    first, second = create_run(["python"], 1, name="reference"), create_run(["python"], 1, name="other")
    assert open_run("reference").id == first.id
    create_run(["python"], 1, name="other")
    with pytest.raises(UsageError, match="other fits 2 runs"):
        open_run("other")
    assert open_run(second.id).id == second.id
