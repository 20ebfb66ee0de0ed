"""Connections opened while watched can be shut from another thread; all others stay."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from drivetrain.train.sockets import Sockets


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def connect(stack: ExitStack, listener: socket.socket) -> tuple[socket.socket, socket.socket]:
    ours = stack.enter_context(socket.create_connection(listener.getsockname(), timeout=10))
    theirs = stack.enter_context(listener.accept()[0])
    theirs.settimeout(10)
    return ours, theirs


def test_what_was_opened_before_or_after_is_left_alone(listener: socket.socket) -> None:
    sockets = Sockets()
    with ExitStack() as stack:
        before = connect(stack, listener)
        with sockets.watched():
            watched = connect(stack, listener)
        after = connect(stack, listener)
        sockets.shut()
        assert watched[0].recv(1) == b""
        for ours, theirs in (before, after):
            theirs.sendall(b"x")
            assert ours.recv(1) == b"x"
        connect(stack, listener)  # the one that listens still does
        sockets.shut()


def test_a_wait_on_a_connection_made_inside_the_watched_block_ends(listener: socket.socket) -> None:
    sockets, waits = Sockets(), threading.Event()
    received = []

    def meet() -> None:
        with ExitStack() as stack, sockets.watched():
            ours, _ = connect(stack, listener)
            waits.set()
            received.append(ours.recv(1))

    thread = threading.Thread(target=meet)
    thread.start()
    assert waits.wait(10)
    sockets.shut()
    thread.join(10)
    assert received == [b""]
