"""What people and agents may ask of a server, on both databases."""

from __future__ import annotations

import concurrent.futures
import hashlib
import json
import os
import re
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.server.conftest import printed, raw, somebody, submit
from tests.server_process import ServerProcess, wait_for, wait_for_state

from drivetrain.cli.group import drivetrain
from drivetrain.compute.agent.assignment import read_assignment
from drivetrain.compute.job import Job
from drivetrain.compute.snapshot import take
from drivetrain.compute.snapshot.batches import MOST_BATCH_BYTES
from drivetrain.core.errors import UsageError
from drivetrain.server.client import Client, pieces

SLEEP = ("sleep", "600")


def audit(server: ServerProcess, user: str) -> list[tuple[str, bool]]:
    return [(row["action"], row["was_allowed"]) for row in server.client().ask("GET", f"/api/audit?user={user}")]


def test_a_job_runs_and_its_log_is_followed_to_its_end(server: ServerProcess) -> None:
    client = server.client()
    job = submit(client, "sh", "-c", "echo one; echo two >&2", name="two words")
    assert sorted(printed(client, job).split()) == ["one", "two"]
    told = wait_for_state(client, job, "succeeded")
    assert told["job"]["name"] == "two words"
    assert [attempt["exits"] for attempt in told["attempts"]] == [{"0": 0}]
    assert next(event["kind"] for event in told["events"] if event["subject"] == job) == "job waiting"


def test_what_a_job_has_printed_so_far_comes_to_an_end_though_it_prints_on() -> None:
    sizes = [1 << 20, (1 << 20) - 3, *[10] * 8]  # it prints faster than it is asked

    def ask(_method: str, _path: str, body: dict[str, Any]) -> dict[str, Any]:
        begin, number = body["cursor"].get("f", 0), len(asked)
        asked.append(begin)
        piece = {"file": "f", "attempt": 0, "rank": 0, "text": str(number), "end": begin + sizes[number]}
        return {"job": "job-1", "state": "running", "pieces": [piece]}

    asked: list[int] = []
    assert [piece["text"] for piece in pieces(ask, "job-1", rank=None, follow=False)] == ["0", "1", "2"]


def test_a_log_that_ends_within_a_character_is_followed_to_the_end_of_its_job() -> None:
    piece = {"file": "f", "attempt": 0, "rank": 0, "text": "", "end": 0}
    answer = {"job": "job-1", "state": "failed", "pieces": [piece]}
    assert list(pieces(lambda *_: answer, "job-1", rank=None, follow=True)) == [piece, piece]


def test_a_gang_runs_on_several_nodes_and_one_rank_s_log_is_read(server: ServerProcess) -> None:
    client = server.client()
    job = submit(client, "sh", "-c", "echo rank $RANK of $WORLD_SIZE", nodes=2, retries=0)
    assert printed(client, job, rank=1) == "rank 1 of 2\n"
    assert len({share["node"] for share in client.job(job)["attempts"][0]["shares"]}) == 2


def test_a_job_that_fails_tells_its_exit_code_and_one_that_cannot_begin_why(server: ServerProcess) -> None:
    client = server.client()
    fails = submit(client, "sh", "-c", "exit 3", retries=0)
    cannot = submit(client, "no-such-program-at-all")
    assert wait_for_state(client, fails, "failed")["exit_code"] == 3
    assert "there is no program no-such-program-at-all" in wait_for_state(client, cannot, "failed")["reason"]


def test_a_job_is_stopped_while_it_runs_and_while_it_waits(server: ServerProcess) -> None:
    client = server.client()
    all_cores = len(os.sched_getaffinity(0))
    runs = submit(client, *SLEEP, cpus=all_cores, nodes=4)
    wait_for_state(client, runs, "running")
    waits = submit(client, *SLEEP)
    assert "first in line" in wait_for(lambda: client.job(waits)["reason"], "why it waits")
    for job in (waits, runs):
        client.stop(job)
        assert wait_for_state(client, job, "stopped")["reason"].startswith("stopped by ")
    assert client.job(waits)["attempts"] == []


