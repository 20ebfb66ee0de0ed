"""The ranks' processes on this machine: forks them, keeps those that outlive an attempt, reads what they print."""

from __future__ import annotations

import functools
import os
import selectors
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from drivetrain.core.clock import mono_ns
from drivetrain.core.units import NS_PER_S
from drivetrain.launch.nursery_process import NurseryProcess
from drivetrain.launch.output import Log, Output, Stream
from drivetrain.launch.spec import RankRequest
from drivetrain.launch.watch import process_state
from drivetrain.launch.wire import (
    Again,
    Back,
    Channel,
    End,
    Evidence,
    Exited,
    Keeps,
    Leave,
    Left,
    Ready,
    Spawn,
    Started,
    Stumbled,
)
from drivetrain.ledger import Recorder
from drivetrain.store import RunFolder

_DEAF_AFTER_NS = 5 * NS_PER_S  # a nursery that lives kills ranks within milliseconds
_NUM_LAST_WORDS = 12


class Listener(Protocol):
    """Who hears what becomes of the ranks."""

    def on_ready(self) -> None:
        """Ranks can be asked for."""

    def on_ended(self, rank: int, code: int, at_ns: int, last_words: tuple[str, ...]) -> None:
        """A rank's process has ended, and all that it printed has been read."""

    def on_stumbled(self, rank: int, words: str) -> None:
        """A rank has lost a peer and waits for the next attempt."""

    def on_left(self, rank: int) -> None:
        """A rank has left its attempt as it was told to, and waits for the next one."""

    def on_lost(self) -> None:
        """The process that forks the ranks died, and all of them with it; each has been told as ended."""


class _Process(Struct):
    """One rank's process.

    Attributes:
      slot: what the nursery knows it by.
      pid: None until it is forked.
      keeps: whether it can go on in another attempt.
      back_by_ns: when it is given up if it has not come back from its former attempt; None when it is at home.
      is_given_up: whether it was killed for that.
    """

    slot: int
    request: RankRequest
    line: Channel
    streams: tuple[Stream, Stream]
    pid: int | None = None
    keeps: bool = False
    back_by_ns: int | None = None
    is_given_up: bool = False


