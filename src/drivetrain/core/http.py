"""HTTP/1.1 over one connection, as commands and agents speak to a server.

The standard library's client reads headers with its mail parser and loads TLS whether it is wanted or not: half of the
time in which a short command could have been done. Its `socket` gives names to numbers, which takes a part of the rest.
"""

from __future__ import annotations

import _socket

from drivetrain.core.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from ssl import SSLContext, SSLSocket

_MOST_LINE_BYTES = 1 << 16
_MOST_HEADERS = 200
_BODILESS = (204, 304)
_PIECE_BYTES, _MOST_PIECE_BYTES = 1 << 16, 1 << 20


class Connection:
    """Asks one server, one thing at a time; for one thread. Connects when something is asked.

    Args:
      netloc: HOST or HOST:PORT.
      timeout_s: for which the server may be silent.
      context: of TLS; None for none.
    Raises: UsageError: this is no address.
    """

    def __init__(self, netloc: str, *, timeout_s: float, context: SSLContext | None = None) -> None:
        self._netloc = _one_line(netloc)
        self._address = _address(netloc, 80 if context is None else 443)
        self._timeout_s, self._context = timeout_s, context
        self._socket: _socket.socket | SSLSocket | None = None
        self._held = b""  # of what was read and not wanted yet
        self._begun = b""

    @property
    def is_open(self) -> bool:
        """Whether something was asked, and the server keeps the connection; it may let go of it at any time."""
        return self._socket is not None

    def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> tuple[int, bytes]:
        """The status of the answer, and its content.

        Raises: OSError: the server is not there, or what it says is no answer; the connection is closed then.
        """
        request = self._request(method, path, headers, body)
        if self._begun and self._begun != request:
            self.close()  # what comes on it is the answer to that
        try:
            if not self._begun:
                self._opened().sendall(request)
            self._begun = b""
            return self._answer()
        except OSError:
            self.close()
            raise

    def begin(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> None:
        """Send what is asked next, which then waits less; what fails here fails again there."""
        request = self._request(method, path, headers, body)
        try:
            self._opened().sendall(request)
            self._begun = request
        except OSError:
            self.close()

    def _request(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
        lines = [f"{method} {_one_line(path)} HTTP/1.1", f"Host: {self._netloc}", "Accept-Encoding: identity"]
        lines += [f"{name}: {_one_line(value)}" for name, value in headers.items()]
        lines += [f"Content-Length: {len(body)}", "", ""]
        return "\r\n".join(lines).encode("latin-1") + body

    def close(self) -> None:
        """Let go of the connection. May be called twice."""
        self._begun = self._held = b""
        held, self._socket = self._socket, None
        if held is not None:
            held.close()

    def _opened(self) -> _socket.socket | SSLSocket:
        if self._socket is None:
            plain = _connected(*self._address, self._timeout_s)
            try:
                plain.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
                self._socket = plain if self._context is None else _inside(self._context, plain, self._address[0])
            except OSError:
                plain.close()
                raise
            self._held = b""
        return self._socket

    def _answer(self) -> tuple[int, bytes]:
        status = 100
        while status < 200:  # what comes before an answer
            version, status = self._status()
            headers = self._headers()
        if status in _BODILESS:
            content = b""
        elif headers.get("transfer-encoding", "identity").lower() != "identity":
            content = self._chunks()
        elif "content-length" in headers:
            content = self._read(_whole(headers["content-length"], 10))
        else:
            content = self._rest()
            self.close()
        if version == b"HTTP/1.0" or headers.get("connection", "").lower() == "close":
            self.close()
        return status, content

    def _status(self) -> tuple[bytes, int]:
        line = self._line()
        version, _, rest = line.partition(b" ")
        if not version.startswith(b"HTTP/1."):
            raise ConnectionError("it closed the connection" if not line else "it does not speak HTTP")
        return version, _whole(rest[:3].decode("latin-1"), 10)

    def _headers(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for _ in range(_MOST_HEADERS):
            line = self._line()
            if not line:
                return found
            name, _, value = line.decode("latin-1").partition(":")
            found[name.strip().lower()] = value.strip()
        raise ConnectionError("its answer has too many headers")

    def _chunks(self) -> bytes:
        pieces = []
        while size := _whole(self._line().partition(b";")[0].decode("latin-1"), 16):
            pieces.append(self._read(size))
            self._line()
        self._headers()
        return b"".join(pieces)

    def _line(self) -> bytes:
        while (end := self._held.find(b"\n")) < 0 and len(self._held) < _MOST_LINE_BYTES and self._more():
            pass
        size = len(self._held) if end < 0 else end + 1
        if size >= _MOST_LINE_BYTES:
            raise ConnectionError("its answer has too long a line")
        line, self._held = self._held[:size], self._held[size:]
        return line.rstrip(b"\r\n")

    def _read(self, num_bytes: int) -> bytes:
        pieces, num_left = [self._held[:num_bytes]], num_bytes - len(self._held)
        self._held = self._held[num_bytes:]
        while num_left > 0:
            piece = self._piece(min(num_left, _MOST_PIECE_BYTES))
            if not piece:
                raise ConnectionError("it closed the connection before its answer was whole")
            pieces.append(piece)
            num_left -= len(piece)
        return b"".join(pieces)

    def _rest(self) -> bytes:
        pieces = [self._held]
        while piece := self._piece(_MOST_PIECE_BYTES):
            pieces.append(piece)
        return b"".join(pieces)

    def _more(self) -> bool:
        piece = self._piece(_PIECE_BYTES)
        self._held += piece
        return bool(piece)

    def _piece(self, most_bytes: int) -> bytes:
        assert self._socket is not None
        return self._socket.recv(most_bytes)


def _connected(host: str, port: int, timeout_s: float) -> _socket.socket:
    """As `socket.create_connection`. Raises: OSError."""
    error: OSError = ConnectionError(f"{host[:40]} has no address")
    name = host.encode("ascii")  # a text would be taken for one in another alphabet first, which loads tables of these
    for family, kind, protocol, _, address in _socket.getaddrinfo(name, port, 0, _socket.SOCK_STREAM):
        plain = _socket.socket(family, kind, protocol)
        try:
            plain.settimeout(timeout_s)
            plain.connect(address)
        except OSError as exc:
            plain.close()
            error = exc
        else:
            return plain
    raise error


def _inside(context: SSLContext, plain: _socket.socket, host: str) -> SSLSocket:
    """With TLS, which takes over the descriptor. Raises: OSError: the server has no certificate of that name."""
    from socket import socket

    named = socket(plain.family, plain.type, plain.proto, fileno=plain.detach())
    try:
        return context.wrap_socket(named, server_hostname=host)
    except UnicodeError as exc:  # of a name that is too long for one
        raise ConnectionError(f"{host[:40]} is no name of a host") from exc
    finally:
        named.close()  # wrapped, it holds nothing any more


def _whole(text: str, base: int) -> int:
    try:
        number = int(text, base)
    except ValueError as exc:
        raise ConnectionError(f"{text[:40]!r} in its answer is no number") from exc
    if number < 0:
        raise ConnectionError(f"{number} in its answer is no size")
    return number


def _one_line(text: str) -> str:
    """What may stand in a request's head."""
    if not text.isascii() or not text.isprintable():
        raise UsageError(
            "a server's address or token has a character that cannot be sent", hint="a line break, perhaps?"
        )
    return text


def _address(netloc: str, default_port: int) -> tuple[str, int]:
    host, colon, port = netloc.rpartition(":")
    if not colon or port.endswith("]"):
        host, port = netloc, ""
    if port and not (port.isdecimal() and int(port) < 1 << 16):
        raise UsageError(f"{netloc!r} is no address of a server", hint="HOST:PORT")
    return host.removeprefix("[").removesuffix("]"), int(port or default_port)
