"""Open descriptors that go over a socket pair, by the part of `socket` that is in C; the rest of it names numbers."""

from __future__ import annotations

import _socket
import struct
from collections.abc import Sequence

_SIZE_BYTES = struct.calcsize("i")


def pair(kind: int = _socket.SOCK_STREAM) -> tuple[_socket.socket, _socket.socket]:
    """Two ends of a line, which no program that is executed inherits."""
    return _socket.socketpair(_socket.AF_UNIX, kind)


def send_with(line: _socket.socket, data: bytes, descriptors: Sequence[int]) -> None:
    """Send data with copies of descriptors. Raises: OSError: the other end is gone."""
    numbers = struct.pack(f"{len(descriptors)}i", *descriptors)
    line.sendmsg([data], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, numbers)])


def receive_with(line: _socket.socket, most_bytes: int, most_descriptors: int) -> tuple[bytes, list[int]]:
    """What `send_with` sent; the descriptors are the caller's to close. Raises: OSError: the other end is gone."""
    data, others, _, _ = line.recvmsg(most_bytes, _socket.CMSG_LEN(most_descriptors * _SIZE_BYTES))
    found: list[int] = []
    for level, kind, numbers in others:
        if (level, kind) == (_socket.SOL_SOCKET, _socket.SCM_RIGHTS):
            count = len(numbers) // _SIZE_BYTES
            found += struct.unpack(f"{count}i", numbers[: count * _SIZE_BYTES])
    return data, found
