"""Runs the ranks of one run, attempt after attempt: until all end well, trying is vain, or a person stops it."""

from __future__ import annotations

import itertools
import os
import selectors
import signal
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from drivetrain.core.clock import host_id, mono_ns
from drivetrain.core.units import NS_PER_MS, NS_PER_S, count_text
from drivetrain.launch.attempt import Attempt
from drivetrain.launch.claim import claimed, drop_unfinished, next_attempt
from drivetrain.launch.devices import Devices
from drivetrain.launch.elastic import Gathering, Next, after_failure, farewell, resized_text
from drivetrain.launch.layout import Layout, finished_after
from drivetrain.launch.local import free_port, make_node, num_cores
from drivetrain.launch.node import Node
from drivetrain.launch.nodes import Nodes
from drivetrain.launch.outcome import Outcome, stopped, too_few
from drivetrain.launch.output import Output, Terminal
from drivetrain.launch.policy import Failure, failure_text, hint_for
from drivetrain.launch.profile_request import profiles_of
from drivetrain.launch.resize import offer_range, take_request, withdraw_range
from drivetrain.launch.signals import SignalPipe
from drivetrain.launch.spec import LEASE_NS, LaunchSpec, RankRequest, meeting_request, rank_requests
from drivetrain.launch.watch import Progress, Watch
from drivetrain.launch.wire import Leave
from drivetrain.ledger import Recorder
from drivetrain.store import RunFolder

if TYPE_CHECKING:  # what only runs of several nodes need, or what is needed once ranks run
    from drivetrain.launch.door import Door
    from drivetrain.launch.inquiry import Inquiry
    from drivetrain.launch.line import Line
    from drivetrain.launch.remote_node import RemoteNode

_WAIT_FOR_NODES_NS = 300 * NS_PER_S
_EARLY_NS = 60 * NS_PER_S  # how long a node that comes waits for ranks that have not begun a step yet
_POLL_NS = NS_PER_S // 5


