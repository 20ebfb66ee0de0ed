"""Whatever is written as an id, a name or a number, a verb of the cluster answers in a sentence, or does it."""

from __future__ import annotations

import json
from typing import Any

import click
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.server.conftest import submit
from tests.server_process import ServerProcess, wait_for_state

from drivetrain.cli.group import drivetrain
from drivetrain.core.errors import DrivetrainError, UsageError

NUMBERS = ("0", "-1", "99999", "9" * 40, "9" * 400, "nan", "inf", "1e999", "0.5", "٣")
WORDS = ("", ".", "..", "/", "../../etc/passwd", "a b", "%2F", "?x=1", "\udc80", "é", "-", "x" * 5000)
LETTERS = st.text(st.characters(exclude_characters="\0"), max_size=12)
UNITS = ("0s", "0d", f"{'9' * 400}d", f"{'9' * 20}d", "-1s", "nanm")
VERBS = (
    ("describe", "?"),
    ("logs", "?"),
    ("logs", "--rank", "?", "latest"),
    ("stop", "?", "?"),
    ("resubmit", "?"),
    ("jobs", "--state", "?"),
    ("jobs", "--limit", "?"),
    ("jobs", "--team", "?"),
    ("pools", "--drain", "?"),
    ("pools", "--resume", "?"),
    ("cost", "--since", "?"),
    ("cost", "--by", "?"),
    ("cost", "--where", "?"),
    ("whatif", "--add", "?"),
    ("whatif", "--add", "cpu:1", "--over", "?"),
    ("users", "--set", "?"),
    ("users", "--revoke", "?"),
    ("server", "--token", "nobody", "--lasts", "?"),
    ("server", "--token", "?", "--lasts", "1h"),
    ("server", "--database", "?x"),
    ("simulate", "?", "--nodes", "4"),
    ("simulate", "/nowhere.csv", "--nodes", "?"),
    ("simulate", "/nowhere.csv", "--seed", "?", "--gpus-per-node", "?"),
    ("submit", "--dry-run", "--gpus", "?", "--", "true"),
    ("submit", "--dry-run", "--max-runtime", "?", "--", "true"),
    ("submit", "--dry-run", "--memory", "?", "--", "true"),
    ("submit", "--dry-run", "--file", "?", "--", "true"),
)


@pytest.fixture(autouse=True)
def as_operator(server: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIVETRAIN_SERVER", server.url)
    monkeypatch.setenv("DRIVETRAIN_TOKEN", server.token)


def asked(*words: str) -> str:
    """What a verb prints; an error of ours or of click's as what `main` would show."""
    result = CliRunner().invoke(drivetrain, list(words), standalone_mode=False)
    error = result.exception
    assert error is None or isinstance(error, DrivetrainError | click.ClickException | OSError | SystemExit), (
        words,
        error,
    )
    return f"{result.output}{error or ''}"


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(VERBS), st.one_of(st.sampled_from((*WORDS, *NUMBERS, *UNITS)), LETTERS))
@example(("describe", "?"), "")
@example(("cost", "--since", "?"), f"{'9' * 400}d")
def test_no_verb_shows_a_traceback(server: ServerProcess, verb: tuple[str, ...], word: str) -> None:
    said = asked(*(part.replace("?", word) for part in verb))
    assert "Traceback" not in said
    assert "Not Found" not in said
    assert "$." not in said


@pytest.mark.parametrize("port", ["99999", "-1"])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    assert "65535" in asked("server", "--port", port)


@pytest.mark.parametrize(
    "words",
    [
        "quota --set a/b --own 1",
        "quota --remove a/b",
        "quota --set maps --own 1 --pool a/b",
        "budget --set a/b --limit 1",
        "budget --remove a/b",
    ],
)
def test_a_team_or_a_pool_that_can_be_none_is_named(server: ServerProcess, words: str) -> None:
    assert f"there is no {'pool' if '--pool' in words else 'team'} 'a/b'" in asked(*words.split())


def test_stop_goes_on_with_the_others_and_says_what_had_ended(server: ServerProcess) -> None:
    client = server.client()
    over, runs = submit(client, "true"), submit(client, "sleep", "600")
    wait_for_state(client, over, "succeeded")
    result = CliRunner().invoke(drivetrain, ["stop", over, "job-nosuch", runs], standalone_mode=False)
    assert isinstance(result.exception, UsageError)
    assert "job-nosuch" in result.exception.message
    assert f"{over} has ended before: succeeded" in result.stdout
    assert f"{runs} is told to stop" in result.stdout
    assert wait_for_state(client, runs, "stopped")
    jobs: list[dict[str, Any]] = json.loads(asked("stop", "--json", over))
    assert [(job["id"], job["state"]) for job in jobs] == [(over, "succeeded")]


def test_jobs_are_lines_of_a_terminals_width(server: ServerProcess) -> None:
    submit(server.client(), "true", name="n" * 200, team="", gpus=100_000)
    lines = asked("jobs").splitlines()
    assert "age" in lines[0]
    assert max(map(len, lines)) <= 120


def test_a_state_that_is_none_is_refused_with_the_nearest(server: ServerProcess) -> None:
    assert "did you mean running?" in asked("jobs", "--state", "runing")
    assert "there are no such jobs" in asked("jobs", "--team", "nobody")


def test_the_list_after_a_drain_shows_it(server: ServerProcess) -> None:
    assert "no node 'nope'" in asked("pools", "--drain", "nope")
    for option, state in (("--drain", "draining"), ("--resume", "up")):
        nodes = json.loads(CliRunner().invoke(drivetrain, ["pools", option, "local-0", "--json"]).stdout)
        (node,) = [node for node in nodes if node["name"] == "local-0"]
        assert (node["state"], bool(node["evidence"])) == (state, state != "up"), "nothing is wrong with what is up"


def test_describe_tells_size_pool_and_priority(server: ServerProcess) -> None:
    job = submit(server.client(), "true", cpus=1, priority="high")
    assert "asks for   1 node of 1 core each; pool any; priority high" in asked("describe", job)