class Node:
    """The processes of one machine's ranks, by rank; driven by the caller's selector.

    Attributes:
      replaces: whether a process that ends on its way from one attempt to the next is forked anew.
    """

    def __init__(
        self,
        run: RunFolder,
        *,
        make_nursery: Callable[[], NurseryProcess],
        env: Mapping[str, str],
        grace_ns: int,
        output: Output,
        recorder: Recorder,
        selector: selectors.BaseSelector,
        listener: Listener,
    ) -> None:
        """Begin to start the nursery; `on_ready` tells when it can fork."""
        self._run = run
        self._make_nursery = make_nursery
        self._env = dict(env)
        self._grace_ns = grace_ns
        self._output = output
        self._recorder = recorder
        self._selector = selector
        self._listener = listener
        self.replaces = True
        self._processes: dict[int, _Process] = {}
        self._departing: dict[int, _Process] = {}  # by slot, those that the run goes on without
        self._streams: set[Stream] = set()
        self._deaf_at_ns: int | None = None
        self._nursery: NurseryProcess | None = None
        self._attempt = 0
        self._num_forked = 0
        self._meeting_slot: int | None = None

    @property
    def is_ready(self) -> bool:
        """Whether ranks can be begun."""
        return self._nursery is not None and self._nursery.is_ready

    @property
    def pids(self) -> dict[int, int]:
        """Of the ranks that live."""
        return {rank: each.pid for rank, each in self._processes.items() if each.pid is not None}

    def process_states(self) -> dict[int, tuple[str, int]]:
        """By rank that lives: state letter of its process, and its processor time in ticks."""
        return {rank: process_state(pid) for rank, pid in self.pids.items()}

    @property
    def has_meeting(self) -> bool:
        """Whether the process where ranks meet lives."""
        return self._meeting_slot is not None

    @property
    def kept(self) -> list[int]:
        """Ranks whose processes can go on in another attempt."""
        return sorted(rank for rank, each in self._processes.items() if each.keeps)

    def open(self) -> None:
        """Start the nursery, unless there is one."""
        if self._nursery is None:
            self._nursery = self._make_nursery()
            self._selector.register(self._nursery.channel, selectors.EVENT_READ, self._on_nursery)

    def begin(self, requests: tuple[RankRequest, ...], attempt: int, moves: Mapping[int, int]) -> None:
        """Begin an attempt: processes that live go on in it, the other ranks are forked.

        Args:
          moves: by new rank, the rank that its process had; what is not named here, or has died since, is forked. The
            run goes on without processes that are not in it.
        """
        self._attempt = attempt
        self.replaces = True
        self._deaf_at_ns = None
        before, self._processes = self._processes, {}
        for request in requests:
            if moves.get(request.rank) in before:
                self._processes[request.rank] = before.pop(moves[request.rank])
                self._go_on(self._processes[request.rank], request)
            else:
                self._fork(request)
        for process in before.values():
            self._dismiss(process)

    def leave(self, leave: Leave) -> None:
        """Have every rank leave its attempt before a step; `on_left` tells of each."""
        for process in self._processes.values():
            with suppress(OSError):
                process.line.send(leave)

    def signal(self, rank: int, signum: int) -> None:
        """Signal the process group of a rank, as it is numbered now."""
        process = self._processes.get(rank)
        if process is not None:
            self._signal(process, signum)

    def _signal(self, process: _Process, signum: int) -> None:
        if self._nursery is None:
            return
        if signum == signal.SIGKILL and self._deaf_at_ns is None:
            self._deaf_at_ns = mono_ns() + _DEAF_AFTER_NS
        self._nursery.signal(process.slot, signum)

    def open_meeting(self, request: RankRequest) -> None:
        """Start the process where ranks meet; it is no rank, and has nothing to say."""
        assert self._nursery is not None
        self._meeting_slot = self._new_slot()
        program = request.program
        job = Spawn(self._meeting_slot, program.kind, list(program.argv), {**self._env, **request.env}, request.cwd)
        with suppress(OSError):  # the nursery is gone, which its channel shows next
            out_fd, err_fd, line = self._nursery.spawn(job)
            os.close(out_fd)
            os.close(err_fd)
            line.close()

    def ask_for_evidence(self, folder: Path) -> None:
        """Have every rank write down where its threads are; those that cannot will not."""
        for process in self._processes.values():
            with suppress(OSError):
                process.line.send(Evidence(str(folder)))

    def keep_time(self, now_ns: int) -> int | None:
        """Do what is due; returns when to call again, None when nothing will be."""
        if self._deaf_at_ns is not None and now_ns >= self._deaf_at_ns and self._nursery is not None:
            self._nursery.kill()
        due_ns = [] if self._deaf_at_ns is None else [self._deaf_at_ns]
        for process in [*self._processes.values(), *self._departing.values()]:
            if process.back_by_ns is None or process.is_given_up:
                continue
            if now_ns >= process.back_by_ns:
                process.is_given_up = True
                self._signal(process, signal.SIGKILL)
            else:
                due_ns.append(process.back_by_ns)
        return min(due_ns, default=None)

    def close(self, *, now: bool = False) -> None:
        """End the nursery and its ranks, and read to the end what they printed."""
        if self._nursery is not None:
            self._selector.unregister(self._nursery.channel)
            self._nursery.close(now=now)
            self._nursery = None
        for process in [*self._processes.values(), *self._departing.values()]:
            self._hang_up(process)
        self._processes.clear()
        self._departing.clear()
        for stream in list(self._streams):
            stream.drain()
            self._forget(stream)

    def _new_slot(self) -> int:
        self._num_forked += 1
        return self._num_forked

    def _fork(self, request: RankRequest) -> None:
        assert self._nursery is not None
        program = request.program
        slot = self._new_slot()
        job = Spawn(slot, program.kind, list(program.argv), {**self._env, **request.env}, request.cwd)
        try:
            out_fd, err_fd, line = self._nursery.spawn(job)
        except OSError:
            return  # the nursery is gone, which its channel shows next
        log = Log(self._run.rank_log(self._attempt, request.rank))
        out = Stream(out_fd, request.rank, "stdout", log, self._output)
        err = Stream(err_fd, request.rank, "stderr", log, self._output)
        for stream in (out, err):
            self._streams.add(stream)
            self._selector.register(stream.fd, selectors.EVENT_READ, functools.partial(self._read, stream))
        process = self._processes[request.rank] = _Process(slot, request, line, (out, err))
        self._selector.register(line, selectors.EVENT_READ, functools.partial(self._on_line, process))

    def _go_on(self, process: _Process, request: RankRequest) -> None:
        """Tell a process that its attempt is over and what the next one is."""
        gone: dict[str, str | None] = dict.fromkeys(process.request.env.keys() - request.env.keys())
        process.request = request
        process.back_by_ns = mono_ns() + self._grace_ns
        process.is_given_up = False
        log = Log(self._run.rank_log(self._attempt, request.rank))
        for stream in process.streams:
            stream.drain()
            stream.go_on_in(request.rank, log)
        with suppress(OSError):  # it is gone, which the nursery tells
            process.line.send(Again({**gone, **request.env}))

    def _dismiss(self, process: _Process) -> None:
        """Let a process end well; what becomes of it is nobody's concern any more, except that it must be gone."""
        self._departing[process.slot] = process
        process.back_by_ns = mono_ns() + self._grace_ns
        process.is_given_up = False
        with suppress(OSError):
            process.line.send(End())

    def _on_line(self, process: _Process) -> None:
        if process.line.fileno() < 0:
            return  # hung up since the selector found it
        received = process.line.receive()
        message = None if received is None else received[0]
        if message is None:
            self._hang_up(process)
        elif isinstance(message, Keeps):
            process.keeps = True
        elif isinstance(message, Back) and message.attempt == self._attempt:
            process.back_by_ns = None
        elif isinstance(message, Stumbled) and process.back_by_ns is None:
            self._listener.on_stumbled(process.request.rank, message.words)
        elif isinstance(message, Left) and process.back_by_ns is None:
            self._listener.on_left(process.request.rank)

    def _on_nursery(self) -> None:
        assert self._nursery is not None
        message = self._nursery.receive()
        if isinstance(message, Ready):
            self._nursery.is_ready = True
            self._listener.on_ready()
        elif isinstance(message, Started | Exited) and message.slot == self._meeting_slot:
            if isinstance(message, Exited):
                self._meeting_slot = None
        elif isinstance(message, Started):
            process = self._of_slot(message.slot)
            process.pid = message.pid
            self._recorder.start(process.request.rank, at_ns=message.at_ns)
        elif isinstance(message, Exited):
            self._end(self._of_slot(message.slot), message.code, message.at_ns)
        else:
            self._lose_nursery()

    def _of_slot(self, slot: int) -> _Process:
        known = [*self._processes.values(), *self._departing.values()]
        return next(each for each in known if each.slot == slot)

    def _end(self, process: _Process, code: int, at_ns: int) -> None:
        """A process has ended: one that never came back is forked anew, of others the listener is told."""
        rank = process.request.rank
        self._deaf_at_ns = None  # it listens, then
        for stream in process.streams:
            stream.drain()
        self._hang_up(process)
        if self._departing.pop(process.slot, None) is not None:
            return
        is_replaced = process.back_by_ns is not None and self.is_ready and self.replaces
        # Lost on its way from the attempt before, it is one more that ended that attempt.
        self._recorder.exit(rank, code, attempt=self._attempt - is_replaced)
        del self._processes[rank]
        if is_replaced:
            self._fork(process.request)
        else:
            words = tuple(process.streams[1].last_lines(_NUM_LAST_WORDS))
            self._listener.on_ended(rank, code, at_ns, words)

    def _lose_nursery(self) -> None:
        """The nursery died, and its ranks with it."""
        assert self._nursery is not None
        self._nursery.is_ready = False
        self._meeting_slot = None
        self._deaf_at_ns = None
        for process in [*self._processes.values(), *self._departing.values()]:
            if process.pid is not None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # what the rank had started
            self._end(process, -signal.SIGKILL, mono_ns())
        self.close()
        self._listener.on_lost()

    def _hang_up(self, process: _Process) -> None:
        with suppress(KeyError, ValueError):
            self._selector.unregister(process.line)
        process.line.close()

    def _read(self, stream: Stream) -> None:
        if stream not in self._streams:
            return  # forgotten since the selector found it
        stream.read()
        if stream.has_ended:
            self._forget(stream)

    def _forget(self, stream: Stream) -> None:
        self._selector.unregister(stream.fd)
        self._streams.discard(stream)
        stream.close()
