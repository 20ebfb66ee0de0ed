"""A connection between two launchers: small messages of plain JSON, after both have proved that they know the token."""

from __future__ import annotations

import hmac
import json
import secrets
import socket
import struct
from typing import Any

from drivetrain.core.errors import UsageError

Message = tuple[str, dict[str, Any]]

_LENGTH = struct.Struct("!I")
_MAX_BYTES = 1 << 22  # the environments of some hundred ranks
_SEND_S = 2.0  # a peer that takes nothing for so long is as good as gone
_ANSWER_S = 10.0
_CHUNK_BYTES = 1 << 16


class Line:
    """One end. Reading never blocks; sending blocks for 2 s at most. For one thread."""

    def __init__(self, end: socket.socket) -> None:
        end.settimeout(_SEND_S)
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = end
        self._pending = bytearray()

    def fileno(self) -> int:
        """For selectors; -1 once closed."""
        return self._socket.fileno()

    def send(self, kind: str, **fields: object) -> None:
        """Send a message; nothing when the other end is gone, which `read` tells."""
        body = json.dumps([kind, fields]).encode("ascii")
        try:
            self._socket.sendall(_LENGTH.pack(len(body)) + body)
        except OSError:
            self._shut()

    def read(self) -> list[Message] | None:
        """The messages that have come whole; None when the other end is gone, or talks nonsense."""
        try:
            chunk = self._socket.recv(_CHUNK_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return []
        except OSError:
            return None
        if not chunk:
            return None
        self._pending += chunk
        try:
            return self._whole()
        except (ValueError, TypeError):
            return None

    def wait_for(self, kind: str) -> dict[str, Any]:
        """The fields of the next message, which must be of this kind. Raises OSError: it is not, or there is none."""
        self._socket.settimeout(_ANSWER_S)
        size = _LENGTH.unpack(self._exactly(_LENGTH.size))[0]
        found, fields = _parsed(self._exactly(_checked(size)))
        self._socket.settimeout(_SEND_S)
        if found != kind:
            raise OSError(f"expected {kind}, but was told {found}")
        return fields

    def close(self) -> None:
        """Let go of it; may be called twice."""
        self._socket.close()

    def _whole(self) -> list[Message]:
        messages = []
        while len(self._pending) >= _LENGTH.size:
            end = _LENGTH.size + _checked(_LENGTH.unpack_from(self._pending)[0])
            if len(self._pending) < end:
                break
            messages.append(_parsed(bytes(self._pending[_LENGTH.size : end])))
            del self._pending[:end]
        return messages

    def _exactly(self, num_bytes: int) -> bytes:
        parts = bytearray()
        while len(parts) < num_bytes:
            part = self._socket.recv(num_bytes - len(parts))
            if not part:
                raise ConnectionError("the other end is gone")
            parts += part
        return bytes(parts)

    def _shut(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return


def new_secret() -> str:
    """A token, or a number used once."""
    return secrets.token_hex(16)


def proof(token: str, whose: str, asked: str, own: str) -> str:
    """What shows that one side knows the token, without saying it: an HMAC over both sides' numbers used once."""
    return hmac.new(token.encode(), f"{whose}/{asked}/{own}".encode(), "sha256").hexdigest()


def is_proof(given: object, token: str, whose: str, asked: str, own: str) -> bool:
    """Whether it is that proof."""
    return isinstance(given, str) and hmac.compare_digest(given, proof(token, whose, asked, own))


def follow(host: str, port: int, token: str, /, **about: object) -> tuple[Line, dict[str, Any]]:
    """Connect to a leader, and prove the token both ways.

    Args:
      about: what to say of this node.
    Returns: the line, and what the leader says of the run.
    Raises:
      OSError: nobody answers, or somebody who does not know the token.
      UsageError: the leader takes nobody more.
    """
    line = Line(socket.create_connection((host, port), timeout=_ANSWER_S))
    try:
        asked, own = line.wait_for("hello")["nonce"], new_secret()
        line.send("prove", nonce=own, proof=proof(token, "follower", asked, own), **about)
        welcome = line.wait_for("welcome")
        if not is_proof(welcome.get("proof"), token, "leader", own, asked):
            raise OSError("who listens there does not know the token")
        if not welcome["number"]:
            raise UsageError("the run has as many nodes as it can have", hint="give more: --nodes 1:8")
    except (KeyError, ValueError, TypeError) as exc:
        line.close()
        raise OSError(f"who listens there is no launcher of ours: {exc}") from exc
    except BaseException:
        line.close()
        raise
    return line, welcome


def _checked(num_bytes: int) -> int:
    if num_bytes > _MAX_BYTES:
        raise ValueError(f"a message of {num_bytes} bytes")
    return num_bytes


def _parsed(body: bytes) -> Message:
    kind, fields = json.loads(body)
    if not isinstance(kind, str) or not isinstance(fields, dict):
        raise TypeError("no message")
    return kind, fields