class Launcher:
    """Starts the ranks of a run, shows their output, restarts them, and records what it does.

    What holds, whatever fails:
    1. A rank that fails ends the attempt. Ranks whose processes can go on (they made a `dt.Run`) stay and begin the
       next one, where the failed ranks are forked anew; others get SIGTERM, and SIGKILL after the grace.
    2. A rank that stays and has not come back within the grace is killed, and forked anew in the same attempt.
    3. A rank that hangs (see `hang`) is killed, after all ranks have written down where they are.
    4. Ctrl-C, SIGTERM and SIGHUP have ranks that can save do so at a step that all reach; the others, and those that
       have not within the patience, end by SIGTERM and SIGKILL. Each further signal leaves one of these kindnesses out,
       unless the run is given a time to leave in: then all of it is theirs, and further signals mean the same.
    5. When the launcher itself is killed, its nursery ends the ranks and all they started.
    6. Every start and exit is in the journal; without a `release`, the lease says until when the run lived.
    7. A nursery that does not listen (stopped, say) is killed, and its ranks with it, when they should have been.
    8. Where trying again is vain and there may be fewer ranks, the run goes on with one less; a person may ask for
       another number (see `resize`), to which the ranks go over at a step that all reach.
    9. In the end no unfinished checkpoint is left of ranks that were killed as they wrote it.
    """

    def __init__(
        self,
        spec: LaunchSpec,
        run: RunFolder,
        *,
        output: Output | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        on_note: Callable[[str], None] | None = None,
        meet: str = "",
    ) -> None:
        """Prepare; starts nothing. A run that has attempts already goes on with the next number.

        Args:
          output: takes what ranks print; by default our own stdout and stderr, see `Terminal`.
          on_progress: called about 5 times a second while ranks run, and once when they have ended.
          meet: the name under which launchers of other nodes find this one, see `door`; for who leads it.
          on_note: takes one line whenever there is something to tell, such as a restart.
        Raises: UsageError: there is no such program or script.
        """
        self._spec, self._run = spec, run
        self._output = output or Terminal(spec.num_ranks * spec.num_nodes)
        self._on_progress = on_progress
        self._on_note = on_note
        self._meet = meet
        self._door: Door | None = None
        self._num_joined = 0
        self._exit_code: int | None = None
        self._user = {**os.environ, **spec.env}
        self._program = spec.program()
        self._first_attempt = next_attempt(run)
        self._stopped_by: int | None = None
        self._beat_at_ns = self._poll_at_ns = self._begun_ns = 0
        self._inquiry: Inquiry | None = None
        self._layout = Layout((spec.num_ranks,))
        self._wanted = spec.num_ranks
        self._num_before = 0  # ranks of the attempt before
        self._finished: dict[int, int] = {}
        self._gone: int | None = None
        self._meeting, self._has_saved = "", False

    def plan(self) -> tuple[RankRequest, ...]:
        """What the ranks of the first attempt would be started with; starts nothing."""
        return self._requests(self._first_attempt)

    def _requests(self, attempt: int) -> tuple[RankRequest, ...]:
        return rank_requests(
            self._spec,
            self._program,
            self._run,
            layout=self._layout,
            attempt=attempt,
            port=free_port(),
            num_cores=num_cores(),
            user=self._user,
            finished=self._finished,
            gone=self._gone,
            meeting=self._meeting,
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
            self._devices = Devices(self._recorder)
            stack.callback(self._devices.give_back)
            self._devices.hold(self._layout.num_ranks)
            if self._spec.least_ranks < self._spec.num_ranks:
                offer_range(self._run, self._spec.least_ranks, self._spec.num_ranks)
                stack.callback(withdraw_range, self._run)
            stack.enter_context(profiles_of(self._run))
            stack.callback(drop_unfinished, self._run)
            self._nodes = Nodes(self._make_local(), self._layout)
            stack.callback(self._close_nodes)
            self._selector.register(self._signals, selectors.EVENT_READ, self._on_signal)
            if self._meet:
                from drivetrain.launch.door import Door

                self._door = Door(self._meet, self._run.id, self._selector, self._on_join)
                stack.callback(self._door.close)
            outcome = self._run_attempts()
            self._exit_code = outcome.exit_code
            return outcome

    def _make_local(self) -> Node:
        return make_node(
            self._spec,
            self._program,
            self._run,
            output=self._output,
            recorder=self._recorder,
            selector=self._selector,
            listener=self,
        )

    def _run_attempts(self) -> Outcome:
        failures: list[Failure] = []  # since the number of ranks last changed
        for num_attempts in itertools.count(1):
            number = self._first_attempt + num_attempts - 1
            if self._door is not None and not self._gather(number):
                return self._too_few(num_attempts - 1)
            self._run_attempt(number, failures)
            outcome = self._follow(failures, num_attempts)
            if outcome is not None:
                return outcome
        raise AssertionError  # a row of numbers has no end

    def _gather(self, number: int) -> bool:
        """Wait until enough nodes are there, and take in those that are; whether they are enough."""
        spec, wait_ns = self._spec, self._spec.gather_ns if number == self._first_attempt else 0
        gathering = Gathering(spec.least_nodes, spec.num_nodes, wait_ns, mono_ns() + _WAIT_FOR_NODES_NS)
        watch = Watch(self._run, attempt=number, num_ranks=0)
        self._attempt = Attempt(number, 0, grace_ns=spec.grace_ns, watch=watch)
        self._nodes.open()  # what ranks need is imported meanwhile
        while not gathering.is_over(self._nodes.num_there, mono_ns()) and self._stopped_by is None:
            self._turn()
        self._nodes.take_in()
        self._lay_out((spec.num_ranks,) * len(self._nodes))
        return len(self._nodes) >= spec.least_nodes and self._stopped_by is None

    def _lay_out(self, sizes: tuple[int, ...]) -> None:
        self._layout = self._nodes.layout = Layout(sizes, self._host)

    @property
    def _host(self) -> str:
        return "127.0.0.1" if self._door is None else self._door.host

    def _too_few(self, num_attempts: int) -> Outcome:
        if self._stopped_by is not None:
            return stopped(self._stopped_by, self._run, num_attempts, has_saved=self._has_saved)
        return too_few(len(self._nodes), self._spec.least_nodes, _WAIT_FOR_NODES_NS, self._meet, num_attempts)

    def _follow(self, failures: list[Failure], num_attempts: int) -> Outcome | None:
        """The attempt is over: say what comes next; returns how the run ended when nothing does."""
        attempt, failure = self._attempt, self._attempt.failure
        number = attempt.number + 1
        if self._stopped_by is not None:
            return stopped(self._stopped_by, self._run, num_attempts, has_saved=self._has_saved)
        if failure is None:
            if not attempt.is_leaving or attempt.has_ended_well:
                return Outcome(0, num_attempts)
            self._note(f"as asked for, {resized_text(attempt.num_ranks, self._wanted, number)}")
            self._change_size(self._wanted, failures)
            return None
        if self._nodes.lost:  # no fault of the program's, and found by `_on_gone`
            failures.clear()
            self._note(f"the run goes on with the nodes that are left, attempt {number}")
            return None
        failures.append(failure)
        following = self._after(failures)
        if not following.num_ranks:
            log = str(self._run.rank_log(failure.attempt, failure.first.rank))
            text = failure_text(failures, following.why, log)
            return Outcome(failure.exit_code, num_attempts, text, hint_for(failure))
        if following.why:
            self._note(f"{failure}; {following.why}; {resized_text(attempt.num_ranks, following.num_ranks, number)}")
            self._change_size(following.num_ranks, failures)
        else:
            self._note(f"{failure}; {self._how_it_goes_on(failure)}")
        return None

    def _after(self, failures: list[Failure]) -> Next:
        spec, num_ranks = self._spec, self._layout.num_ranks
        least = spec.least_ranks if self._door is None else num_ranks
        return after_failure(failures, restarts=spec.restarts, num_ranks=num_ranks, min_ranks=least)

    def _change_size(self, num_ranks: int, failures: list[Failure]) -> None:
        """The next attempt has another number of ranks; its failures count anew."""
        if self._door is None:  # else `_gather` sees who is there
            self._lay_out((num_ranks,))
        failures.clear()

    def _how_it_goes_on(self, failure: Failure) -> str:
        kept = self._nodes.kept
        who = f"{count_text(len(kept), 'rank')} {'stays' if len(kept) == 1 else 'stay'}, " if kept else ""
        return f"{who}restarting, attempt {failure.attempt + 1}"

    def _run_attempt(self, number: int, failures: list[Failure]) -> None:
        """Begin an attempt and wait until it is over."""
        spec = self._spec
        num_ranks = self._layout.num_ranks
        watch = Watch(self._run, attempt=number, num_ranks=num_ranks)
        self._attempt = attempt = Attempt(number, num_ranks, grace_ns=spec.grace_ns, watch=watch)
        self._inquiry = None
        self._nodes.open()
        if self._nodes.is_ready:
            self._begin()
        while not attempt.is_over and not (attempt.is_concluded and not attempt.has_begun):
            self._turn()
            if attempt.has_settled(mono_ns()):
                self._conclude(failures)
            elif attempt.has_left(mono_ns()):
                self._nodes.replace(False)
                attempt.conclude(None, attempt.left if self._stopped_by is None else ())
        watch.poll(mono_ns())
        if not attempt.is_concluded:
            attempt.conclude(attempt.judge(), ())
        self._finished |= watch.finished
        self._has_saved |= watch.saved_step is not None
        self._tell_progress()

    def _begin(self) -> None:
        attempt = self._attempt
        attempt.has_begun = True
        self._begun_ns = mono_ns()
        self._open_meeting()
        kept, before = self._nodes.kept, self._num_before
        moves = self._nodes.moves()
        self._finished, self._gone = finished_after(self._layout, moves, self._finished, before)
        self._num_before = attempt.num_ranks
        self._nodes.begin(self._requests(attempt.number), attempt.number, moves)
        for rank in kept:
            if rank >= attempt.num_ranks:
                self._recorder.exit(rank, 0, attempt=attempt.number - 1)
        self._devices.give_back(attempt.num_ranks)
        self._devices.hold(attempt.num_ranks)

    def _open_meeting(self) -> None:
        port = free_port()
        request = None if self._nodes.local.has_meeting else meeting_request(self._spec, self._program, port)
        if request is not None:
            self._meeting = f"{self._host}:{port}"
            self._nodes.local.open_meeting(request)

    def _conclude(self, failures: list[Failure]) -> None:
        """The attempt has failed: decide whether there is another, and so who stays."""
        self._attempt.watch.poll(mono_ns())
        failure = self._attempt.judge()
        goes_on = failure is not None and (bool(self._nodes.lost) or self._after([*failures, failure]).num_ranks > 0)
        self._nodes.replace(False)
        self._attempt.conclude(failure, self._nodes.kept if goes_on else ())

    def _turn(self) -> None:
        """Wait for whatever comes first, and deal with it."""
        now_ns = mono_ns()
        node_ns = self._keep_time(now_ns)
        hung_ns = None if self._inquiry is None else self._inquiry.until_ns
        times_ns = [self._beat_at_ns, self._poll_at_ns, self._attempt.next_due_ns, node_ns, hung_ns]
        wake_ns = min(at_ns for at_ns in times_ns if at_ns is not None)
        for key, _ in self._selector.select(max(0, wake_ns - now_ns) / NS_PER_S):
            key.data()

    def _keep_time(self, now_ns: int) -> int | None:
        """Do what is due: beat, look at the journals, tell ranks to end; returns when the node has to do something."""
        if now_ns >= self._beat_at_ns:
            self._recorder.beat()
            self._beat_at_ns = now_ns + LEASE_NS // 3
            if self._door is not None:
                self._door.keep_time(now_ns)
        if now_ns >= self._poll_at_ns:
            self._poll_at_ns = now_ns + _POLL_NS
            self._look_at_journals(now_ns)
        due = self._attempt.due(now_ns)
        if due is not None:
            self._signal_ranks(*due)
        if self._inquiry is not None and now_ns >= self._inquiry.until_ns:
            inquiry, self._inquiry = self._inquiry, None
            rank = inquiry.blamed()
            self._attempt.hang(rank, *inquiry.lasted(self._spec.hang_after_ns))
            self._nodes.signal(rank, signal.SIGKILL)
        return self._nodes.keep_time(now_ns)

    def _look_at_journals(self, now_ns: int) -> None:
        attempt, states = self._attempt, self._nodes.process_states()
        attempt.watch.poll(now_ns)
        if states:
            self._tell_progress()
        if self._spec.is_elastic and attempt.has_begun and not (attempt.is_concluded or attempt.is_leaving):
            self._heed_request(now_ns)
        if self._inquiry is None and attempt.has_begun and not attempt.is_concluded:
            from drivetrain.launch.hang import hung

            looks = attempt.watch.looks(states, now_ns)
            look = hung(looks, floor_ns=self._spec.hang_after_ns, p99_step_ns=attempt.watch.p99_step_ns)
            if look is not None:
                from drivetrain.launch.inquiry import Inquiry

                folder = self._run.evidence(attempt.number)
                self._inquiry = Inquiry.begin(
                    look, looks, folder=folder, nodes=self._nodes, recorder=self._recorder, now_ns=now_ns
                )

    def _heed_request(self, now_ns: int) -> None:
        """Another number of ranks may have been asked for: have all leave together."""
        watch, num_ranks = self._attempt.watch, self._layout.num_ranks
        watch.poll(now_ns)
        at = farewell(watch.furthest_step, watch.turn_ns)
        can_leave = len(self._nodes.kept) == num_ranks
        is_early = now_ns < self._begun_ns + _EARLY_NS and (not can_leave or watch.furthest_step is None)
        if at is None or (self._door is not None and is_early):
            return
        if self._door is None:
            wanted = take_request(self._run) or num_ranks
        else:
            wanted = self._spec.num_ranks * self._nodes.num_there
        if wanted == num_ranks:
            return
        self._wanted = wanted
        self._attempt.ask_to_leave(now_ns + at.within_ns + self._spec.grace_ns if can_leave else now_ns)
        if can_leave:
            self._nodes.leave(Leave(at.at_step, at.within_ns // NS_PER_MS))

    def _signal_ranks(self, signum: int, ranks: list[int]) -> None:
        for rank in ranks:
            self._nodes.signal(rank, signum)

    def _on_signal(self) -> None:
        for signum in self._signals.read():
            name = signal.Signals(signum).name
            is_first, self._stopped_by = self._stopped_by is None, self._stopped_by or signum
            if is_first:
                self._recorder.stop()
            elif self._spec.leave_ns is not None:
                continue
            if is_first and self._save_and_leave():
                self._note(f"{name}: saving, then ending the ranks; once more ends them at once")
            elif not self._attempt.is_concluded:
                self._nodes.replace(False)
                self._attempt.grace_ns = self._spec.leave_ns or self._spec.grace_ns
                self._attempt.conclude(None, ())
                self._note(f"{name}: ending the ranks; once more kills them")
            else:
                self._signal_ranks(signal.SIGKILL, self._attempt.unended)

    def _save_and_leave(self) -> bool:
        """Have all ranks save at a step that all reach, and leave; whether they can."""
        attempt, now_ns = self._attempt, mono_ns()
        if not attempt.has_begun or attempt.is_concluded or attempt.is_leaving:
            return False
        attempt.watch.poll(now_ns)
        at = farewell(attempt.watch.furthest_step, attempt.watch.turn_ns)
        if at is None or attempt.watch.furthest_step is None or len(self._nodes.kept) < attempt.num_ranks:
            return False
        saving_ns = self._spec.saving_ns(at.within_ns)
        attempt.ask_to_leave(now_ns + saving_ns)
        self._nodes.leave(Leave(at.at_step, saving_ns // NS_PER_MS, saves=True))
        return True

    def on_ready(self) -> None:
        """A nursery can fork."""
        attempt = self._attempt
        if attempt.num_ranks and self._nodes.is_ready and not (attempt.is_concluded or attempt.has_begun):
            self._begin()

    def on_ended(self, rank: int, code: int, at_ns: int, last_words: tuple[str, ...]) -> None:
        """A rank's process has ended."""
        self._attempt.end(rank, code, at_ns, last_words)

    def on_stumbled(self, rank: int, words: str) -> None:
        """A rank has lost a peer and waits."""
        self._attempt.stumble(rank, words, mono_ns())

    def on_left(self, rank: int) -> None:
        """A rank has left its attempt as it was told to."""
        self._attempt.leave(rank)

    def on_lost(self) -> None:
        """The nursery died, and its ranks with it: the next attempt gets another."""
        self._note("the process that starts the ranks died, and they with it")
        self._end_all(self._layout.block(0))

    def _end_all(self, ranks: range) -> None:
        for rank in self._attempt.unended:
            if rank in ranks:
                self._attempt.end(rank, -signal.SIGKILL, mono_ns(), ())

    def _on_join(self, line: Line, said: dict[str, Any]) -> int:
        """A node has come; it gets ranks at the end of the attempt, which ends for it."""
        from drivetrain.launch.remote_node import About, RemoteNode

        if self._nodes.num_come >= self._spec.num_nodes:
            return 0
        self._num_joined += 1
        about = About(self._num_joined, str(said.get("name"))[:60], str(said.get("host"))[:200], said["ahead_ns"])
        node = RemoteNode(about, line, selector=self._selector, listener=self, on_gone=self._on_gone)
        self._nodes.waiting.append(node)
        if about.host != host_id():
            self._recorder.clock(about.host, about.ahead_ns)
        self._note(f"{about} has come")
        return self._num_joined

    def _on_gone(self, node: RemoteNode) -> None:
        """A node is lost, and its ranks with it."""
        self._note(f"{node.about} is gone")
        if node in self._nodes.waiting:
            self._nodes.waiting.remove(node)
        for rank in node.process_states():
            self._recorder.exit(rank, -signal.SIGKILL, attempt=self._attempt.number)
        self._end_all(self._nodes.ranks_of(node))

    def _close_nodes(self) -> None:
        self._nodes.close(now=not self._attempt.has_begun, exit_code=self._exit_code)

    def _tell_progress(self) -> None:
        if self._on_progress is not None:
            attempt, watch = self._attempt, self._attempt.watch
            num_alive, step, saved = len(self._nodes.process_states()), watch.done_step, watch.saved_step
            self._on_progress(Progress(attempt.number, step, watch.scalars, num_alive, attempt.num_ranks, saved))

    def _note(self, text: str) -> None:
        if self._on_note is not None:
            self._on_note(text)
