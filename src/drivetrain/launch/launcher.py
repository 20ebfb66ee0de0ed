"""Runs the ranks of one run, attempt after attempt: until all end well, trying is vain, or a person stops it."""

from __future__ import annotations

import functools
import os
import random
import selectors
import signal
import socket
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from drivetrain.core.clock import mono_ns
from drivetrain.core.units import NS_PER_S
from drivetrain.launch.attempt import Attempt
from drivetrain.launch.claim import claimed, next_attempt
from drivetrain.launch.nursery_process import NurseryProcess
from drivetrain.launch.output import Log, Output, Stream, Terminal
from drivetrain.launch.policy import Failure, failure_text, hint_for, why_give_up
from drivetrain.launch.signals import SignalPipe
from drivetrain.launch.spec import LEASE_NS, LaunchSpec, RankRequest, preload_of, rank_requests, thread_environment
from drivetrain.launch.watch import Progress, Watch
from drivetrain.launch.wire import Exited, Ready, Spawn, Started
from drivetrain.ledger import Recorder
from drivetrain.store import RunFolder, drop_leftovers

_POLL_NS = NS_PER_S // 5
_DEAF_AFTER_NS = 5 * NS_PER_S  # a nursery that lives kills ranks within milliseconds


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended.

    Attributes:
      exit_code: 0; or that of the rank that failed first when it is from 1 to 125, else 1; or 128 + the signal that
        stopped the launcher (130 for Ctrl-C).
      num_attempts: how many this launcher made.
      reason: one paragraph on why there was no further attempt; empty when the run ended well.
      hint: what to do about it.
    """

    exit_code: int
    num_attempts: int
    reason: str = ""
    hint: str = ""


class Launcher:
    """Starts the ranks of a run, shows their output, restarts them, and records what it does.

    What holds, whatever fails:
    1. A rank that fails takes the attempt with it: the others get SIGTERM, and SIGKILL after the grace.
    2. Ctrl-C, SIGTERM and SIGHUP end the ranks in the same way; a second one kills them at once.
    3. When the launcher itself is killed, its nursery ends the ranks and all they started.
    4. Every start and exit is in the journal; without a `release`, the lease says until when the run lived.
    5. A nursery that does not listen (stopped, say) is killed, and its ranks with it, when they should have been.
    6. In the end no unfinished checkpoint is left of ranks that were killed as they wrote it.
    """

    def __init__(
        self,
        spec: LaunchSpec,
        run: RunFolder,
        *,
        output: Output | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        on_note: Callable[[str], None] | None = None,
    ) -> None:
        """Prepare; starts nothing. A run that has attempts already goes on with the next number.

        Args:
          output: takes what ranks print; by default our own stdout and stderr, see `Terminal`.
          on_progress: called about 5 times a second while ranks run, and once when they have ended.
          on_note: takes one line whenever there is something to tell, such as a restart.
        Raises: UsageError: there is no such program or script.
        """
        self._spec = spec
        self._run = run
        self._output = output or Terminal(spec.num_ranks)
        self._on_progress = on_progress
        self._on_note = on_note
        self._user = {**os.environ, **spec.env}
        self._program = spec.program()
        self._first_attempt = next_attempt(run)
        self._nursery: NurseryProcess | None = None
        self._streams: set[Stream] = set()
        self._stopped_by: int | None = None
        self._beat_at_ns = self._poll_at_ns = 0
        self._deaf_at_ns: int | None = None

    def plan(self) -> tuple[RankRequest, ...]:
        """What the ranks of the first attempt would be started with; starts nothing."""
        return self._requests(self._first_attempt)

    def _requests(self, attempt: int) -> tuple[RankRequest, ...]:
        return rank_requests(
            self._spec,
            self._program,
            self._run,
            attempt=attempt,
            port=_free_port(),
            num_cores=_num_cores(),
            user=self._user,
        )

    def run(self) -> Outcome:
        """Run to the end; once for each launcher. Nothing that ranks do makes it raise.

        Raises: UsageError: another launcher runs this run at the moment.
        """
        with ExitStack() as stack:
            stack.enter_context(claimed(self._run))
            self._signals = stack.enter_context(SignalPipe())
            self._recorder = Recorder.open(
                self._run.launcher_journal,
                run=self._run.id,
                attempt=self._first_attempt,
                rank=None,
                lease_ns=LEASE_NS,
            )
            stack.callback(self._recorder.close)
            self._selector = stack.enter_context(selectors.DefaultSelector())
            self._recorder.submit()
            for rank in range(self._spec.num_ranks):
                self._recorder.alloc(rank, 1)
                stack.callback(self._recorder.release, rank)
            stack.callback(drop_leftovers, self._run.checkpoints)
            stack.callback(self._close_nursery)
            self._selector.register(self._signals, selectors.EVENT_READ, self._on_signal)
            return self._run_attempts()

    def _run_attempts(self) -> Outcome:
        failures: list[Failure] = []
        while True:
            failure = self._run_attempt(self._first_attempt + len(failures))
            num_attempts = len(failures) + 1
            if self._stopped_by is not None:
                name = signal.Signals(self._stopped_by).name
                return Outcome(128 + self._stopped_by, num_attempts, f"stopped by {name}")
            if failure is None:
                return Outcome(0, num_attempts)
            failures.append(failure)
            why = why_give_up(failures, self._spec.restarts)
            if why is not None:
                log = str(self._run.rank_log(failure.attempt, failure.first.rank))
                return Outcome(failure.exit_code, num_attempts, failure_text(failures, why, log), hint_for(failure))
            self._note(f"{failure}; restarting, attempt {failure.attempt + 1}")

    def _run_attempt(self, number: int) -> Failure | None:
        """Start the ranks and wait until all have ended."""
        spec = self._spec
        watch = Watch(self._run, attempt=number, num_ranks=spec.num_ranks)
        self._attempt = attempt = Attempt(number, spec.num_ranks, grace_ns=spec.grace_ns, watch=watch)
        self._deaf_at_ns = None
        if self._nursery is None:
            self._open_nursery()
        elif self._nursery.is_ready:
            self._start_ranks(self._nursery)
        while not attempt.is_over and not (attempt.is_stopping and not attempt.has_begun):
            self._turn()
        watch.poll(mono_ns())
        self._tell_progress()
        return attempt.failure() if attempt.is_over else None

    def _turn(self) -> None:
        """Wait for whatever comes first, and deal with it."""
        now_ns = mono_ns()
        self._keep_time(now_ns)
        wake_ns = min(self._beat_at_ns, self._poll_at_ns, self._attempt.next_due_ns or self._poll_at_ns)
        for key, _ in self._selector.select(max(0, wake_ns - now_ns) / NS_PER_S):
            key.data()

    def _keep_time(self, now_ns: int) -> None:
        """Do what is due: beat, look at the journals, tell ranks to end."""
        attempt = self._attempt
        if now_ns >= self._beat_at_ns:
            self._recorder.beat()
            self._beat_at_ns = now_ns + LEASE_NS // 3
        if now_ns >= self._poll_at_ns:
            self._poll_at_ns = now_ns + _POLL_NS
            self._look_at_journals(now_ns)
        signum = attempt.due(now_ns)
        if signum is not None:
            self._signal_ranks(signum)
        if self._deaf_at_ns is not None and now_ns >= self._deaf_at_ns and self._nursery is not None:
            self._nursery.kill()

    def _look_at_journals(self, now_ns: int) -> None:
        attempt = self._attempt
        attempt.watch.poll(now_ns)
        silent_ns = attempt.watch.silent_ns(now_ns)
        if silent_ns >= self._spec.hang_after_ns and attempt.pids and not attempt.is_stopping:
            for rank in sorted(attempt.pids):
                self._recorder.hang(rank)
            attempt.hang(silent_ns, now_ns)
        if attempt.pids:
            self._tell_progress()

    def _start_ranks(self, nursery: NurseryProcess) -> None:
        self._attempt.has_begun = True
        for request in self._requests(self._attempt.number):
            program = request.program
            env = {**self._user, **request.env}
            job = Spawn(request.rank, program.kind, list(program.argv), env, request.cwd)
            try:
                pipes = nursery.spawn(job)
            except OSError:
                return  # the nursery is gone, which its channel shows next
            log = Log(self._run.rank_log(self._attempt.number, request.rank))
            out = Stream(pipes[0], request.rank, "stdout", log, self._output)
            err = Stream(pipes[1], request.rank, "stderr", log, self._output)
            self._attempt.streams[request.rank] = (out, err)
            for stream in (out, err):
                self._streams.add(stream)
                self._selector.register(stream.fd, selectors.EVENT_READ, functools.partial(self._read, stream))

    def _signal_ranks(self, signum: int) -> None:
        if signum == signal.SIGKILL and self._deaf_at_ns is None:
            self._deaf_at_ns = mono_ns() + _DEAF_AFTER_NS
        if self._nursery is not None:
            for rank in self._attempt.unended:
                self._nursery.signal(rank, signum)

    def _on_signal(self) -> None:
        for signum in self._signals.read():
            if self._stopped_by is None:
                self._stopped_by = signum
                self._attempt.stop(mono_ns())
                self._note(f"{signal.Signals(signum).name}: ending the ranks; once more kills them")
            else:
                self._signal_ranks(signal.SIGKILL)

    def _on_nursery(self) -> None:
        nursery = self._nursery
        assert nursery is not None
        message = nursery.receive()
        if isinstance(message, Ready):
            nursery.is_ready = True
            self._start_ranks(nursery)
        elif isinstance(message, Started):
            self._recorder.start(message.rank, at_ns=message.at_ns)
            self._attempt.pids[message.rank] = message.pid
        elif isinstance(message, Exited):
            self._recorder.exit(message.rank, message.code)
            self._end_rank(message.rank, message.code, message.at_ns)
        else:
            self._lose_nursery()

    def _end_rank(self, rank: int, code: int, at_ns: int) -> None:
        for stream in self._attempt.streams.get(rank, ()):
            stream.drain()
        self._attempt.end(rank, code, at_ns)

    def _lose_nursery(self) -> None:
        """The nursery died, and its ranks with it: the next attempt gets another."""
        self._deaf_at_ns = None
        self._note("the process that starts the ranks died, and they with it")
        for rank, pid in self._attempt.pids.items():
            self._recorder.exit(rank, -signal.SIGKILL)
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)  # what the rank had started
        for rank in self._attempt.unended:
            self._end_rank(rank, -signal.SIGKILL, mono_ns())
        self._close_nursery()

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

    def _open_nursery(self) -> None:
        spec = self._spec
        env = {**self._user, **thread_environment(spec, num_cores=_num_cores(), user=self._user)}
        modules = preload_of(spec, self._program)
        self._nursery = NurseryProcess(modules, env=env, cwd=spec.folder, grace_ns=spec.grace_ns)
        self._selector.register(self._nursery.channel, selectors.EVENT_READ, self._on_nursery)

    def _close_nursery(self) -> None:
        """End the nursery, and read to the end what its ranks printed."""
        if self._nursery is not None:
            self._selector.unregister(self._nursery.channel)
            self._nursery.close(now=not self._attempt.has_begun)
            self._nursery = None
        for stream in list(self._streams):
            stream.drain()
            self._forget(stream)

    def _tell_progress(self) -> None:
        if self._on_progress is not None:
            self._on_progress(self._attempt.progress)

    def _note(self, text: str) -> None:
        if self._on_note is not None:
            self._on_note(text)


def _num_cores() -> int:
    return len(os.sched_getaffinity(0))


def _free_port() -> int:
    """A port of this host that nobody listens on, below those that the kernel gives to outgoing connections.

    From those, a connection of another rank could take it between now and the moment rank 0 listens.
    """
    for port in random.sample(range(20_000, 32_768), 64):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    return 29_500
