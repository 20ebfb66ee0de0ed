"""A real PostgreSQL on this machine, in a folder of its own: `python -m tests.postgres_server up|down FOLDER`.

It listens at a socket in that folder alone. PostgreSQL refuses to run as root: then it runs as `postgres`, whom its
packages make.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

_PATIENCE_S = 60
_OWNER = "postgres"
_SETTINGS = """\
listen_addresses = ''
unix_socket_directories = '{folder}'
max_connections = 200
fsync = off
"""
"""Without fsync only a fall of the whole machine loses what was committed, and such a fall is not tested."""


def programs() -> Path | None:
    """The folder of the newest PostgreSQL's programs; None where it is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


class PostgresServer:
    """One server; `up` twice or `down` twice does no more than once."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or Path(tempfile.mkdtemp(prefix="postgres-"))

    @property
    def _data(self) -> Path:
        return self.folder.resolve() / "data"

    def up(self) -> None:
        """Start it, and make it first where it never was. Raises: RuntimeError: it does not come up."""
        if not (self._data / "PG_VERSION").exists():
            self._make()
        if self.pid is None:
            log = str(self.folder.resolve() / "log")
            self._run("pg_ctl", "start", "--wait", "--silent", "-D", str(self._data), "-l", log, "-t", str(_PATIENCE_S))

    def down(self, *, mode: str = "fast") -> None:
        """End it; `immediate` is as if it were killed."""
        if self.pid is not None:
            self._run("pg_ctl", "stop", "--wait", "--silent", "-D", str(self._data), "-m", mode)

    def restart(self) -> None:
        """As an update of it would: all connections break."""
        self.down(mode="immediate")
        self.up()

    def remove(self) -> None:
        """End it and remove its folder."""
        self.down(mode="immediate")
        shutil.rmtree(self.folder.resolve(), ignore_errors=True)

    def database(self, name: str) -> str:
        """The URL of a new, empty database."""
        self._run(
            "createdb", "--host", str(self.folder.resolve()), "--username", _OWNER, "--template", "template0", name
        )
        return f"postgresql://{_OWNER}@/{name}?host={self.folder}"

    @property
    def pid(self) -> int | None:
        """Its first process; None where it does not run."""
        with suppress(OSError, ValueError):
            pid = int((self._data / "postmaster.pid").read_text().split()[0])
            os.kill(pid, 0)
            return pid
        return None

    def _make(self) -> None:
        if os.geteuid() == 0 and not self.folder.exists() and not _is_reached(self.folder.absolute()):
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            self.folder.unlink(missing_ok=True)  # a link to what was removed
            self.folder.symlink_to(tempfile.mkdtemp(prefix="postgres-"))
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if os.geteuid() == 0:
            shutil.chown(self.folder, _OWNER)
        options = ("--auth", "trust", "--username", _OWNER, "--encoding", "UTF8", "--locale", "C", "--no-sync")
        self._run("initdb", "-D", str(self._data), *options)
        with (self._data / "postgresql.conf").open("a") as file:
            file.write(_SETTINGS.format(folder=self.folder.resolve()))

    def _run(self, program: str, *arguments: str) -> None:
        folder = programs()
        if folder is None:
            raise RuntimeError("PostgreSQL is not installed: apt-get install postgresql")
        command = [str(folder / program), *arguments]
        if os.geteuid() == 0:
            command = ["setpriv", f"--reuid={_OWNER}", f"--regid={_OWNER}", "--clear-groups", *command]
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # what it starts would keep a pipe open
            stderr=subprocess.DEVNULL,
            cwd="/",
            timeout=_PATIENCE_S,
            check=False,
        )
        if done.returncode:
            log = self.folder / "log"
            said = log.read_text(errors="replace")[-2000:] if log.exists() else ""
            raise RuntimeError(f"{' '.join(command)} ends with {done.returncode}\n{said}")


def _is_reached(folder: Path) -> bool:
    """Whether others than root come to a folder, as PostgreSQL's owner has to."""
    return all(parent.stat().st_mode & 0o001 for parent in folder.parents if parent.exists())


def main(verb: str, folder: str) -> None:
    """Start or end one, and say how to use it."""
    server = PostgresServer(Path(folder).absolute())
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if verb == "up":
        server.up()
        with suppress(RuntimeError):  # it is there already
            server.database("drivetrain")
        print(f"postgresql://{_OWNER}@/drivetrain?host={server.folder}")
    else:
        server.down()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
