"""What commands say to a server: the one in DRIVETRAIN_SERVER, the one of this machine, or one started for it."""

from __future__ import annotations

import hashlib
import http.client
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from drivetrain.compute.job import Job
from drivetrain.compute.snapshot import Manifest
from drivetrain.core.errors import StoreError, UsageError
from drivetrain.server import here

SERVER, TOKEN, CA_FILE = "DRIVETRAIN_SERVER", "DRIVETRAIN_TOKEN", "DRIVETRAIN_CA"
_PATIENCE_S = 60.0
_START_S = 30.0


class ChangedError(UsageError):
    """A file is not any more what it was when the snapshot was taken."""


class Client:
    """Asks one server. Each call raises UsageError for what it refuses, StoreError where it does not answer."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise UsageError(f"{url!r} is no server", hint=f"{SERVER}=https://HOST:PORT")
        self._netloc, self._token = parts.netloc, token
        self._context = None
        if parts.scheme == "https":
            import ssl

            self._context = ssl.create_default_context(cafile=os.environ.get(CA_FILE) or None)
        self._connection: http.client.HTTPConnection | None = None

    def use(self, token: str) -> None:
        """From now on ask with this token."""
        self._token = token

    def submit(self, job: Job, *, snapshot: str, folder: str, key: str = "") -> dict[str, Any]:
        """Take a job; asked again because an answer was lost, it makes no second one."""
        body = {
            "job": msgspec.to_builtins(job),
            "snapshot": snapshot,
            "folder": folder,
            "key": key or secrets.token_hex(16),
        }
        return self.ask("POST", "/api/jobs", body)  # type: ignore[no-any-return]

    def send_code(self, manifest: Manifest, folder: Path) -> int:
        """Send what the server has not got; how many contents that was."""
        if self.ask("GET", f"/api/snapshots/{manifest.id}")["is_there"]:
            return 0
        missing = self.ask("POST", "/api/blobs/missing", sorted(manifest.hashes))
        paths = {entry.sha256: entry.path for entry in manifest.entries if not entry.link}
        for sha256 in missing:
            content = (folder / paths[sha256]).read_bytes()
            if hashlib.sha256(content).hexdigest() != sha256:
                raise ChangedError(f"{paths[sha256]} changes while it is sent", hint="have git ignore what is written")
            self._send("PUT", f"/api/blobs/{sha256}", content)
        self._send("POST", "/api/snapshots", manifest.encoded())
        return len(missing)

    def job(self, name: str) -> dict[str, Any]:
        """A job with its attempts and events."""
        return self.ask("GET", f"/api/jobs/{quote(name, safe='')}")  # type: ignore[no-any-return]

    def jobs(self, **filters: object) -> list[dict[str, Any]]:
        """The newest first."""
        query = urlencode({name: value for name, value in filters.items() if value}, doseq=True)
        return self.ask("GET", f"/api/jobs?{query}")  # type: ignore[no-any-return]

    def history(self) -> Iterator[str]:
        """All that ever happened, as lines of a file that `drivetrain simulate` reads."""
        from drivetrain.compute.simulate.history import HEAD

        yield HEAD
        after = 0
        while lines := self._send("GET", f"/api/history?after={after}").splitlines():
            yield from (line.decode() for line in lines)
            after = msgspec.json.decode(lines[-1])["seq"]

    def stop(self, name: str) -> dict[str, Any]:
        """Have a job save and leave."""
        return self.ask("POST", f"/api/jobs/{quote(name, safe='')}/stop")  # type: ignore[no-any-return]

    def logs(self, name: str, *, rank: int | None, follow: bool) -> Iterator[dict[str, Any]]:
        """Pieces of what ranks print: file, attempt, rank, text; to the end of the job where they are followed."""
        cursor: dict[str, int] = {}
        is_last = False
        while True:
            body = {"cursor": cursor, "rank": rank, "wait_s": 15.0 if follow else 0.0}
            answer = self.ask("POST", f"/api/jobs/{quote(name, safe='')}/logs", body)
            name = answer["job"]  # what `latest` means may change meanwhile
            yield from answer["pieces"]
            cursor |= {piece["file"]: piece["end"] for piece in answer["pieces"]}
            if answer["pieces"]:
                continue
            is_over = answer["state"] in ("succeeded", "failed", "stopped", "refused")
            if not follow or (is_over and is_last):
                return
            is_last = is_over

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """A request with JSON in and out."""
        content = self._send(method, path, b"" if body is None else msgspec.json.encode(body), kind="application/json")
        return msgspec.json.decode(content) if content else None

    def _send(self, method: str, path: str, body: bytes = b"", kind: str = "application/octet-stream") -> bytes:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": kind}
        try:
            answer, content = self._exchange(method, path, body, headers)
        except (OSError, http.client.HTTPException) as exc:
            raise StoreError(f"the server {self.url} does not answer: {exc}", hint="is it running?") from exc
        if answer.status >= 400:
            raise _refusal(answer.status, content)
        return content

    def _exchange(
        self, method: str, path: str, body: bytes, headers: dict[str, str]
    ) -> tuple[http.client.HTTPResponse, bytes]:
        for is_last in (False, True):
            is_new = self._connection is None
            connection = self._connection = self._connection or self._connect()
            try:
                connection.request(method, path, body, headers)
                answer = connection.getresponse()
                return answer, answer.read()
            except (OSError, http.client.HTTPException):
                self.close()
                if is_new or is_last:
                    raise
        raise AssertionError

    def _connect(self) -> http.client.HTTPConnection:
        if self._context is None:
            return http.client.HTTPConnection(self._netloc, timeout=_PATIENCE_S)
        return http.client.HTTPSConnection(self._netloc, timeout=_PATIENCE_S, context=self._context)

    def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __del__(self) -> None:
        if hasattr(self, "_connection"):  # a URL that is none leaves a client half made
            self.close()


def connect(*, starts: bool = False) -> Client:
    """The server that is meant: the one that DRIVETRAIN_SERVER names, or this machine's.

    Args:
      starts: where none is named and none runs on this machine, start one that ends when nothing is left to do; that
        is done, too, where jobs of this machine are known already.
    Raises: UsageError: there is none.
    """
    if os.environ.get(SERVER):
        return Client(os.environ[SERVER], os.environ.get(TOKEN, ""))
    found = here_client(here.server_folder())
    if found is None and (starts or (here.server_folder() / "drivetrain.sqlite").is_file()):
        found = _started()
    if found is None:
        raise UsageError(
            "no server is running here", hint=f"drivetrain server, or {SERVER}=https://HOST:PORT {TOKEN}=..."
        )
    return found


def stop_here() -> bool:
    """End the servers of this machine, and wait until they have; whether there was one."""
    folder = here.server_folder()
    pids = [server.pid for server in here.servers(folder)]
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    until_s = time.monotonic() + _START_S
    while left := [server.pid for server in here.servers(folder) if server.pid in pids]:
        if time.monotonic() > until_s:
            raise StoreError(f"the server of this machine, process {left[0]}, does not end")
        time.sleep(0.02)
    return bool(pids)


def here_client(folder: Path) -> Client | None:
    """Of the server of this machine that keeps its things in a folder; None where none runs."""
    for server in here.servers(folder):
        client = Client(server.url, "")
        try:
            answer = client.ask("GET", "/health")
        except (StoreError, UsageError):
            continue
        if answer.get("identity") == server.identity:
            client.use(here.read_token(folder))
            return client
    return None


def _started() -> Client:
    folder = here.server_folder()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / "server.log").open("ab") as log:
        started = subprocess.Popen(
            [sys.executable, "-m", "drivetrain", "server", "--until-idle"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    until_s = time.monotonic() + _START_S
    while time.monotonic() < until_s:
        if (client := here_client(here.server_folder())) is not None:
            return client
        if started.poll() is not None:
            break
        time.sleep(0.02)
    raise StoreError("a server for this machine did not come up", hint=f"see {folder / 'server.log'}")


def _refusal(status: int, content: bytes) -> UsageError | StoreError:
    try:
        said = msgspec.json.decode(content)
        message, hint = said["detail"], said.get("hint", "")
    except (msgspec.DecodeError, KeyError, AttributeError, TypeError):
        message, hint = f"the server answers {status}", ""
    if not isinstance(message, str):
        message = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in message)
    return StoreError(message, hint=hint) if status >= 500 else UsageError(message, hint=hint)
