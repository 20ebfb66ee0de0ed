"""A child process for each thread that asks for one: for ops that hold the GIL.

A child that dies is replaced and its entry tried again; an entry on which children keep dying makes its items bad ones.
A child ends when its pipe does, so none outlives its parent, however that ends.
"""

from __future__ import annotations

import multiprocessing
import signal
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

import msgspec

from drivetrain.core import errors
from drivetrain.data.pipeline import wire
from drivetrain.data.pipeline.apply import Applied, OpTime, apply
from drivetrain.data.pipeline.item import Bad, Entry
from drivetrain.data.pipeline.plan import Plan

_MOST_DEATHS = 3  # of children on one entry: one may be struck from outside, three are the entry's doing
_PATIENCE_S = 5.0


class Children:
    """Children by thread; a context manager that ends them. `apply` may be called from any thread."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._own = threading.local()
        self._lock = threading.Lock()
        self._all: list[_Child] = []
        self._is_closed = False

    def __enter__(self) -> Children:
        return self

    def __exit__(self, *exc: object) -> None:
        with self._lock:
            self._is_closed = True
            children, self._all = self._all, []
        for child in children:
            child.end()

    def apply(self, step: int, entry: Entry) -> Applied:
        """What `apply` gives for an entry, done by this thread's child."""
        for _ in range(_MOST_DEATHS):
            child = self._child()
            try:
                return child.ask(step, entry)
            except (EOFError, OSError):
                exit_code = child.end()
                del self._own.child
                if self._is_closed:
                    raise
        reason = f"the process that ran it died {_MOST_DEATHS} times, the last time with exit code {exit_code}"
        ops = self._plan.steps[step].ops
        bad = tuple(Bad(item.key, ops[0].name, reason) for item in entry.items)
        return Applied(Entry(entry.number, (), entry.dropped, (*entry.bad, *bad)), (OpTime(1, 0, 0, 0),) * len(ops), 0)

    def _child(self) -> _Child:
        child: _Child | None = getattr(self._own, "child", None)
        if child is None:
            with self._lock:
                if self._is_closed:
                    raise EOFError("the pipeline has ended")
                child = _Child(self._plan)
                self._all.append(child)
            self._own.child = child
        return child


class _Child:
    """One process and the pipe to it; used by one thread."""

    def __init__(self, plan: Plan) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would copy the threads' locks as they happen to be
        self._pipe, theirs = context.Pipe()
        self._process: BaseProcess = context.Process(
            target=_serve, args=(theirs, plan), name="drivetrain-pipeline", daemon=True
        )
        self._process.start()
        theirs.close()

    def ask(self, step: int, entry: Entry) -> Applied:
        """Raises EOFError or OSError: it is gone. Raises an error of ours: it could not do its work."""
        self._pipe.send_bytes(msgspec.msgpack.encode([step, wire.encode(entry)]))
        error, *answer = msgspec.msgpack.decode(self._pipe.recv_bytes())
        if error:
            kind: type[errors.DrivetrainError] = getattr(errors, error[0])
            raise kind(error[1], hint=error[2])
        return unpack(answer[0])

    def end(self) -> int | None:
        """Stop it; its exit code. May be called twice, and from another thread."""
        with suppress(OSError):
            self._pipe.close()
        self._process.terminate()
        self._process.join(_PATIENCE_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        return self._process.exitcode


def pack(done: Applied) -> bytes:
    """The bytes of a result, without its log."""
    times = [[took.num_in, took.num_out, took.busy_ns, took.bytes_out] for took in done.times]
    return msgspec.msgpack.encode([wire.encode(done.entry), times, done.peak_bytes])


def unpack(data: bytes) -> Applied:
    """The result again."""
    entry, times, peak_bytes = msgspec.msgpack.decode(data)
    return Applied(wire.decode(entry), tuple(OpTime(*took) for took in times), peak_bytes)


def _serve(pipe: Connection[Any, Any], plan: Plan) -> None:
    """The child's life: until its parent lets go of the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    log = None
    is_open = False
    with suppress(EOFError, OSError):
        while True:
            step, data = msgspec.msgpack.decode(pipe.recv_bytes())
            try:
                if not is_open:
                    plan.check_code()
                    log, is_open = plan.source.open().log, True
                answer: list[object] = [None, pack(apply(plan.steps[step].ops, wire.decode(data).bound(log)))]
            except errors.DrivetrainError as exc:
                answer = [[type(exc).__name__, exc.message, exc.hint]]
            pipe.send_bytes(msgspec.msgpack.encode(answer))
