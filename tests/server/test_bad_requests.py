"""Whatever is sent, by whomever: an answer that says what is wrong, never a fault of ours, and the server works on."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
import uvicorn
from starlette.types import Message, Receive, Scope, Send
from tests.server.conftest import printed, raw, somebody, submit
from tests.server_process import ServerProcess, wait_for_state
from uvicorn.server import ServerState

from drivetrain.compute.agent.assignment import read_assignment
from drivetrain.core.errors import UsageError
from drivetrain.server.http import limits, patience
from drivetrain.server.http.limits import Limits
from drivetrain.server.http.patience import PatientProtocol

HALF = "\ud800"  # of a character; JSON knows it, UTF-8 and databases do not
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def job(**values: Any) -> dict[str, Any]:
    return {"job": {"command": ["true"], **values}, "folder": "/"}


def quota(name: str, **values: Any) -> tuple[str, str, dict[str, Any]]:
    return "PUT", f"/api/settings/quota/{name}", values


REFUSED: tuple[tuple[str, str, object], ...] = (
    ("GET", "/api/jobs/%00abcd", None),
    ("GET", "/api/jobs/'%20or%201=1--", None),
    ("GET", "/api/jobs/%25%25%25%25", None),
    ("GET", "/api/jobs?state=runing", None),
    ("GET", "/api/jobs?limit=-1", None),
    ("GET", f"/api/history?after={1 << 63}", None),
    ("GET", "/api/settings/node", None),
    ("GET", "/api/cost?by=nobody", None),
    ("GET", "/api/cost?since_s=nan", None),
    ("DELETE", "/api/jobs", None),
    ("POST", "/api/jobs/latest/logs", '{"wait_s": NaN}'),
    ("POST", "/api/jobs", {**job(), "snapshott": "x"}),
    ("POST", "/api/jobs", {**job(), "key": HALF}),
    ("POST", "/api/jobs", {**job(), "folder": "/\0"}),
    ("POST", "/api/jobs", {**job(), "folder": "somewhere"}),
    ("POST", "/api/jobs", {**job(), "snapshot": "\0"}),
    ("POST", "/api/jobs", job(name=HALF)),
    ("POST", "/api/jobs", job(env={"A=B": "c"})),
    ("POST", "/api/jobs", job(env={"A": "\0"})),
    ("POST", "/api/jobs", job(env={str(number): "x" for number in range(200_000)})),
    ("POST", "/api/jobs", job(secrets={"A": "file:\0"})),
    ("POST", "/api/jobs", job(memory="9" * 400 + "TB")),
    ("POST", "/api/jobs", job(max_runtime="9" * 400 + "d")),
    ("POST", "/api/jobs", job(nodes="1" * 5000)),
    ("POST", "/api/jobs", job(array=f"{1 << 40}-{(1 << 40) + 5}")),
    ("POST", "/api/jobs", job(array="0-9", nodes="1:100000")),
    ("POST", "/api/jobs", job(priority=10**30)),
    ("POST", "/api/nodes/local-0/state", {"state": "x" * 500}),
    ("POST", "/api/nodes/local-0/state", {"state": "up", "reason": HALF}),
    ("POST", "/api/nodes/" + "n" * 300 + "/state", {"state": "up"}),
    ("POST", "/api/users/nobody/tokens", {"lasts_s": -1}),
    ("POST", "/api/users/%00/tokens", {}),
    ("PUT", "/api/users/%00", {"role": "viewer"}),
    ("PUT", "/api/users/q", {"job": None}),
    ("POST", "/api/users/q/tokens", {"last_s": 60}),
    ("POST", "/api/jobs/latest/logs", {"ranks": 1}),
    ("POST", "/api/whatif", {"add": ["cpu:1"], "over": 60}),
    ("POST", "/api/nodes/local-0/state", {"state": "up", "why": "x"}),
    ("PUT", "/api/settings/pool/local", {"name": "local", "price_per_gpu_h": -3}),
    quota("t@", team="t", nominl_milli=3),
    quota("t@", team="t", nominal_milli=-5),
    quota("t@", team="t", nominal_milli=10**30),
    quota("t@", team="t", weight=0),
    quota("other@", team="t"),
    quota("t@nowhere", team="t", pool="nowhere"),
    quota("k" * 300, team="t"),
    ("PUT", "/api/settings/budget/t", {"team": "t", "limit": -5, "spent": 0}),
    ("DELETE", "/api/settings/quota/nobody@", None),
    ("POST", "/api/blobs/missing", ["x"]),
    ("POST", "/api/snapshots", {"entries": [["a", False, 0, EMPTY, ""], ["a", False, 0, EMPTY, ""]]}),
    ("POST", "/api/snapshots", {"entries": [["a/" * 100_000 + "b", False, 0, EMPTY, ""]]}),
    ("POST", "/api/snapshots", {"entries": [["d/x", False, 0, EMPTY, ""], ["a", False, 0, EMPTY, "d/../.."]]}),
    ("POST", "/api/whatif", {"add": ["c" * 1000 + ":5"]}),
    ("POST", "/api/whatif", {"add": ["cpu:99999999999999999999"]}),
)


@pytest.mark.parametrize(("method", "path", "body"), REFUSED)
def test_what_cannot_be_is_refused_and_the_answer_says_so(
    server: ServerProcess, method: str, path: str, body: object
) -> None:
    sent = body if isinstance(body, str | None) else json.dumps(body)
    status, said = raw(server, method, path, sent, **{"Content-Type": "application/json"})
    assert status in (400, 404, 405, 409, 413, 422), said
    detail = json.loads(said)["detail"]
    assert 0 < len(detail) < 2000
    assert "Traceback" not in detail
    assert ".py" not in detail


def test_texts_that_no_database_keeps_are_no_fault_of_ours(server: ServerProcess) -> None:
    for path in ("/api/jobs?user=%00", "/api/audit?user=%00", "/api/snapshots/%00", "/api/jobs?user=%ff"):
        assert raw(server, "GET", path)[0] in (200, 422), path
    status, _ = raw(
        server, "POST", "/api/users/nobody/tokens", '{"label": "\\u0000"}', **{"Content-Type": "application/json"}
    )
    assert status == 422


def test_who_goes_away_in_the_middle_of_a_request_leaves_nothing_in_the_log(
    make_server: Callable[..., ServerProcess],
) -> None:
    server = make_server()
    address = urlsplit(server.url)
    for route in (f"PUT /api/blobs/{EMPTY}", "POST /api/blobs", "POST /api/snapshots", "POST /api/jobs"):
        for body in ("Transfer-Encoding: chunked\r\n\r\n5\r\nab", "Content-Length: 5\r\n\r\nab"):
            with socket.create_connection((address.hostname, address.port), timeout=30) as client:
                head = f"{route} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.token}\r\n"
                client.sendall(f"{head}{body}".encode())
                client.shutdown(socket.SHUT_WR)
                assert client.recv(1) == b""
    server.stop()
    assert server.said == ""


def test_an_agent_is_heard_within_what_can_be_alone(server: ServerProcess) -> None:
    client = server.client()
    name = submit(client, "sleep", "600")
    wait_for_state(client, name, "running")
    token = read_assignment(server.home / "agents" / f"{name}.0").token
    base = f"/agent/{name}.0"
    bad: tuple[tuple[str, str], ...] = (
        (f"{base}/0/beat", json.dumps({"step": 10**30})),
        (f"{base}/0/beat", json.dumps({"saved_step": -1})),
        (f"{base}/7/exit", json.dumps({"exit_code": 1})),
        (f"{base}/-1/exit", json.dumps({"exit_code": 0})),
        (f"{base}/{10**30}/exit", json.dumps({"exit_code": 1})),
        (f"{base}/0/tasks", json.dumps({"results": [[1 << 40, 0, 1]], "num_slots": 1})),
        (f"{base}/0/tasks", '{"results": [[1, 0, NaN]], "num_slots": 1}'),
        (f"{base}/0/file?path=logs/x.log&offset={10**30}", "x"),
    )
    for path, body in bad:
        kind = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        assert raw(server, "POST", path, body, **kind)[0] in (404, 422), (path, body)
    assert raw(server, "POST", f"{base}/0/beat", "{}", Authorization="Bearer \xe9")[0] == 401
    beat = json.dumps({"is_busy": True, "of_another_version": 1})
    kind = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    assert raw(server, "POST", f"{base}/0/beat", beat, **kind) == (200, '{"leave":null}')
    client.stop(name)
    wait_for_state(client, name, "stopped")


def test_after_all_that_jobs_run(server: ServerProcess) -> None:
    client = server.client()
    assert printed(client, submit(client, "echo", "still here")) == "still here\n"


def test_a_quota_is_written_changed_and_taken_back(server: ServerProcess) -> None:
    name, member = somebody(server, "member")
    path, client = f"/api/settings/quota/{name}@local", server.client()
    for own in (1000, 2000):
        client.ask("PUT", path, {"team": name, "pool": "local", "nominal_milli": own})
    with pytest.raises(UsageError, match="may not drop quota"):
        member.ask("DELETE", path)
    assert [q["nominal_milli"] for q in member.ask("GET", "/api/settings/quota") if q["team"] == name] == [2000]
    client.ask("DELETE", path)
    assert [q for q in client.ask("GET", "/api/settings/quota") if q["team"] == name] == []


def test_an_array_has_no_more_workers_than_tasks(server: ServerProcess) -> None:
    client = server.client()
    name = submit(client, "true", array="0-2", nodes="1:900", max_runtime="60s")
    wait_for_state(client, name, "succeeded")
    for worker in (0, 2):
        assert client.job(f"{name}-{worker}")["parent"] == name
    with pytest.raises(UsageError, match="there is no job"):
        client.job(f"{name}-3")


def asked(app: Limits, token: str, *, status: int, path: str = "/api/me") -> int:
    """The status of an answer by limits around an application that would answer with a status."""
    answers: list[int] = []

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answers.append(message["status"])

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "client": ("10.0.0.1", 1),
        "headers": [(b"authorization", token.encode())],
        "state": status,
    }
    asyncio.run(app(scope, receive, send))
    return answers[0]


async def answering(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": scope["state"], "headers": []})
    await send({"type": "http.response.body", "body": b""})


def test_who_tries_tokens_is_held_up_and_nobody_beside_him_who_has_shown_a_good_one() -> None:
    app = Limits(answering, clock=lambda: 0.0)
    assert asked(app, "good", status=200) == 200
    answers = [asked(app, f"guess-{number}", status=401) for number in range(150)]
    assert answers == [401] * int(limits.TRIES_BURST) + [429] * (150 - int(limits.TRIES_BURST))
    assert asked(app, "good", status=200) == 200
    assert asked(app, "new", status=200) == 429


def test_a_token_is_not_shown_to_be_good_where_none_is_needed() -> None:
    app = Limits(answering, clock=lambda: 0.0)
    assert asked(app, "guess", status=200, path="/health") == 200
    for number in range(150):
        asked(app, f"guess-{number}", status=401)
    assert asked(app, "guess", status=200) == 429


def test_a_body_that_does_not_come_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PIECE_S", 0.01)

    async def read() -> int:
        never = asyncio.Event()

        async def receive() -> Message:
            await never.wait()
            return {}

        try:
            await limits._counted(receive, 100)()
        except limits.HTTPException as exc:
            return exc.status_code
        return 0

    assert asyncio.run(read()) == 408


async def _answer_ok(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


def _all_that_is_said(begin: bytes, *, after_the_answer: bytes = b"") -> bytes:
    """To who sends this, and then nothing more; to the end of the connection."""

    async def connect() -> bytes:
        config = uvicorn.Config(_answer_ok, lifespan="off", log_config=None, timeout_keep_alive=600)
        config.load()
        state, loop = ServerState(), asyncio.get_running_loop()
        server = await loop.create_server(lambda: PatientProtocol(config, state, {}), "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(begin)
        said = b""
        if after_the_answer:
            said = await reader.readuntil(b"ok")
            writer.write(after_the_answer)
        said += await reader.read()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        server.close()
        return said

    return asyncio.run(connect())


@pytest.mark.parametrize("begin", [b"", b"GET /health HT", b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /"])
def test_who_connects_and_says_nothing_or_half_is_let_go(begin: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "HEAD_S", 0.05)
    assert _all_that_is_said(begin).endswith(b"ok" if begin.endswith(b"GET /") else b"")


def test_who_sends_nothing_but_empty_lines_after_an_answer_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "HEAD_S", 0.05)
    assert _all_that_is_said(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", after_the_answer=b"\r\n").endswith(b"ok")


def test_a_head_without_end_is_refused_before_it_fills_the_memory() -> None:
    head = b"GET / HTTP/1.1\r\nX: " + b"x" * patience.MOST_HEAD_BYTES
    assert _all_that_is_said(head).startswith(b"HTTP/1.1 400")


def test_what_is_sent_after_a_head_is_no_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "HEAD_S", 0.05)
    body = b"x" * (3 * patience.MOST_HEAD_BYTES)
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
    assert _all_that_is_said(head + body, after_the_answer=b"\r\n").endswith(b"ok")
