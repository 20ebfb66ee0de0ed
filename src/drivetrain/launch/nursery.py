"""A process that imports the heavy modules once and forks ranks from then on: `python -m drivetrain.launch.nursery`.

What holds, whatever fails:
1. It has one Python thread, and forks only from it.
2. When its launcher is gone, every rank and what the ranks started is ended, and then so is it.
3. When it is killed, its ranks are killed with it (the kernel does that).
4. What a rank leaves running in its process group when it ends is told to end too, and killed after the grace: helpers
   such as Python's resource tracker use that time to remove shared memory.
"""

from __future__ import annotations

import _socket
import gc
import importlib
import os
import selectors
import signal
import sys
import time
from contextlib import suppress
from typing import NoReturn

from drivetrain.core import variables
from drivetrain.core.clock import mono_ns
from drivetrain.launch.child import become, detach
from drivetrain.launch.prctl import adopt_orphans, die_with, outlive_parent
from drivetrain.launch.wire import Channel, Exited, Ready, Signal, Spawn, Started

_LOOK_AGAIN_S = 0.02  # how often leftovers are looked at: no signal tells that a process group is empty


class Nursery:
    """Forks ranks on request and tells of their ends. Uses poll and not epoll: a fork would share the latter."""

    def __init__(self, channel: Channel, *, grace_ns: int) -> None:
        self._channel = channel
        self._grace_ns = grace_ns
        self._selector = selectors.PollSelector()
        self._selector.register(channel, selectors.EVENT_READ)
        self._pids: dict[int, int] = {}  # pid by slot, of those that live
        self._leftovers: dict[int, int] = {}  # process group -> monotonic ns when it is killed

    def serve(self) -> tuple[Spawn, int] | None:
        """Work until the launcher is gone (None), or, in a fork, until there is a rank to become.

        Returns: what to become, and the descriptor of the rank's line to the launcher.
        """
        while True:
            for key, _ in self._selector.select(_LOOK_AGAIN_S if self._leftovers else None):
                if key.data is not None:
                    self._bury(key.data, key.fd)
                    continue
                received = self._channel.receive()
                if received is None:
                    return None
                message, descriptors = received
                if isinstance(message, Signal):
                    self._signal(message)
                elif isinstance(message, Spawn):
                    is_child = self._spawn(message, *descriptors)
                    if is_child:
                        return message, descriptors[2]
            self._look_at_leftovers()

    def end(self) -> None:
        """Kill the ranks that are left, then wait for what they leave."""
        for slot, pid in list(self._pids.items()):
            self._signal(Signal(slot, signal.SIGKILL))
            os.waitpid(pid, 0)
            self._leave(pid)
            del self._pids[slot]
        while self._leftovers:
            time.sleep(_LOOK_AGAIN_S)
            self._look_at_leftovers()

    def _spawn(self, job: Spawn, stdout: int, stderr: int, line: int) -> bool:
        """Fork a rank; True in the child, which then holds none of the nursery's descriptors, and `line` open."""
        parent_pid = os.getpid()
        at_ns = mono_ns()
        job.env[variables.STARTED_NS] = str(at_ns)
        pid = os.fork()
        if pid == 0:
            self._let_go()
            detach(parent_pid, stdout, stderr)
        os.close(stdout)
        os.close(stderr)
        if pid == 0:
            return True
        os.close(line)
        self._pids[job.slot] = pid
        self._selector.register(os.pidfd_open(pid), selectors.EVENT_READ, job.slot)
        self._tell(Started(job.slot, pid, at_ns))
        return False

    def _let_go(self) -> None:
        for key in list(self._selector.get_map().values()):
            if key.data is not None:
                os.close(key.fd)
        self._channel.close()

    def _bury(self, slot: int, pidfd: int) -> None:
        """A rank has ended: say so first, then see to what it left."""
        at_ns = mono_ns()
        pid = self._pids.pop(slot)
        _, status = os.waitpid(pid, 0)
        self._tell(Exited(slot, pid, os.waitstatus_to_exitcode(status), at_ns))
        self._selector.unregister(pidfd)
        os.close(pidfd)
        self._leave(pid)

    def _signal(self, request: Signal) -> None:
        pid = self._pids.get(request.slot)
        if pid is not None and not _signal_group(pid, request.signum):
            os.kill(pid, request.signum)  # it has not made its group yet, and cannot be gone: nobody has waited for it

    def _tell(self, message: Started | Exited) -> None:
        with suppress(OSError):  # the launcher is gone, which the next `receive` shows
            self._channel.send(message)

    def _leave(self, group: int) -> None:
        if _signal_group(group, signal.SIGTERM):
            self._leftovers[group] = mono_ns() + self._grace_ns

    def _look_at_leftovers(self) -> None:
        for group, kill_at_ns in list(self._leftovers.items()):
            is_late = mono_ns() >= kill_at_ns
            has_ours = _bury_dead(group)
            if not _signal_group(group, signal.SIGKILL if is_late else 0) or (is_late and not has_ours):
                del self._leftovers[group]


def _signal_group(group: int, signum: int) -> bool:
    """Signal a process group; False when it is empty."""
    try:
        os.killpg(group, signum)
    except ProcessLookupError:
        return False
    return True


def _bury_dead(group: int) -> bool:
    """Bury the dead of a process group without its leader; True when children of ours (adopted orphans) live in it."""
    try:
        while os.waitpid(-group, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _preload(modules: list[str]) -> None:
    """Import what can be imported; what cannot will fail, and explain itself, in the program that needs it."""
    for name in modules:
        with suppress(Exception):
            importlib.import_module(name)


def main() -> None:
    """Preload, serve, end; in a fork of it, become a rank."""
    import json

    end, parent_pid, grace_ns, modules = (json.loads(text) for text in sys.argv[1:])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with(parent_pid)
    if not sys.flags.safe_path:
        sys.path.pop(0)  # the folder that `-m` put there; each rank gets its own
    _preload(modules)
    gc.collect()
    work(end, grace_ns)


def work(end: int, grace_ns: int) -> NoReturn:
    """Fork ranks until the launcher is gone; in a fork, become a rank."""
    gc.freeze()  # the collector of a rank must not touch, and so copy, the pages it shares with the nursery
    outlive_parent()
    adopt_orphans()
    channel = Channel(_socket.socket(fileno=end))
    nursery = Nursery(channel, grace_ns=grace_ns)
    with suppress(OSError):
        channel.send(Ready())
    rank = nursery.serve()
    if rank is not None:
        become(*rank)
    nursery.end()
    os._exit(0)  # there is nothing of its own to finish, and taking torch apart takes half a second


if __name__ == "__main__":
    main()
