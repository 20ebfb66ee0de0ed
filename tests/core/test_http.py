"""Answers are read whole, whatever way the server tells their end, and what is no answer is an error."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.core.errors import UsageError
from drivetrain.core.http import Connection


@contextmanager
def saying(*answers: bytes) -> Iterator[tuple[Connection, list[bytes]]]:
    """A connection to a server that gives one answer to each request, then hangs up; and what it was asked."""
    heard: list[bytes] = []

    def serve(listening: socket.socket) -> None:
        line, _ = listening.accept()
        with line:
            for answer in answers:
                heard.append(line.recv(1 << 16))
                with suppress(ConnectionError):  # it need not hear all of it
                    line.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,))
        thread.start()
        connection = Connection(f"127.0.0.1:{listening.getsockname()[1]}", timeout_s=10)
        try:
            yield connection, heard
        finally:
            connection.close()
            thread.join()


@pytest.mark.parametrize(
    ("answer", "status", "content"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, b"hi"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404\r\ncontent-length:0\r\n\r\n", 404, b""),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x=y\r\nh\r\n1\r\ni\r\n0\r\nA: b\r\n\r\n", 200, b"hi"),
        (b"HTTP/1.0 200 OK\r\n\r\nto its end", 200, b"to its end"),
    ],
)
def test_an_answer_is_read_to_its_end(answer: bytes, status: int, content: bytes) -> None:
    with saying(answer) as (connection, heard):
        assert connection.ask("POST", "/x", {"A": "b"}, b"body") == (status, content)
    assert heard[0].startswith(b"POST /x HTTP/1.1\r\n")
    assert heard[0].endswith(b"\r\nA: b\r\nContent-Length: 4\r\n\r\nbody")


def test_what_was_begun_is_answered_when_it_is_asked() -> None:
    with saying(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi") as (connection, heard):
        connection.begin("POST", "/x", {}, b"body")
        assert connection.ask("POST", "/x", {}, b"body") == (200, b"hi")
    assert len(heard) == 1


def test_no_question_gets_the_answer_to_another_one_that_was_begun() -> None:
    def serve(listening: socket.socket) -> None:
        for _ in range(2):
            line, _ = listening.accept()
            with line:
                path = line.recv(1 << 16).split()[1]
                with suppress(ConnectionError):
                    line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + path)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,))
        thread.start()
        connection = Connection(f"127.0.0.1:{listening.getsockname()[1]}", timeout_s=10)
        connection.begin("GET", "/x", {})
        assert connection.ask("GET", "/y", {}) == (200, b"/y")
        connection.close()
        thread.join()


def test_what_cannot_be_begun_fails_when_it_is_asked() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    connection = Connection(f"127.0.0.1:{port}", timeout_s=10)
    connection.begin("GET", "/", {})
    with pytest.raises(ConnectionRefusedError):
        connection.ask("GET", "/", {})


def test_a_connection_is_kept_for_the_next_question() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    with saying(answer, answer) as (connection, heard):
        assert [connection.ask("GET", "/", {}) for _ in range(2)] == [(200, b"hi")] * 2
    assert len(heard) == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 two\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 300 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"b" * (1 << 17),
    ],
)
def test_what_is_no_answer_is_an_error_and_ends_the_connection(answer: bytes) -> None:
    with saying(answer) as (connection, _):
        with pytest.raises(OSError):  # noqa: PT011 - of several kinds
            connection.ask("GET", "/", {})
        assert not connection.is_open


def test_a_token_cannot_add_a_header() -> None:
    connection = Connection("127.0.0.1:1", timeout_s=1)
    with pytest.raises(UsageError, match="cannot be sent"):
        connection.ask("GET", "/", {"Authorization": "Bearer x\r\nHost: other"})


@pytest.mark.parametrize("netloc", ["host:port", "host:70000", "ho\nst"])
def test_what_is_no_address_is_refused(netloc: str) -> None:
    with pytest.raises(UsageError):
        Connection(netloc, timeout_s=1)


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=200))
def test_whatever_a_server_says_is_an_answer_or_an_error(answer: bytes) -> None:
    with saying(answer) as (connection, _):
        try:
            status, _ = connection.ask("GET", "/", {})
        except OSError:
            return
        assert 200 <= status < 1000
