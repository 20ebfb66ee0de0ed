"""A worker of an array: pulls tasks in small batches, runs each as a process, and says in bulk how they ended."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import FrameType
from typing import BinaryIO

from drivetrain.core import variables
from drivetrain.core.clock import mono_ns
from drivetrain.core.errors import StoreError
from drivetrain.core.units import NS_PER_S
from drivetrain.launch import LaunchSpec
from drivetrain.ledger import Recorder
from drivetrain.store import DISK_HINT, RunFolder

TASK_MARK = "\x1edrivetrain task "
"""In a worker's log: the number of the task whose output follows comes after it, and ends the line."""
_PAUSE_S = 0.5
_REPORT_S = 1.0
_LOOK_S = 0.05
_BEAT_S = 3.0
_LEASE_NS = 10 * NS_PER_S

Result = tuple[int, int, float]
Exchange = Callable[[list[Result]], tuple[list[int], int]]
"""Results of a batch -> the next tasks, and how many of the array have no result yet."""


class TaskWorker:
    """Slots that run tasks side by side, each with a journal of its own as if it were a rank.

    SIGTERM has it take no more tasks and end those that run, by SIGKILL where they still do after the time that there
    is to leave in; they are given out again. A slot that cannot write what its tasks print has the worker end likewise.
    """

    def __init__(self, spec: LaunchSpec, run: RunFolder, exchange: Exchange) -> None:
        self._spec, self._run, self._exchange = spec, run, exchange
        self._waiting: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[Result] = queue.SimpleQueue()
        self._leaving = threading.Event()
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()
        self._unwritten: OSError | None = None

    def work(self) -> int:
        """Until nothing is left; 0, or 143 where it was told to leave. Raises: StoreError: the disk takes no more."""
        before = signal.signal(signal.SIGTERM, self._leave)
        slots = [threading.Thread(target=self._slot, args=(number,)) for number in range(self._spec.num_ranks)]
        journal = self._run.launcher_journal
        with Recorder.open(journal, run=self._run.id, attempt=0, rank=None, lease_ns=_LEASE_NS) as recorder:
            for number, thread in enumerate(slots):
                recorder.alloc(number, 1)
                recorder.start(number)
                thread.start()
            try:
                self._feed(recorder)
            finally:
                for _ in slots:
                    self._waiting.put(None)
                self._await_tasks()
                for number, thread in enumerate(slots):
                    thread.join()
                    recorder.exit(number, 0)
                    recorder.release(number)
                signal.signal(signal.SIGTERM, before)
        if self._unwritten is not None:
            where = self._unwritten.filename or self._run.logs
            raise StoreError(f"cannot write what tasks print: {where}: {self._unwritten.strerror}", hint=DISK_HINT)
        return 143 if self._leaving.is_set() else 0

    def _feed(self, recorder: Recorder) -> None:
        num_out, beat_s = 0, time.monotonic()
        results: list[Result] = []
        while not self._leaving.is_set():
            results += self._drained(num_out - len(results))
            tasks: list[int] = []
            if results or num_out == 0:
                tasks, num_left = self._exchange(results)
                num_out -= len(results)
                results = []
                for task in tasks:
                    self._waiting.put(task)
                num_out += len(tasks)
                if not num_out and not num_left:
                    return
                if not num_out:
                    self._leaving.wait(_PAUSE_S)
            if time.monotonic() - beat_s > _BEAT_S:
                recorder.beat()
                beat_s = time.monotonic()

    def _drained(self, most: int) -> list[Result]:
        """Results of up to so many tasks: all that come within a moment, while there is still something to do."""
        found: list[Result] = []
        until_s = time.monotonic() + _REPORT_S
        while (
            not (found and self._waiting.empty())
            and len(found) < most
            and not self._leaving.is_set()
            and (left_s := until_s - time.monotonic()) > 0
        ):
            try:
                found.append(self._done.get(timeout=min(left_s, 0.1)))
            except queue.Empty:
                continue
        return found

    def _slot(self, number: int) -> None:
        try:
            self._run_tasks(number)
        except OSError as exc:
            self._unwritten = exc
            self._leave(signal.SIGTERM, None)

    def _run_tasks(self, number: int) -> None:
        log = self._run.rank_log(0, number)
        log.parent.mkdir(parents=True, exist_ok=True)
        journal = self._run.rank_journal(0, number)
        with (
            Recorder.open(journal, run=self._run.id, attempt=0, rank=number, lease_ns=_LEASE_NS) as recorder,
            log.open("ab", buffering=0) as output,
        ):
            step = 0
            recorder.begin("data_wait")
            while (task := self._waiting.get()) is not None and not self._leaving.is_set():
                recorder.step_begin(step, end="data_wait")
                begun_ns = mono_ns()
                output.write(f"{TASK_MARK}{task}\n".encode())
                exit_code = self._execute(number, task, output)
                recorder.step_end(step, then="data_wait")
                if exit_code:
                    recorder.skip(step)
                step += 1
                recorder.commit(step)
                if not self._leaving.is_set():
                    self._done.put((task, exit_code, (mono_ns() - begun_ns) / NS_PER_S))

    def _execute(self, number: int, task: int, output: BinaryIO) -> int:
        try:
            with self._lock:
                if self._leaving.is_set():
                    return 143
                process = self._running[number] = subprocess.Popen(
                    list(self._spec.command),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    cwd=self._spec.folder,
                    env=self._environment(task),
                    start_new_session=True,
                )
            exit_code = process.wait()
        except OSError as exc:
            output.write(f"cannot start {self._spec.command[0]}: {exc.strerror}\n".encode())
            return 127
        with self._lock:
            del self._running[number]
        return exit_code if exit_code >= 0 else 128 - exit_code

    def _environment(self, task: int) -> Mapping[str, str]:
        return {**os.environ, **self._spec.env, variables.TASK: str(task)}

    def _leave(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002 - signal's signature
        if not self._leaving.is_set():
            self._leaving.set()
            self._signal_tasks(signal.SIGTERM)

    def _await_tasks(self) -> None:
        """Where it leaves: until those that run have ended, or are killed."""
        until_s = time.monotonic() + (self._spec.leave_ns or self._spec.grace_ns) / NS_PER_S
        while self._leaving.is_set() and self._running and time.monotonic() < until_s:
            time.sleep(_LOOK_S)
        if self._leaving.is_set():
            self._signal_tasks(signal.SIGKILL)

    def _signal_tasks(self, signum: signal.Signals) -> None:
        for process in list(self._running.values()):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signum)
