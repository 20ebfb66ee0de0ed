from __future__ import annotations

import json
import selectors
import socket
import stat
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from drivetrain.core.clock import mono_ns
from drivetrain.core.errors import UsageError
from drivetrain.core.units import NS_PER_S
from drivetrain.launch.door import Door, leader_of, leading
from drivetrain.launch.line import Line, follow


class Caller:
    """Follows a leader in a thread, while the test serves the door."""

    def __init__(self, *arguments: Any) -> None:
        self.result: Any = None
        self._thread = threading.Thread(target=self._call, args=arguments)
        self._thread.start()

    def _call(self, *arguments: Any) -> None:
        try:
            self.result = follow(*arguments, name="b", host="b/1")
        except (OSError, UsageError) as exc:
            self.result = exc

    def answer(self, selector: selectors.BaseSelector) -> Any:
        while self._thread.is_alive():
            for key, _ in selector.select(0.05):
                key.data()
        self._thread.join()
        return self.result


@contextmanager
def door(numbers: list[int]) -> Iterator[tuple[Door, selectors.BaseSelector, list[tuple[Line, dict[str, Any]]]]]:
    """A door that gives those who come these numbers."""
    come: list[tuple[Line, dict[str, Any]]] = []

    def join(line: Line, said: dict[str, Any]) -> int:
        come.append((line, said))
        return numbers.pop(0)

    with leading("job") as is_ours, selectors.DefaultSelector() as selector:
        assert is_ours
        opened = Door("job", "run-x", selector, join)
        yield opened, selector, come
        opened.close()
    for line, _ in come:
        line.close()


def test_one_leads_and_only_its_user_may_read_where(own_home: Path) -> None:
    with door([]), leading("job") as is_ours:
        assert not is_ours
        found = leader_of("job")
        assert found is not None
        assert found.run == "run-x"
        assert stat.S_IMODE((own_home / "meet" / "job.json").stat().st_mode) == 0o600
    assert leader_of("job") is None
    with leading("job") as is_ours:
        assert is_ours


def test_who_knows_the_token_is_let_in_and_both_can_talk() -> None:
    with door([1]) as (_, selector, come):
        found = leader_of("job")
        line, welcome = Caller("127.0.0.1", found.port, found.token).answer(selector)
        assert (welcome["run"], welcome["number"], come[0][1]["name"]) == ("run-x", 1, "b")
        line.send("state", kept=[1])
        poll = selectors.DefaultSelector()
        poll.register(come[0][0], selectors.EVENT_READ)
        assert poll.select(5)
        assert come[0][0].read() == [("state", {"kept": [1]})]
        line.close()
        assert poll.select(5)
        assert come[0][0].read() is None
        poll.close()


def test_a_wrong_token_is_refused_by_both_sides() -> None:
    with door([1]) as (_, selector, come):
        found = leader_of("job")
        assert isinstance(Caller("127.0.0.1", found.port, "guessed").answer(selector), OSError)
        assert come == []
    with socket.create_server(("127.0.0.1", 0)) as impostor, selectors.DefaultSelector() as selector:

        def serve() -> None:
            line = Line(impostor.accept()[0])
            line.send("hello", nonce="1")
            line.wait_for("prove")
            line.send("welcome", proof="guessed", number=1, run="run-y")
            line.close()

        server = threading.Thread(target=serve)
        server.start()
        refused = Caller("127.0.0.1", impostor.getsockname()[1], "right").answer(selector)
        server.join()
    assert "does not know the token" in str(refused)


def test_one_too_many_is_told_so() -> None:
    with door([0]) as (_, selector, _come):
        found = leader_of("job")
        full = Caller("127.0.0.1", found.port, found.token).answer(selector)
    assert isinstance(full, UsageError)
    assert "as many nodes as it can have" in full.message


@pytest.mark.parametrize("said", [b"\xff\xff\xff\xff", struct.pack("!I", 4) + b"nope", struct.pack("!I", 2) + b"[]"])
def test_nonsense_is_hung_up_on(said: bytes) -> None:
    with door([]) as (_, selector, come), socket.create_connection(("127.0.0.1", leader_of("job").port)) as end:
        end.sendall(said)
        end.setblocking(False)
        while True:
            for key, _mask in selector.select(0.05):
                key.data()
            try:
                if not end.recv(1000):
                    break
            except BlockingIOError:
                continue
            except ConnectionResetError:
                break
        assert come == []


def test_who_says_nothing_is_turned_away_in_time() -> None:
    with door([]) as (opened, selector, _), socket.create_connection(("127.0.0.1", leader_of("job").port)) as end:
        for key, _mask in selector.select(5):
            key.data()
        opened.keep_time(mono_ns())
        (size,) = struct.unpack("!I", end.recv(4))
        assert json.loads(end.recv(size))[0] == "hello"
        opened.keep_time(mono_ns() + 6 * NS_PER_S)
        assert end.recv(1) == b""


def test_a_name_that_is_no_name_for_a_file_is_refused() -> None:
    with pytest.raises(UsageError, match="--meet is"), leading("../x"):
        pass
