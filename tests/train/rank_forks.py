"""Several ranks without a launcher, forked from one process that imported torch: `on_ranks(2, act, *arguments)`."""

from __future__ import annotations

import os
import socket
import sys
import traceback
from collections.abc import Callable


def on_ranks(num_ranks: int, act: Callable[..., None], *arguments: object) -> None:
    """Run `act(*arguments)` as each of some ranks; raises SystemExit when one of them fails."""
    port = free_port()
    ranks = [_fork(rank, num_ranks, port, act, arguments) for rank in range(num_ranks)]
    if codes := [code for code in (os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in ranks) if code]:
        raise SystemExit(f"ranks ended with {codes}")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _fork(rank: int, num_ranks: int, port: int, act: Callable[..., None], arguments: tuple[object, ...]) -> int:
    if pid := os.fork():
        return pid
    code = 1
    try:
        where = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": num_ranks, "LOCAL_WORLD_SIZE": num_ranks}
        os.environ.update({name: str(value) for name, value in where.items()})
        os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
        act(*arguments)
        code = 0
    except BaseException:  # noqa: BLE001 - a forked rank must never go on as its parent
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
