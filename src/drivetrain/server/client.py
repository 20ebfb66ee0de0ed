"""What commands say to a server: the one in DRIVETRAIN_SERVER, the one of this machine, or one started for it."""

from __future__ import annotations

import os
import sys
import time

from drivetrain import __version__
from drivetrain.core.errors import StoreError, UsageError
from drivetrain.core.http import Connection
from drivetrain.core.plain_json import decoded, encoded
from drivetrain.server import here
from drivetrain.server.addresses import in_path, query_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Any, NoReturn

    from drivetrain.compute.job import Job
    from drivetrain.compute.snapshot import Manifest

SERVER, TOKEN, CA_FILE = "DRIVETRAIN_SERVER", "DRIVETRAIN_TOKEN", "DRIVETRAIN_CA"
FINAL = ("succeeded", "failed", "stopped", "refused")
"""States of jobs that never change again, as `JobState.is_final`; commands have no time for what that imports."""
NO_CODE = 409
"""The answer to a job whose code has not been sent."""
_TOO_MANY = 429
_PATIENCE_S = 60.0
_PAUSE_S, _MOST_PAUSES = 1.0, 60
"""Where requests come too often: as `Retry-After` says, and how often that."""
_START_S = 30.0
_CAUGHT_UP_BYTES = 1 << 19
"""An answer with fewer had no more to tell then: half of what one may have, see `services/logs.py`."""


class ChangedError(UsageError):
    """A file is not any more what it was when the snapshot was taken."""


class NoCodeError(UsageError):
    """The server has not got the code of a job."""


class NotTrustedError(StoreError):
    """Nobody whom this machine trusts has signed the server's certificate."""


class Said(dict[str, object]):
    """An object in a server's answer, as a dict. What it lacks is no bug: the server is of another version."""

    def __missing__(self, key: str) -> NoReturn:
        raise StoreError(
            f"the server says nothing of {key!r}, which drivetrain {__version__} looks for in its answer",
            hint="the server seems to be of an older version: update it, or use its drivetrain",
        )


