"""What the launcher, its nursery and its ranks say to each other over socket pairs: small messages, some with
file descriptors.

    launcher                    nursery
       |          <- Ready         |   preloaded, can fork
       | Spawn + 3 ends ->         |   fork one rank; its stdout, stderr and line to the launcher
       |          <- Started       |   it has a process ...
       | Signal ->                 |   send a signal to its process group, unless it has ended
       |          <- Exited        |   ... which has ended
       | (closes) ->               |   end what is left, then leave

    launcher                    rank
       |          <- Keeps         |   when this attempt ends, the process can go on in the next one
       |          <- Stumbled      |   lost its peers, and waits to hear what comes next
       | Evidence ->               |   write down where every thread is
       | Leave ->                  |   leave the attempt at a step that all ranks can reach ...
       |          <- Left          |   ... and wait to hear what comes next
       | Again ->                  |   the attempt is over; leave it, and begin the next one ...
       |          <- Back          |   ... now
       | End ->                    |   there is no next one for this process; it ends well

A message is its length (4 bytes, with the descriptors attached) and JSON: as Python's own writes it, not msgspec's,
because environments and arguments may hold bytes that are no UTF-8, which Python carries as lone surrogates. For what
forks ranks to be there soon, and to leave them little that they did not import, messages are made by neither it nor
`dataclasses` nor `NamedTuple`, which compiles code for each of them.
"""

from __future__ import annotations

import _socket
import os
import struct
from collections.abc import Sequence
from typing import Any, dataclass_transform

from drivetrain.core.plain_json import decoded, escaped
from drivetrain.launch.descriptors import receive_with, send_with
from drivetrain.launch.program import Kind

_LENGTH = struct.Struct("!I")


@dataclass_transform(frozen_default=True)
class _Message:
    """Fields by their order or by name; those that are left out are as the class says."""

    def __init__(self, *values: Any, **named: Any) -> None:
        vars(self).update(zip(type(self).__annotations__, values, strict=False), **named)


class Spawn(_Message):
    """Start one rank; comes with the descriptors of its stdout, its stderr and its line to the launcher.

    Attributes:
      slot: a number for the process, new for each; its rank may change from attempt to attempt.
      env: its whole environment.
    """

    slot: int
    kind: Kind
    argv: list[str]
    env: dict[str, str]
    cwd: str


class Signal(_Message):
    """Send a signal to the process group of a rank."""

    slot: int
    signum: int


class Ready(_Message):
    """The nursery has imported what it was told to."""


class Started(_Message):
    """A rank has a process.

    Attributes:
      at_ns: monotonic, just before the fork.
    """

    slot: int
    pid: int
    at_ns: int


class Exited(_Message):
    """A rank's process has ended.

    Attributes:
      code: its exit code; negative for a signal, as in `subprocess`.
      at_ns: monotonic, when the nursery saw it.
    """

    slot: int
    pid: int
    code: int
    at_ns: int


class Keeps(_Message):
    """The rank's process can go on in another attempt."""


class Stumbled(_Message):
    """The rank lost a peer and has left the program; it waits for `Again`.

    Attributes:
      words: what the program would have died of.
    """

    words: str


class Evidence(_Message):
    """Write down where every thread of the rank is, into a folder that exists."""

    folder: str


class Again(_Message):
    """The rank's attempt is over; go on in the next one.

    Attributes:
      env: variables that change; null removes one.
    """

    env: dict[str, str | None]


class Leave(_Message):
    """Leave the attempt before a step, where all ranks can.

    Attributes:
      at_step: the step that none begins.
      within_ms: a rank that has not come there by then leaves wherever it is.
      saves: whether it saves a checkpoint there first, because the run is being stopped.
    """

    at_step: int
    within_ms: int
    saves: bool = False


class Left(_Message):
    """The rank has left the attempt as it was told to, and waits for `Again` or `End`."""


class End(_Message):
    """The run goes on without this rank."""


class Back(_Message):
    """The rank has left its attempt and begins the next one.

    Attributes:
      attempt: which one it begins.
    """

    attempt: int


Message = Spawn | Signal | Ready | Started | Exited | Keeps | Stumbled | Evidence | Leave | Left | Again | Back | End
_KINDS: dict[str, type[Message]] = {
    kind.__name__: kind
    for kind in (Spawn, Signal, Ready, Started, Exited, Keeps, Stumbled, Evidence, Leave, Left, Again, Back, End)
}


class Channel:
    """One end of the socket pair. Sends and receives whole messages, blocking; for one thread."""

    def __init__(self, end: _socket.socket) -> None:
        self._socket = end

    def fileno(self) -> int:
        """For selectors."""
        return self._socket.fileno()

    def send(self, message: Message, descriptors: Sequence[int] = ()) -> None:
        """Send a message and, with it, copies of open descriptors. Raises OSError when the other end is gone."""
        body = escaped([type(message).__name__, vars(message)])
        head = _LENGTH.pack(len(body))
        if descriptors:
            send_with(self._socket, head, descriptors)
        else:
            self._socket.sendall(head)
        self._socket.sendall(body)

    def receive(self) -> tuple[Message, list[int]] | None:
        """The next message and its descriptors, which are the caller's to close; None when the other end is gone."""
        try:
            head, descriptors = receive_with(self._socket, _LENGTH.size, 3)
            body = self._exactly(_LENGTH.unpack(head)[0]) if len(head) == _LENGTH.size else b""
        except ConnectionError:
            return None
        if not body:
            return None
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        name, fields = decoded(body)
        return _KINDS[name](**fields), descriptors

    def close(self) -> None:
        """Let go of this end; may be called twice."""
        self._socket.close()

    def _exactly(self, num_bytes: int) -> bytes:
        parts = bytearray()
        while len(parts) < num_bytes:
            part = self._socket.recv(num_bytes - len(parts))
            if not part:
                return b""
            parts += part
        return bytes(parts)