def test_a_job_that_no_pool_can_ever_give_is_refused_with_the_nearest_that_could_be(server: ServerProcess) -> None:
    client = server.client()
    wait_for(lambda: client.ask("GET", "/api/nodes"), "nodes")
    said = client.submit(Job(command=("true",), cpus=10**6), snapshot="", folder="/")
    assert said["state"] == "refused"
    assert "nearest that could be: a node with" in said["reason"]
    assert "nearest" in wait_for_state(client, said["id"], "refused")["reason"]
    array = client.submit(Job(command=("true",), array="0-9", gpu="H100", gpus=1), snapshot="", folder="/")
    assert array["state"] == "refused"
    array = client.submit(Job(command=("true",), array="0-9", nodes="1:9"), snapshot="", folder="/")
    assert array["state"] == "waiting"


def test_a_job_that_its_team_s_quota_has_no_room_for_waits_and_is_told_to_wait(server: ServerProcess) -> None:
    client = server.client()
    wait_for(lambda: client.ask("GET", "/api/nodes"), "nodes")
    quota = {"team": "narrow", "pool": "local", "nominal_milli": 1000, "cohort": "of-its-own"}
    client.ask("PUT", "/api/settings/quota/narrow%40local", quota)
    said = client.submit(Job(command=("true",), nodes=3, team="narrow", pool="local"), snapshot="", folder="/")
    assert said["state"] == "waiting"
    wait_for(lambda: "may use no more than 1 by its quota" in client.job(said["id"])["reason"], "why it waits")
    client.ask("DELETE", "/api/settings/quota/narrow%40local")
    wait_for_state(client, said["id"], "succeeded")
    with pytest.raises(UsageError, match="there is no quota of narrow@local"):
        client.ask("DELETE", "/api/settings/quota/narrow%40local")
    with pytest.raises(UsageError, match=r"there is no quota of narrow$"):
        client.ask("DELETE", "/api/settings/quota/narrow%40")


def test_who_submits_what_can_never_be_hears_it_at_once(
    server: ServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRIVETRAIN_SERVER", server.url)
    monkeypatch.setenv("DRIVETRAIN_TOKEN", server.token)
    monkeypatch.setenv("DRIVETRAIN_HOME", str(tmp_path / "home"))
    (tmp_path / "a.txt").write_text("a")
    monkeypatch.chdir(tmp_path)
    wait_for(lambda: server.client().ask("GET", "/api/nodes"), "nodes")
    with pytest.raises(UsageError, match=r"is refused: pool local has 4 nodes .*; nearest that could be: 4 nodes"):
        CliRunner().invoke(drivetrain, ["submit", "--nodes", "5", "--", "true"], catch_exceptions=False)
    with pytest.raises(UsageError, match=r"is refused: pool local has 4 nodes .*; nearest that could be: 4 nodes"):
        CliRunner().invoke(drivetrain, ["resubmit", "latest"], catch_exceptions=False)


def test_a_request_that_comes_again_makes_no_second_job(server: ServerProcess) -> None:
    key = uuid.uuid4().hex

    def ask(_: int) -> str:
        return submit(server.client(), "true", key=key)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(ask, range(16)))) == 1
    _, other = somebody(server, "member")
    assert submit(other, "true", key=key) != ask(0)  # a key is its maker's own


@pytest.mark.parametrize(("token", "says"), [("", "needed"), ("dt-unknown", "not known"), (None, "has expired")])
def test_a_token_that_is_not_good_is_refused_with_what_to_do(
    server: ServerProcess, token: str | None, says: str
) -> None:
    client = Client(server.url, token) if token is not None else somebody(server, "member", lasts_s=1e-6)[1]
    with pytest.raises(UsageError, match=says):
        client.jobs()


def test_a_viewer_looks_and_neither_submits_nor_stops_and_both_are_audited(server: ServerProcess) -> None:
    name, viewer = somebody(server, "viewer")
    job = submit(server.client(), *SLEEP)
    assert viewer.job(job)["id"] == job
    for ask in (lambda: submit(viewer, "true"), lambda: viewer.stop(job)):
        with pytest.raises(UsageError, match=f"{name}, a viewer, may not"):
            ask()
    assert audit(server, name) == [("stop", False), ("submit", False)]
    server.client().stop(job)