class Client:
    """Asks one server. Each call raises UsageError for what it refuses, StoreError where it does not answer."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        scheme, _, netloc = url.partition("://")
        for mark in "/?#":
            netloc = netloc.partition(mark)[0]
        if scheme.lower() not in ("http", "https") or not netloc:
            raise UsageError(f"{url!r} is no server", hint=f"{SERVER}=https://HOST:PORT")
        self._token = token
        context = None
        if scheme.lower() == "https":
            import ssl

            context = ssl.create_default_context(cafile=os.environ.get(CA_FILE) or None)
        self._connection = Connection(netloc, timeout_s=_PATIENCE_S, context=context)

    def use(self, token: str) -> None:
        """From now on ask with this token."""
        self._token = token

    def submit(self, job: Job, *, snapshot: str, folder: str, key: str = "") -> dict[str, Any]:
        """Take a job; asked again because an answer was lost, it makes no second one."""
        import msgspec

        return self.submit_values(msgspec.to_builtins(job), snapshot=snapshot, folder=folder, key=key)

    def submit_values(self, job: dict[str, Any], *, snapshot: str, folder: str, key: str = "") -> dict[str, Any]:
        """Likewise, of a job as a job file would have it: it need not say what is as by default."""
        body = {"job": job, "snapshot": snapshot, "folder": folder, "key": key or os.urandom(16).hex()}
        return self.ask("POST", "/api/jobs", body)  # type: ignore[no-any-return]

    def send_code(
        self, manifest: Manifest, folder: Path, *, on_progress: Callable[[int, int], None] = lambda *_: None
    ) -> int:
        """Send what the server has not got; how many contents that was.

        Args:
          on_progress: told how many were sent, and of how many.
        """
        from drivetrain.compute.snapshot.batches import Batch

        if self.ask("GET", f"/api/snapshots/{manifest.id}")["is_there"]:
            return 0
        missing = self.ask("POST", "/api/blobs/missing", sorted(manifest.hashes))
        paths = {entry.sha256: entry.path for entry in manifest.entries if not entry.link}
        batch = Batch()
        for number, sha256 in enumerate(missing):
            content = _as_taken(folder, paths[sha256], sha256)
            if not batch.has_room(len(content)) and batch.num_contents:
                self._send("POST", "/api/blobs", batch.encoded())
                batch = Batch()
                on_progress(number, len(missing))
            if batch.has_room(len(content)):
                batch.add(sha256, content)
            else:
                self._send("PUT", f"/api/blobs/{sha256}", content)
        if batch.num_contents:
            self._send("POST", "/api/blobs", batch.encoded())
        on_progress(len(missing), len(missing))
        self._send("POST", "/api/snapshots", manifest.encoded())
        return len(missing)

    def job(self, name: str) -> dict[str, Any]:
        """A job with its attempts and events."""
        return self.ask("GET", f"/api/jobs/{in_path('job', name)}")  # type: ignore[no-any-return]

    def jobs(self, **filters: object) -> list[dict[str, Any]]:
        """The newest first."""
        query = query_text({name: value for name, value in filters.items() if value})
        return self.ask("GET", f"/api/jobs?{query}")  # type: ignore[no-any-return]

    def history(self) -> Iterator[str]:
        """All that ever happened, as lines of a file that `drivetrain simulate` reads."""
        from drivetrain.compute.simulate.history import HEAD

        yield HEAD
        after = 0
        while lines := self._send("GET", f"/api/history?after={after}").splitlines():
            yield from (line.decode() for line in lines)
            after = decoded(lines[-1])["seq"]

    def stop(self, name: str) -> dict[str, Any]:
        """Have a job save and leave."""
        return self.ask("POST", f"/api/jobs/{in_path('job', name)}/stop")  # type: ignore[no-any-return]

    def logs(
        self, name: str, *, rank: int | None, follow: bool = False, last: int | None = None
    ) -> Iterator[dict[str, Any]]:
        """Pieces of what ranks print: file, attempt, rank, text; to the end of the job where they are followed.

        Args:
          last: from so many lines of each rank on that are there already; from the first by default.
        """
        return pieces(self.ask, name, rank=rank, follow=follow, last=last)

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """A request with JSON in and out."""
        try:
            sent = b"" if body is None else encoded(body)
        except UnicodeEncodeError as exc:
            raise UsageError("what is to be sent has a text that is no UTF-8") from exc
        content = self._send(method, path, sent, "application/json")
        try:
            return decoded(content, Said) if content else None
        except ValueError as exc:
            raise StoreError(f"what answers at {self.url} is no server of ours") from exc

    def begin(self, method: str, path: str) -> None:
        """Send what is asked next, without a body; its answer is then waited for less."""
        self._connection.begin(method, path, self._headers("application/json"))

    def _headers(self, kind: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}", "Content-Type": kind}

    def _send(self, method: str, path: str, body: bytes = b"", kind: str = "application/octet-stream") -> bytes:
        """Again while requests come too often, for a while: of such a one nothing was done."""
        status, content = self._answered(method, path, body, kind)
        for _ in range(_MOST_PAUSES):
            if status != _TOO_MANY:
                break
            time.sleep(_PAUSE_S)
            status, content = self._answered(method, path, body, kind)
        if status >= 400:
            raise _refusal(status, content)
        return content

    def _answered(self, method: str, path: str, body: bytes, kind: str) -> tuple[int, bytes]:
        try:
            return self._exchange(method, path, self._headers(kind), body)
        except OSError as exc:
            if "CERTIFICATE_VERIFY_FAILED" in str(exc):
                hint = f"{CA_FILE}=FILE, of its certificate or of who signed it"
                raise NotTrustedError(f"the server {self.url} is not trusted: {exc}", hint=hint) from exc
            raise StoreError(f"the server {self.url} does not answer: {exc}", hint="is it running?") from exc

    def _exchange(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        """Once more where the server has let go of a connection that it had kept."""
        was_open = self._connection.is_open
        try:
            return self._connection.ask(method, path, headers, body)
        except OSError:
            if not was_open:
                raise
        return self._connection.ask(method, path, headers, body)

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()

    def __del__(self) -> None:
        if hasattr(self, "_connection"):  # a URL that is none leaves a client half made
            self.close()


def pieces(
    ask: Callable[..., Any], name: str, *, rank: int | None, follow: bool, last: int | None = None
) -> Iterator[dict[str, Any]]:
    """As `Client.logs`. Args: ask: sends a request with JSON in and out."""
    cursor: dict[str, int] = {}
    if last is not None:
        cursor = ask("GET", f"/api/jobs/{in_path('job', name)}/logs/last?num={last}")["cursor"]
    is_last = False
    while True:
        body = {"cursor": cursor, "rank": rank, "wait_s": 15.0 if follow else 0.0}
        answer = ask("POST", f"/api/jobs/{in_path('job', name)}/logs", body)
        name = answer["job"]  # what `latest` means may change meanwhile
        yield from answer["pieces"]
        num_bytes = sum(piece["end"] - cursor.get(piece["file"], 0) for piece in answer["pieces"])
        cursor |= {piece["file"]: piece["end"] for piece in answer["pieces"]}
        if num_bytes > (0 if follow else _CAUGHT_UP_BYTES):
            continue
        is_over = answer["state"] in FINAL
        if not follow or (is_over and is_last):
            return
        is_last = is_over


def connect(*, starts: bool = False) -> Client:
    """The server that is meant: the one that DRIVETRAIN_SERVER names, or this machine's.

    Args:
      starts: where none is named and none runs on this machine, start one that ends when nothing is left to do; that
        is done, too, where jobs of this machine are known already.
    Raises: UsageError: there is none.
    """
    found = running()
    if found is None and (starts or (here.server_folder() / "drivetrain.sqlite").is_file()):
        found = _started()
    if found is None:
        raise UsageError(
            "no server is running here", hint=f"drivetrain server, or {SERVER}=https://HOST:PORT {TOKEN}=..."
        )
    return found


def running() -> Client | None:
    """The server that DRIVETRAIN_SERVER names, or the one that runs on this machine; None where none does."""
    return begin_running()()


def begin_running() -> Callable[[], Client | None]:
    """Ask for it; what is given waits for the answer."""
    if os.environ.get(SERVER):
        client = Client(os.environ[SERVER], os.environ.get(TOKEN, ""))
        return lambda: client
    return _begin_here(here.server_folder_text())


def stop_here() -> bool:
    """End the servers of this machine, and wait until they have; whether there was one."""
    from drivetrain.server.announced import end

    folder = here.server_folder()
    pids = [server.pid for server in here.servers(folder)]
    end(pids, folder)
    return bool(pids)


def here_client(folder: Path) -> Client | None:
    """Of the server of this machine that keeps its things in a folder; None where none runs."""
    return _begin_here(str(folder))()


def _begin_here(folder: str) -> Callable[[], Client | None]:
    found = [(server.identity, Client(server.url, "")) for server in here.servers(folder)]
    if found:
        found[0][1].begin("GET", "/health")

    def finish() -> Client | None:
        for identity, client in found:
            try:
                answer = client.ask("GET", "/health")
            except NotTrustedError:
                raise
            except (StoreError, UsageError):
                continue
            if isinstance(answer, dict) and answer.get("identity") == identity:
                client.use(here.read_token(folder))
                return client
        return None

    return finish


def _started() -> Client:
    from drivetrain.store import make_home

    make_home()
    folder = here.server_folder()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    log = folder / "server.log"
    size_bytes = log.stat().st_size if log.exists() else 0
    started: subprocess.Popen[bytes] | None = None
    until_s = time.monotonic() + _START_S
    while time.monotonic() < until_s:
        if (client := here_client(folder)) is not None:
            return client
        if started is None and not here.is_served(folder):
            print("starting a server on this machine ...", file=sys.stderr)
            started = _start(folder)
        if started is not None and started.poll() is not None:
            if started.returncode:
                break
            started = None  # it has made way for one that comes up
        time.sleep(0.02)
    raise StoreError(f"a server for this machine did not come up{_last_error(log, size_bytes)}", hint=f"see {log}")


def _last_error(log: Path, since_bytes: int) -> str:
    """What a server that ended said, after a colon; empty where it said nothing since."""
    from contextlib import suppress

    with suppress(OSError):
        lines = log.read_bytes()[since_bytes:].decode(errors="replace").splitlines()
        if errors := [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]:
            return f": {errors[-1]}"
    return ""


def _start(folder: Path) -> subprocess.Popen[bytes]:
    import subprocess

    with (folder / "server.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "drivetrain", "server", "--until-idle"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _as_taken(folder: Path, path: str, sha256: str) -> bytes:
    import hashlib

    try:
        content = (folder / path).read_bytes()
    except FileNotFoundError:
        content = None
    if content is None or hashlib.sha256(content).hexdigest() != sha256:
        raise ChangedError(f"{path} changes while it is sent", hint="have git ignore what is written")
    return content


def _refusal(status: int, content: bytes) -> UsageError | StoreError:
    try:
        said = decoded(content)
        message, hint = said["detail"], said.get("hint", "")
    except (ValueError, KeyError, AttributeError, TypeError):
        message, hint = f"the server answers {status}", ""
    if not isinstance(message, str):
        message = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in message)
    if status == NO_CODE:
        return NoCodeError(message, hint=hint)
    is_for_now = status >= 500 or status == _TOO_MANY
    return StoreError(message, hint=hint) if is_for_now else UsageError(message, hint=hint)
