"""Other processes that decode blocks of the file that this one reads, so that one file uses several cores.

A block goes through shared memory, a few bytes about it through a pipe; what a helper has gathered comes back once, at
the end. Blocks are handed over before they have proven that they were cut rightly, so a helper that cannot decode one
makes the whole attempt void (`Misread`), and the file is read again by one process, which looks at each cut.
"""

from __future__ import annotations

import gc
import mmap
import os
import signal
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe
from typing import Any

from drivetrain.profile.read.blocks import BLOCK_BYTES
from drivetrain.profile.read.decode import events_in
from drivetrain.profile.read.gather import Gathered, Gatherer

_SLOT_BYTES = 2 * BLOCK_BYTES
_NUM_SLOTS = 4  # so that it finds work when the other process is busy with a block of its own
_PATIENCE_S = 5.0


class Misread(Exception):  # noqa: N818 - what happened, not a fault
    """A block was no list of whole events, or its helper died."""


class Helpers:
    """So many processes; a context manager that ends them."""

    def __init__(self, count: int) -> None:
        self._all = [_Helper() for _ in range(count)]

    def __enter__(self) -> Helpers:
        return self

    def __exit__(self, *exc: object) -> None:
        for helper in self._all:
            helper.end()

    def offer(self, block: memoryview, order: int) -> bool:
        """Hand a block over, if a helper has room for it. Raises: Misread."""
        return len(block) + 2 <= _SLOT_BYTES and any(helper.offer(block, order) for helper in self._all)

    def gathered(self) -> list[Gathered]:
        """What each has gathered, when all are done. Raises: Misread."""
        return [found for helper in self._all if (found := helper.gathered()) is not None]


class _Helper:
    """One process, its pipe and the memory shared with it."""

    def __init__(self) -> None:
        self._pipe, theirs = Pipe()
        memory = os.memfd_create("drivetrain-blocks")
        os.truncate(memory, _NUM_SLOTS * _SLOT_BYTES)
        self._memory = mmap.mmap(memory, _NUM_SLOTS * _SLOT_BYTES)
        program = f"from {__name__} import serve; serve({theirs.fileno()}, {memory})"
        self._process = subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(), memory),
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        theirs.close()
        os.close(memory)
        self._free: list[int] = []
        self._is_used = False

    def offer(self, block: memoryview, order: int) -> bool:
        try:
            while self._pipe.poll():
                self._note(self._pipe.recv())
            if not self._free:
                return False
            slot = self._free.pop()
            begin, end = slot * _SLOT_BYTES, slot * _SLOT_BYTES + len(block) + 1
            self._memory[begin], self._memory[end] = ord("["), ord("]")
            self._memory[begin + 1 : end] = block
            self._pipe.send((slot, len(block) + 2, order))
        except (EOFError, OSError) as exc:
            raise Misread("a helper died") from exc
        self._is_used = True
        return True

    def _note(self, answer: tuple[int, bool]) -> None:
        slot, is_read = answer
        if not is_read:
            raise Misread("a block is no list of whole events")
        self._free.append(slot)

    def gathered(self) -> Gathered | None:
        if not self._is_used:  # it may not even have started
            return None
        try:
            self._pipe.send(None)
            while not isinstance(answer := self._pipe.recv(), Gathered):
                self._note(answer)
            while (block := self._pipe.recv()) is not None:
                answer.blocks.append(block)
        except (EOFError, OSError) as exc:
            raise Misread("a helper died") from exc
        return answer

    def end(self) -> None:
        with suppress(OSError):
            self._pipe.close()
        if not self._is_used:
            self._process.kill()
        try:
            self._process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._memory.close()


def serve(pipe_fd: int, memory_fd: int) -> None:
    """A helper's life: until it has been told that all is done, or its parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    gc.disable()  # nothing here refers to itself, and there is much to look through
    pipe: Connection[Any, Any] = Connection(pipe_fd)
    gatherer = Gatherer(Counter())
    with suppress(EOFError, OSError), mmap.mmap(memory_fd, 0) as memory, memoryview(memory) as text:
        for slot in range(_NUM_SLOTS):
            pipe.send((slot, True))
        while (block := pipe.recv()) is not None:
            slot, length, order = block
            events = events_in(text[slot * _SLOT_BYTES : slot * _SLOT_BYTES + length])
            if events is not None:
                gatherer.add(events, order)
            is_read, events = events is not None, None
            pipe.send((slot, is_read))
        gathered = gatherer.gathered()
        blocks = gathered.blocks[::-1]
        gathered.blocks.clear()
        pipe.send(gathered)
        while blocks:  # one by one, so that none of them is in memory twice for long
            pipe.send(blocks.pop())
        pipe.send(None)