def test_a_member_stops_what_is_theirs_and_not_what_is_another_s(server: ServerProcess) -> None:
    (name, member), (_, other) = somebody(server, "member"), somebody(server, "member")
    theirs, others = submit(member, *SLEEP), submit(other, *SLEEP)
    with pytest.raises(UsageError, match="may not stop"):
        member.stop(others)
    member.stop(theirs)
    wait_for_state(member, theirs, "stopped")
    assert server.client().job(others)["state"] != "stopped"
    assert audit(server, name) == [("stop", True), ("stop", False), ("submit", True)]
    other.stop(others)


def test_a_member_takes_the_quota_of_their_own_teams_alone(server: ServerProcess) -> None:
    _, member = somebody(server, "member", ("planning", "alpha"))
    assert member.job(submit(member, "true"))["team"] == "planning"
    assert member.job(submit(member, "true", team="alpha"))["team"] == "alpha"
    with pytest.raises(UsageError, match="is not in team perception"):
        submit(member, "true", team="perception")
    with pytest.raises(UsageError, match="may not set user"):
        member.ask("PUT", "/api/users/mallory", {"role": "operator"})


@pytest.mark.parametrize(
    ("job", "says"),
    [
        ({"command": ["true"], "nods": 2}, "did you mean nodes?"),
        ({"command": ["true"], "nodes": "4:2"}, "the smaller number first"),
        ({"command": ["true"], "priority": "hihg"}, "did you mean high?"),
        ({"command": "true"}, "command is a text, expected a list"),
        ({"command": []}, "no command"),
        ({"command": ["a\0b"]}, "zero byte"),
        ({"command": ["true"], "gpus": 1e9}, "expected 0 to 1,000,000"),
        ([], "valid dictionary"),
    ],
)
def test_a_spec_that_is_malformed_is_refused_with_the_nearest_that_is_not(
    server: ServerProcess, job: object, says: str
) -> None:
    status, said = raw(server, "POST", "/api/jobs", json.dumps({"job": job}), **{"Content-Type": "application/json"})
    assert status == 422
    assert says in said


def test_what_is_no_json_is_refused(server: ServerProcess) -> None:
    for body in (b"{", b"\xff\xfe", b"[" * 100_000):
        assert raw(server, "POST", "/api/jobs", body, **{"Content-Type": "application/json"})[0] in (400, 422)


def test_a_name_and_arguments_never_reach_a_shell(server: ServerProcess) -> None:
    nasty = "$(touch /tmp/pwned-by-name) `id` ; & | > \"'\\"
    client = server.client()
    job = submit(client, "echo", nasty, name=nasty)
    assert printed(client, job) == nasty + "\n"
    assert not Path("/tmp/pwned-by-name").exists()


def test_a_secret_reaches_its_ranks_and_is_kept_and_shown_nowhere(
    make_server: Callable[..., ServerProcess], tmp_path: Path
) -> None:
    of_file, of_environment = uuid.uuid4().hex, uuid.uuid4().hex
    (tmp_path / "secret").write_text(f"{of_file}\n")
    hashes = [hashlib.sha256(text.encode()).hexdigest() for text in (of_file, of_environment)]
    script = (
        "import hashlib, os, sys\n"
        "found = [hashlib.sha256(os.environ[name].encode()).hexdigest() for name in 'AB']\n"
        f"sys.exit(3 if found == {hashes!r} else 4)\n"
    )
    server = make_server(env={"OF_SERVER": of_environment})
    client, secrets = server.client(), {"A": f"file:{tmp_path / 'secret'}", "B": "env:OF_SERVER"}
    job = submit(client, sys.executable, "-c", script, secrets=secrets, retries=1)
    array = submit(client, sys.executable, "-c", script, secrets=secrets, retries=0, array="0-1")
    assert wait_for_state(client, job, "failed")["exit_code"] == 3
    assert wait_for_state(client, array, "failed")["reason"] == "2 of 2 tasks failed"
    wait_for(lambda: not list((server.home / "agents").iterdir()), "the agents' folders to be put away")
    server.stop()
    kept = [path for path in server.home.rglob("*") if path.is_file()]
    assert any(b"env:OF_SERVER" in path.read_bytes() for path in kept)
    assert [path for path in kept for text in (of_file, of_environment) if text.encode() in path.read_bytes()] == []


