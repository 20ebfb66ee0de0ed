"""The launcher of a node that is not the first: its ranks are begun, signalled and watched at the leader's word."""

from __future__ import annotations

import platform
import selectors
import signal
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from drivetrain.core import variables
from drivetrain.core.clock import host_id, mono_ns, wall_ns
from drivetrain.core.units import NS_PER_S
from drivetrain.launch.door import Leading
from drivetrain.launch.line import follow
from drivetrain.launch.local import make_node
from drivetrain.launch.output import Output, Terminal
from drivetrain.launch.remote_node import LOST_AFTER_NS
from drivetrain.launch.signals import SignalPipe
from drivetrain.launch.spec import LEASE_NS, LaunchSpec, RankRequest
from drivetrain.launch.wire import Leave
from drivetrain.ledger import Recorder
from drivetrain.store import RunFolder, run_folder

_TOGETHER_NS = 3 * NS_PER_S  # in which the leader of a gang that is told to leave has heard of it too
_SAVING_NS = 60 * NS_PER_S  # in which it has had all ranks save
_STATE_NS = NS_PER_S // 2
_MANY = 5  # nurseries that die, and this machine is of no use


class LeaderLost(Exception):  # noqa: N818 - what happened, and no error of anybody here
    """The leader is gone; the ranks have been ended."""


