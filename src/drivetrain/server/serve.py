"""One server process: opens what it needs, works, answers, and tells commands of this machine where it is."""

from __future__ import annotations

import contextlib
import gc
import secrets
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import uvicorn
from sqlalchemy import Engine
from sqlalchemy.exc import InterfaceError, OperationalError

from drivetrain.compute.controller.states import JobState
from drivetrain.compute.policy.plan import plan
from drivetrain.compute.snapshot import CodeShelf
from drivetrain.core.errors import StoreError, UsageError
from drivetrain.core.units import NS_PER_S
from drivetrain.server import here
from drivetrain.server.announced import announced, end_until_idle, refuse_another_database
from drivetrain.server.asking import Asking
from drivetrain.server.bookkeeping import bookkeeping
from drivetrain.server.database import Records, open_database, reading
from drivetrain.server.foresee import Foresight
from drivetrain.server.http import make_app
from drivetrain.server.http.patience import PatientProtocol
from drivetrain.server.http.state import Server
from drivetrain.server.http.together import Together
from drivetrain.server.idle import ending_when_idle
from drivetrain.server.kept_home import keep_home, refuse_another_home
from drivetrain.server.kept_pools import keep_pools, kept_config
from drivetrain.server.keys import server_key
from drivetrain.server.own_token import keeping_token, see_to_token
from drivetrain.server.pools import ServerConfig, engine_of, unknown_partitions
from drivetrain.server.services.describing import described
from drivetrain.server.services.following import printed
from drivetrain.server.steady import SteadyClock
from drivetrain.server.sweeping import sweeping
from drivetrain.server.worker import Worker
from drivetrain.store import home, make_home

_UNFINISHED = [state.value for state in JobState if not state.is_final]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeSpec:
    """How a server is to be.

    Attributes:
      host, port: to listen at; port 0 for a free one.
      database: URL; SQLite in the store's root by default.
      config: pools; None for those that the last server of this database had, or this machine.
      url: under which agents of other machines find it; by default as it listens.
      certificate, private_key: files, for TLS.
      until_idle: ends when no job is left and nothing was asked for a while.
    """

    host: str = "127.0.0.1"
    port: int = 0
    database: str = ""
    config: ServerConfig | None = None
    url: str = ""
    certificate: Path | None = None
    private_key: Path | None = None
    until_idle: bool = False

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.private_key is None):
            raise UsageError("TLS needs a certificate and its key", hint="--certificate FILE --private-key FILE")


def serve(spec: ServeSpec, on_ready: Callable[[str], None], on_note: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM comes.

    Raises: UsageError: the address is taken. StoreError: the database does not answer as it begins.
    """
    make_home()
    folder = here.server_folder()
    if spec.until_idle and here.is_served(folder):
        on_note("this store has a server that somebody started; this one is not needed")
        return
    database, clock = open_database(spec.database), SteadyClock()
    try:
        with reading(database) as connection:
            clock.not_before(Records(connection).newest_event_ns() / NS_PER_S)
        config = spec.config or kept_config(database) or ServerConfig()
        for note in unknown_partitions(config):
            on_note(note)
        while _serve_once(spec, config, database, clock, on_ready, on_note) and _num_unfinished(database):
            pass  # a job came as it was about to end since there was none
    except (OperationalError, InterfaceError) as exc:
        raise StoreError("the database does not answer any more", hint="is it running?") from exc
    finally:
        database.dispose()


def _serve_once(
    spec: ServeSpec,
    config: ServerConfig,
    database: Engine,
    clock: SteadyClock,
    on_ready: Callable[[str], None],
    on_note: Callable[[str], None],
) -> bool:
    """Whether it ended because nothing was left to do."""
    folder, named = here.server_folder(), database.url.render_as_string(hide_password=True)
    refuse_another_database(folder, named)
    with contextlib.closing(_listen(spec)) as listening:
        if not spec.until_idle:
            end_until_idle(folder, named)
        url = _url(spec, listening)
        key, identity = server_key(folder), secrets.token_hex(16)
        refuse_another_home(database, folder, key, _UNFINISHED)

        def begin() -> None:
            keep_home(database, home(), key)
            keep_pools(database, config, clock())

        asking = Asking(home(), url, key, ca_file=str(spec.certificate.absolute()) if spec.certificate else "")
        engines = {pool.name: engine_of(pool, asking.folder) for pool in config.pools}
        worker = Worker(
            database,
            engines,
            plan,
            asking,
            folder,
            clock=clock,
            on_begin=begin,
            on_note=on_note,
        )
        foresight = Foresight(database)
        shelf = CodeShelf(folder)
        told, read = Together(partial(described, database)), Together(partial(printed, database))
        app = make_app(Server(database, folder, key, shelf, worker.wake, foresight, told, read, identity, clock))
        running = uvicorn.Server(_settings(spec, app))
        see_to_token(database, folder, clock())
        spare_collector()
        worker.start()
        try:
            with (
                announced(folder, url, identity, named, is_until_idle=spec.until_idle),
                _signals_end_only_serving(running),
                _ending(spec, running, database),
                sweeping(database, home(), clock),
                bookkeeping(database, clock),
                keeping_token(database, folder, clock),
            ):
                on_ready(url)
                running.run([listening])
        finally:
            foresight.close()
            worker.stop()
    return spec.until_idle and not running._captured_signals


def spare_collector() -> None:
    """Have Python look for garbage less often: what is imported is none, and values of jobs and plans are in no circle.

    It took an eighth of a busy controller's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _ending(spec: ServeSpec, running: uvicorn.Server, database: Engine) -> AbstractContextManager[None]:
    if not spec.until_idle:
        return contextlib.nullcontext()
    return ending_when_idle(running, lambda: _num_unfinished(database))


def _url(spec: ServeSpec, listening: socket.socket) -> str:
    scheme = "https" if spec.certificate else "http"
    host = socket.gethostname() if spec.host in ("0.0.0.0", "::") else spec.host  # noqa: S104
    return spec.url or f"{scheme}://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"


@contextlib.contextmanager
def _signals_end_only_serving(running: uvicorn.Server) -> Iterator[None]:
    """uvicorn sends itself again what ended it; by then there is still something to be brought to an end.

    One that comes before uvicorn looks for it ends the serving as well.
    """

    def end(*_: object) -> None:
        running.should_exit = True

    before = {signum: signal.signal(signum, end) for signum in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def _settings(spec: ServeSpec, app: object) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        http=PatientProtocol,
        log_level="warning",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=2,
        ssl_certfile=spec.certificate,
        ssl_keyfile=spec.private_key,
    )


def _listen(spec: ServeSpec) -> socket.socket:
    try:
        listening = socket.create_server((spec.host, spec.port), backlog=1024)
    except (OSError, OverflowError, UnicodeError) as exc:
        why = getattr(exc, "strerror", None) or exc
        raise UsageError(f"cannot listen at {spec.host}:{spec.port}: {why}", hint="another --port or --host?") from exc
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)  # else the end of each answer waits for 40 ms
    return listening


def _num_unfinished(database: Engine) -> int:
    with reading(database) as connection:
        return Records(connection).count_jobs(_UNFINISHED)