def test_code_travels_and_a_second_job_sends_nothing(server: ServerProcess, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    content = uuid.uuid4().hex
    (tmp_path / "sub" / "word.txt").write_text(content)
    client, manifest = server.client(), take(tmp_path)
    assert [client.send_code(manifest, tmp_path) for _ in range(2)] == [1, 0]
    job = client.submit(Job(command=("cat", "word.txt")), snapshot=manifest.id, folder="sub")["id"]
    assert printed(client, job) == content


@pytest.mark.parametrize("path", ["../out", "/etc/out", "a/../../out", "a//b", ""])
def test_a_snapshot_that_leads_out_of_its_folder_is_refused(server: ServerProcess, path: str) -> None:
    entry = [path, False, 0, hashlib.sha256(b"").hexdigest(), ""]
    status, said = raw(server, "POST", "/api/snapshots", json.dumps({"entries": [entry]}))
    assert (status, "leads out of its folder" in said) == (422, True)


def test_a_folder_that_leads_out_of_the_code_and_code_that_was_not_sent_are_refused(
    server: ServerProcess, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("a")
    client, manifest = server.client(), take(tmp_path)
    with pytest.raises(UsageError, match="has not been sent"):
        client.submit(Job(command=("true",)), snapshot="snapshot-" + "0" * 64, folder="")
    client.send_code(manifest, tmp_path)
    for folder in ("..", "/etc", "a/../.."):
        with pytest.raises(UsageError, match="leads out of the code"):
            client.submit(Job(command=("true",)), snapshot=manifest.id, folder=folder)


def test_a_content_that_is_not_what_its_hash_says_is_refused(server: ServerProcess) -> None:
    assert raw(server, "PUT", f"/api/blobs/{'0' * 64}", b"else")[0] == 422
    assert raw(server, "PUT", "/api/blobs/..%2F..%2Fkey", b"else")[0] in (404, 422)
    assert raw(server, "POST", "/api/blobs", b"0" * 64 + (4).to_bytes(8, "big") + b"else")[0] == 422
    assert raw(server, "POST", "/api/blobs", b"../../key".ljust(64, b"x") + (4).to_bytes(8, "big") + b"else")[0] == 422
    assert raw(server, "POST", "/api/blobs", b"0" * 70)[0] == 422
    assert raw(server, "POST", "/api/blobs", b"", **{"Content-Length": str(MOST_BATCH_BYTES + 1)})[0] == 413


def test_small_and_large_contents_are_sent_and_told(server: ServerProcess, tmp_path: Path) -> None:
    for number in range(2500):
        (tmp_path / f"{number}.txt").write_text(str(number))
    (tmp_path / "large.bin").write_bytes(os.urandom(MOST_BATCH_BYTES + 1))
    client, manifest = server.client(), take(tmp_path)
    told: list[tuple[int, int]] = []
    num_sent = client.send_code(manifest, tmp_path, on_progress=lambda done, total: told.append((done, total)))
    assert num_sent >= 2400  # others may have sent some of these
    assert told == sorted(told)
    assert told[-1] == (num_sent, num_sent)
    assert len(told) > 2
    assert client.ask("POST", "/api/blobs/missing", sorted(manifest.hashes)) == []
    assert client.send_code(manifest, tmp_path) == 0


def test_an_agent_s_token_is_good_for_its_attempt_and_its_files_alone(server: ServerProcess) -> None:
    client = server.client()
    job = submit(client, *SLEEP)
    wait_for_state(client, job, "running")
    assignment = read_assignment(server.home / "agents" / f"{job}.0")
    token = {"Authorization": f"Bearer {assignment.token}"}
    base = f"/agent/{job}.0/0"
    for path in (
        "journal/../../../x",
        "../x",
        "logs/a/b",
        "run.json",
        "logs/.hidden",
        "logs/a%00b",
        "logs/" + "a" * 300,
    ):
        status, said = raw(server, "POST", f"{base}/file?path={path}&offset=0", b"x", **token)
        assert (status, "no file of a run" in said) == (422, True), path
    assert raw(server, "POST", f"/agent/{job}.1/0/beat", b"{}", **token)[0] == 401
    assert raw(server, "GET", "/api/jobs", **token)[0] == 401
    assert raw(server, "GET", f"{base}/blob/{'0' * 64}", **token)[0] in (403, 422)
    assert raw(server, "POST", f"{base}/file?path=logs/x.log&offset=0", b"x" * (5 << 20), **token)[0] == 413
    client.stop(job)


def test_a_piece_that_comes_twice_is_written_once(server: ServerProcess) -> None:
    client = server.client()
    job = submit(client, *SLEEP)
    wait_for_state(client, job, "running")
    token = read_assignment(server.home / "agents" / f"{job}.0").token

    def send(offset: int) -> str:
        path = f"/agent/{job}.0/0/file?path=logs/extra.log&offset={offset}"
        return raw(server, "POST", path, b"12345", Authorization=f"Bearer {token}")[1]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert set(pool.map(send, [0] * 8)) == {'{"size_bytes":5}'}
    assert send(5) == '{"size_bytes":10}'
    assert (server.home / "runs" / client.job(job)["run"] / "logs" / "extra.log").read_text() == "12345" * 2
    client.stop(job)


def test_a_body_that_is_too_large_is_refused_whether_it_says_so_or_not(server: ServerProcess) -> None:
    large = b" " * (5 << 20)
    pieces = iter([large[: 1 << 20]] * 5)  # sent in chunks, without a length
    for body in (large, pieces):
        try:
            status, said = raw(server, "POST", "/api/jobs", body, **{"Content-Type": "application/json"})
        except (ConnectionResetError, BrokenPipeError):  # it does not read to the end what it refuses
            continue
        assert (status, "too large" in said) == (413, True)
    assert server.client().jobs(limit=1) is not None


def test_what_a_script_leaves_running_ends_with_its_job(server: ServerProcess, tmp_path: Path) -> None:
    script = (
        "import os, sys, time\n"
        "if os.fork(): sys.exit()\n"
        "os.setsid()\n"
        "if os.fork(): os._exit(0)\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n"
        f"os.rename({str(tmp_path / 'pid')!r}, {str(tmp_path / 'daemon')!r})\n"
        "time.sleep(600)\n"
    )
    wait = f"while [ ! -e {tmp_path / 'daemon'} ]; do sleep 0.01; done"
    client = server.client()
    job = submit(client, "sh", "-c", f'{sys.executable} -c "$1"; {wait}', "sh", script)
    wait_for_state(client, job, "succeeded")
    pid = int((tmp_path / "daemon").read_text())
    assert not Path(f"/proc/{pid}").exists()


def test_ten_megabytes_of_log_arrive_whole_and_in_order(server: ServerProcess) -> None:
    lines = 100_000
    client = server.client()
    job = submit(client, sys.executable, "-c", f"for i in range({lines}): print(f'{{i:099d}}')")
    text = printed(client, job)
    assert len(text) == lines * 100
    assert re.fullmatch(r"(\d{99}\n)*", text)
    assert [int(line) for line in text.splitlines()] == list(range(lines))


def test_openapi_and_health_need_no_token_and_all_else_does(server: ServerProcess) -> None:
    api = json.loads(raw(server, "GET", "/openapi.json", Authorization="")[1])
    assert raw(server, "GET", "/health", Authorization="")[0] == 200
    for path, methods in api["paths"].items():
        if path == "/health":
            continue
        for method in methods:
            status, _ = raw(server, method.upper(), re.sub(r"\{\w+\}", "0", path), Authorization="")
            assert status == 401, (method, path)


def test_what_has_ended_leaves_no_token_and_no_agent(server: ServerProcess) -> None:
    client = server.client()
    job = submit(client, "true")
    run = wait_for_state(client, job, "succeeded")["run"]
    wait_for(lambda: not (server.home / "agents" / f"{job}.0").exists(), "the agent's folder to be put away")
    kept = (server.home / "runs" / run / "agents").iterdir()
    assert [path.name for path in kept] == [f"{job}.0.0.log"]


def test_only_its_owner_reads_what_a_server_keeps(server: ServerProcess) -> None:
    for name in ("", "key", "token", "drivetrain.sqlite"):
        path = server.home / "server" / name
        if path.exists():
            assert path.stat().st_mode & 0o077 == 0, path