class Follower:
    """Does what the leader says, until it sends us home, or is gone.

    What holds, whatever fails:
    1. Without a word from the leader for 10 s, or without a line, the ranks are ended.
    2. Ctrl-C, SIGTERM and SIGHUP have all leave together where the leader gets one too, so that it can have all ranks
       save. Where it does not, or at the second one, the ranks here end, and the leader goes on without this node;
       a run that is given a time to leave in may be told twice.
    3. When this process is killed, its nursery ends the ranks.
    """

    def __init__(
        self, spec: LaunchSpec, leader: Leading, *, output: Output | None = None, on_note: Callable[[str], None]
    ) -> None:
        """Connect. Raises: OSError: nobody listens. UsageError: the run is full."""
        about = {"name": platform.node(), "host": host_id(), "wall_ns": wall_ns()}
        self._line, welcome = follow(leader.host, leader.port, leader.token, **about)
        self._run: RunFolder = run_folder(leader.run)
        self._number = int(welcome["number"])
        self._spec = spec
        self._program = spec.program()
        self._output = output or Terminal(spec.num_ranks * spec.num_nodes)
        self._on_note = on_note
        self._exit_code: int | None = None
        self._is_lost = False
        self._attempt = -1
        self._heard_ns = mono_ns()
        self._state_at_ns = 0
        self._told: object = None
        self._num_lost = 0
        self._leaves: tuple[int, int] | None = None
        self._take: Mapping[str, Callable[[dict[str, Any]], None]] = {
            "open": self._on_open,
            "begin": self._on_begin,
            "leave": self._on_leave,
            "signal": self._on_rank_signal,
            "evidence": lambda said: self._node.ask_for_evidence(Path(said["folder"])),
            "replaces": self._on_replaces,
            "beat": lambda _: None,
            "bye": self._on_bye,
        }

    def run(self) -> int:
        """Follow to the end; returns the exit code.

        Raises: LeaderLost: it has not come to an end.
        """
        with ExitStack() as stack:
            stack.callback(self._line.close)
            self._signals = stack.enter_context(SignalPipe())
            self._selector = stack.enter_context(selectors.DefaultSelector())
            recorder = Recorder.open(
                self._run.node_journal(self._number), run=self._run.id, attempt=0, rank=None, lease_ns=LEASE_NS
            )
            stack.callback(recorder.close)
            self._node = make_node(
                self._spec,
                self._program,
                self._run,
                output=self._output,
                recorder=recorder,
                selector=self._selector,
                listener=self,
            )
            stack.callback(self._node.close)
            self._selector.register(self._signals, selectors.EVENT_READ, self._on_signal)
            self._selector.register(self._line, selectors.EVENT_READ, self._on_line)
            self._on_note(f"node {self._number} of {self._run.id}")
            self._node.open()
            while self._exit_code is None:
                self._turn()
                if self._is_lost:
                    raise LeaderLost
            return self._exit_code

    def _turn(self) -> None:
        now_ns = mono_ns()
        if now_ns - self._heard_ns >= LOST_AFTER_NS:
            self._is_lost = True
            return
        if self._leaves is not None and now_ns >= self._leaves[1]:
            self._leave_alone(self._leaves[0])
            return
        node_ns = self._node.keep_time(now_ns)
        self._tell_state(now_ns)
        wake_ns = self._state_at_ns if node_ns is None else min(self._state_at_ns, node_ns)
        for key, _ in self._selector.select(max(0, wake_ns - now_ns) / NS_PER_S):
            key.data()

    def _tell_state(self, now_ns: int) -> None:
        """Every half second, and whenever ranks have come to live, to be kept, or to be no more."""
        kept = self._node.kept
        told = (self._attempt, kept, self._node.pids)
        if now_ns >= self._state_at_ns or told != self._told:
            self._told = told
            self._state_at_ns = now_ns + _STATE_NS
            states = [[rank, *state] for rank, state in self._node.process_states().items()]
            self._line.send("state", attempt=self._attempt, kept=kept, ranks=states)

    def _on_line(self) -> None:
        messages = self._line.read()
        if messages is None:
            self._is_lost = True
            return
        for kind, said in messages:
            self._heard_ns = mono_ns()
            try:
                self._take[kind](said)
            except (KeyError, ValueError, TypeError):
                self._is_lost = True

    def _on_signal(self) -> None:
        for signum in self._signals.read():
            if self._leaves is None:
                self._leaves = signum, mono_ns() + _TOGETHER_NS
            elif self._spec.leave_ns is None:
                self._leave_alone(signum)
                return

    def _leave_alone(self, signum: int) -> None:
        self._on_note("leaving; the others go on where they can")
        self._exit_code = 128 + signum

    def _on_leave(self, said: dict[str, Any]) -> None:
        self._leave_with_all()
        self._node.leave(Leave(int(said["at_step"]), int(said["within_ms"]), saves=bool(said["saves"])))

    def _on_rank_signal(self, said: dict[str, Any]) -> None:
        self._leave_with_all()
        self._node.signal(int(said["rank"]), int(said["signum"]))

    def _leave_with_all(self) -> None:
        """The leader has ranks leave: whoever was told to as well gives it the time that it takes."""
        if self._leaves is not None:
            self._leaves = self._leaves[0], mono_ns() + _SAVING_NS + (self._spec.leave_ns or 0)

    def _on_bye(self, said: dict[str, Any]) -> None:
        self._exit_code = int(said["exit_code"])

    def _on_open(self, _: dict[str, Any]) -> None:
        if self._node.is_ready:
            self.on_ready()
        else:
            self._node.open()

    def _on_begin(self, said: dict[str, Any]) -> None:
        self._attempt = int(said["attempt"])
        requests = tuple(self._request(int(rank), env) for rank, env in said["ranks"])
        moves = {int(rank): int(before) for rank, before in said["moves"]}
        if self._node.is_ready:
            self._node.begin(requests, self._attempt, moves)
            return
        for request in requests:  # the nursery has died since the leader heard of it
            self.on_ended(request.rank, -signal.SIGKILL, mono_ns(), ())

    def _request(self, rank: int, env: dict[str, str]) -> RankRequest:
        """The leader says what a rank is told, this node's own command what it runs."""
        own = {variables.HOME: str(self._run.path.parent.parent)}
        return RankRequest(rank, self._program, {**env, **own}, str(self._spec.folder))

    def _on_replaces(self, said: dict[str, Any]) -> None:
        self._node.replaces = bool(said["value"])

    def on_ready(self) -> None:
        """The nursery can fork."""
        self._line.send("ready")

    def on_ended(self, rank: int, code: int, at_ns: int, last_words: tuple[str, ...]) -> None:
        """A rank's process has ended."""
        ago_ns = mono_ns() - at_ns
        self._line.send("ended", attempt=self._attempt, rank=rank, code=code, ago_ns=ago_ns, words=list(last_words))

    def on_stumbled(self, rank: int, words: str) -> None:
        """A rank has lost a peer and waits."""
        self._line.send("stumbled", attempt=self._attempt, rank=rank, words=words)

    def on_left(self, rank: int) -> None:
        """A rank has left its attempt as it was told to."""
        self._line.send("left", attempt=self._attempt, rank=rank)

    def on_lost(self) -> None:
        """The nursery died, and its ranks with it."""
        self._on_note("the process that starts the ranks died, and they with it")
        self._line.send("lost")
        self._num_lost += 1
        if self._num_lost < _MANY:
            self._node.open()
        else:
            self._exit_code = 1
