"""One server process: opens what it needs, works, answers, and tells commands of this machine where it is."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from sqlalchemy import Engine

from drivetrain.compute.controller.states import JobState
from drivetrain.compute.policy.plan import plan
from drivetrain.core.errors import UsageError
from drivetrain.server.asking import Asking
from drivetrain.server.database import Records, open_database, reading
from drivetrain.server.http import make_app
from drivetrain.server.http.state import Server
from drivetrain.server.keys import server_key
from drivetrain.server.pools import ServerConfig, engine_of
from drivetrain.server.services import people
from drivetrain.server.services.people import Role
from drivetrain.server.services.snapshots import SnapshotShelf
from drivetrain.server.worker import Worker
from drivetrain.store import home, publish_bytes

_LOCAL_TOKEN_S = 30 * 86400.0
_IDLE_S = 10.0
_UNFINISHED = [state.value for state in JobState if not state.is_final]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeSpec:
    """How a server is to be.

    Attributes:
      host, port: to listen at; port 0 for a free one.
      database: URL; SQLite in the store's root by default.
      config: pools.
      url: under which agents of other machines find it; by default as it listens.
      certificate, private_key: files, for TLS.
      until_idle: ends when no job is left and none came for a while.
    """

    host: str = "127.0.0.1"
    port: int = 0
    database: str = ""
    config: ServerConfig = field(default_factory=ServerConfig)
    url: str = ""
    certificate: Path | None = None
    private_key: Path | None = None
    until_idle: bool = False

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.private_key is None):
            raise UsageError("TLS needs a certificate and its key", hint="--certificate FILE --private-key FILE")


def serve(spec: ServeSpec, on_ready: Callable[[str], None], on_note: Callable[[str], None]) -> None:
    """Serve until a signal comes. Raises: UsageError: the address is taken."""
    folder = home() / "server"
    database = open_database(spec.database)
    with contextlib.closing(_listen(spec)) as listening:
        scheme = "https" if spec.certificate else "http"
        port = listening.getsockname()[1]
        url = spec.url or f"{scheme}://{spec.host if spec.host != '0.0.0.0' else socket.gethostname()}:{port}"  # noqa: S104
        key = server_key(folder)
        _keep_pools(database, spec.config)
        asking = Asking(home(), url, key)
        engines = {pool.name: engine_of(pool, asking.folder) for pool in spec.config.pools}
        worker = Worker(database, engines, plan, asking, folder, on_note=on_note)
        app = make_app(Server(database, folder, key, SnapshotShelf(folder), worker.wake))
        running = uvicorn.Server(_settings(spec, app))
        worker.start()
        try:
            with _told(folder, url, database), _ending_when_idle(spec, running, database):
                on_ready(url)
                running.run([listening])
        finally:
            worker.stop()
            database.dispose()


def _settings(spec: ServeSpec, app: object) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        log_level="warning",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=2,
        ssl_certfile=spec.certificate,
        ssl_keyfile=spec.private_key,
    )


def _listen(spec: ServeSpec) -> socket.socket:
    try:
        return socket.create_server((spec.host, spec.port), backlog=1024)
    except OSError as exc:
        raise UsageError(f"cannot listen at {spec.host}:{spec.port}: {exc.strerror}", hint="another --port?") from exc


def _keep_pools(database: Engine, config: ServerConfig) -> None:
    with database.begin() as connection:
        records = Records(connection)
        for pool in config.pools:
            records.set_setting("pool", pool.name, pool.pool)


@contextlib.contextmanager
def _told(folder: Path, url: str, database: Engine) -> Iterator[None]:
    """Commands of the same user on this machine find the server, and may do all."""
    user = getpass.getuser()
    with database.begin() as connection:
        if people.person(connection, user) is None:
            people.set_user(connection, user, Role.OPERATOR, ())
        people.drop_tokens(connection, user, f"local {os.getpid()}")
        token = people.give_token(connection, user, f"local {os.getpid()}", lasts_s=_LOCAL_TOKEN_S, now_s=time.time())
    path = folder / "here.json"
    publish_bytes(path, json.dumps({"url": url, "token": token, "pid": os.getpid()}).encode())
    path.chmod(0o600)
    try:
        yield
    finally:
        with contextlib.suppress(OSError, ValueError):
            if json.loads(path.read_bytes())["pid"] == os.getpid():
                path.unlink()


@contextlib.contextmanager
def _ending_when_idle(spec: ServeSpec, running: uvicorn.Server, database: Engine) -> Iterator[None]:
    over = threading.Event()

    def watch() -> None:
        idle_since_s = time.monotonic()
        while not over.wait(1.0):
            with reading(database) as connection:
                is_busy = Records(connection).count_jobs(_UNFINISHED) > 0
            if is_busy:
                idle_since_s = time.monotonic()
            elif time.monotonic() - idle_since_s > _IDLE_S:
                running.should_exit = True
                return

    thread = threading.Thread(target=watch, name="idle", daemon=True)
    if spec.until_idle:
        thread.start()
    try:
        yield
    finally:
        over.set()
        if spec.until_idle:
            thread.join()
