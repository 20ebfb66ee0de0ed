"""The controller at work: messages in, decisions made durable, and only then engines asked."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Engine as Database
from sqlalchemy.exc import SQLAlchemyError

from drivetrain.compute.controller.changes import Changes
from drivetrain.compute.controller.states import AttemptState
from drivetrain.compute.controller.world import World
from drivetrain.compute.engines import CannotStartError, Engine
from drivetrain.compute.policy import values
from drivetrain.core.errors import StoreError
from drivetrain.core.units import NS_PER_S
from drivetrain.server.asking import Asking
from drivetrain.server.database import Records, reading
from drivetrain.server.endings import Endings
from drivetrain.server.loading import load_world
from drivetrain.server.lock import ControllerLock
from drivetrain.server.services import arrays
from drivetrain.server.steady import SteadyClock
from drivetrain.server.watching import Watching

logger = logging.getLogger(__name__)

_LOOK_S = 1.0
_PAUSE_S = 0.5
_PLAN_EVERY_S = 1.0
_PLAN_SHARE, _LONG_S = 1.0, 0.02
"""A plan that took longer than so many seconds is followed by no other for so many times as long as it took."""
_FEW, _WHOLE_SHARE = 2, 60.0
"""Plans over the first few of each kind of waiting jobs, twice as many each time that all of some kind start, are
followed by one over all, but for so many times as long as that takes not by another."""
_TRIES = 3
"""So often a message that comes with an error is taken; then it is dropped, so that the others are heard."""
Plan = Callable[[values.Snapshot, float], list[values.Decision]]


class Worker:
    """Works in a thread of its own from `start` to `stop`; several servers may have one, and one of them works.

    Args:
      database: that all servers share.
      engines: by the name of their pool.
      plan: the policy.
      asking: what makes requests of engines.
      folder: of the server.
      clock: of the server.
      on_begin: called each time before it begins to work, when no other server's does.
    """

    def __init__(
        self,
        database: Database,
        engines: Mapping[str, Engine],
        plan: Plan,
        asking: Asking,
        folder: Path,
        *,
        clock: SteadyClock | None = None,
        on_begin: Callable[[], None] = lambda: None,
        on_note: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._database, self._engines, self._plan, self._asking = database, engines, plan, asking
        self._clock, self._begin, self._note = clock or SteadyClock(), on_begin, on_note
        self._lock = ControllerLock(database, folder)
        self._world: World | None = None
        self._wake = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="drivetrain controller", daemon=True)
        self._endings = Endings(engines)
        self._watching = Watching(engines, asking, self._endings, on_note)
        self._looked_s = self._planned_s = self._plan_pause_s = self._whole_s = self._whole_pause_s = 0.0
        self._is_dirty, self._has_begun, self._few = True, False, _FEW
        self._refused: dict[str, str] = {}
        self._trouble = ""
        self._failed: Counter[int] = Counter()

    def start(self) -> None:
        """Begin to work; whoever asks from now on, asks of its pools."""
        self._may_work()
        self._thread.start()

    def stop(self) -> None:
        """End; what was begun is done."""
        self._over.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._lock.close()

    def wake(self) -> None:
        """There is something to do."""
        self._wake.set()

    def _run(self) -> None:
        try:
            self._turns()
        finally:
            for engine in self._engines.values():
                engine.close()

    def _turns(self) -> None:
        while not self._over.is_set():
            try:
                pause_s = self.turn()
                self._trouble = ""
            except Exception as exc:
                if not isinstance(exc, SQLAlchemyError | StoreError):
                    logger.exception("a bug in the controller")
                trouble = str(exc).strip().partition("\n")[0]  # hints of the database's client follow
                if trouble != self._trouble:
                    self._note(f"the controller begins anew: {trouble}")
                self._trouble = trouble
                self.begin_anew()
                pause_s = _PAUSE_S
            self._wake.wait(pause_s)
            self._wake.clear()

    def begin_anew(self) -> None:
        """Forget all, and let another server's controller work if it wants to."""
        self._world, self._has_begun = None, False
        self._lock.close()

    def _may_work(self) -> bool:
        if not self._lock.take():
            return False
        if not self._has_begun:
            self._begin()
            self._has_begun = True
        return True

    def turn(self) -> float:
        """Do all that can be done now; how long until something may be due, in seconds.

        What it decides is written in one transaction with the end of the messages that led to it, and only then asked
        of engines: ended at any point, the next controller finds what is written and asks again.
        """
        if not self._may_work():
            return _LOOK_S
        with reading(self._database) as connection:
            if not self._lock.is_ours(connection):
                raise StoreError("another server's controller has taken over")
            records = Records(connection)
            world = self._world or self._load(records)
            now_s = self._clock()
            messages = records.messages()
            submitted = records.family([subject for _, kind, subject, _ in messages if kind == "submit"])
        for job in submitted:
            if not job.state.is_final:
                world.add(job)
                self._is_dirty |= world.is_among_first(job.id, _FEW)
        heard = []
        for number, kind, subject, data in messages:
            message = kind, subject, data
            if self._endings.is_to_wait(world, message, now_s):
                continue
            heard.append(number)
            if self._failed[number] < _TRIES:
                self._try(world, number, message, now_s)
        if abs(now_s - self._looked_s) >= _LOOK_S:
            self._looked_s = now_s
            self._is_dirty |= self._watching.look(world, now_s)
        self._decide(world, now_s)
        self._make_durable(world.take_changes(), heard, now_s)
        self._failed.clear()
        self._ask_engines(world, now_s)
        return self._due_s(world, now_s)

    def _decide(self, world: World, now_s: float) -> None:
        """Ask the policy where something is new, and now and then; of a large fleet, not too often."""
        since_s = abs(now_s - self._planned_s)
        is_due = since_s >= _PLAN_EVERY_S and bool(world.jobs)
        if not (self._is_dirty or is_due) or since_s < self._plan_pause_s:
            return
        begun_s = time.perf_counter()
        is_whole = abs(now_s - self._whole_s) >= self._whole_pause_s
        most = None if is_whole else self._few
        snapshot = world.snapshot(now_s, most_of_a_kind=most)
        decisions = self._plan(snapshot, now_s)
        self._is_dirty = world.decided(decisions, now_s, most_of_a_kind=most)
        self._few = 2 * self._few if self._is_dirty else _FEW
        took_s = time.perf_counter() - begun_s
        self._plan_pause_s = _PLAN_SHARE * took_s if took_s > _LONG_S else 0.0
        self._planned_s = now_s
        if not snapshot.is_part:
            self._whole_s, self._whole_pause_s = now_s, max(_PLAN_EVERY_S, _WHOLE_SHARE * took_s)

    def _load(self, records: Records) -> World:
        self._clock.not_before(records.newest_event_ns() / NS_PER_S)  # another server's clock may have been ahead
        self._world = load_world(records, self._engines)
        self._is_dirty = True
        self._looked_s = self._plan_pause_s = 0.0
        self._asking.forget(attempt.id for attempt in self._world.attempts.values())
        self._refused.clear()
        return self._world

    def _try(self, world: World, number: int, message: tuple[str, str, Any], now_s: float) -> None:
        try:
            self._take(world, *message, now_s)
        except Exception:
            self._failed[number] += 1
            if self._failed[number] == _TRIES:
                self._note(f"a message is dropped, since it comes with an error each time: {message[:2]}")
            raise

    def _take(self, world: World, kind: str, subject: str, data: Any, now_s: float) -> None:
        self._is_dirty |= kind not in ("alive", "submit")
        if kind == "stop":
            world.stop(subject, data["reason"], now_s)
        elif kind == "alive":
            world.alive(subject, now_s, begun_s=data.get("begun_s"))
            world.progressed(subject, data["step"], data["saved_step"], now_s)
            if data.get("is_busy"):
                world.used_devices(subject, now_s)
        elif kind == "exit":
            world.alive(subject, now_s, begun_s=data.get("begun_s"))
            stepped_s = data.get("stepped_s") or now_s
            world.progressed(subject, data.get("step"), data.get("saved_step"), stepped_s)
            words, over_s = data.get("words", ""), data.get("over_s")
            world.exited(subject, data["member"], data["exit_code"], now_s, words, over_s=over_s)
        elif kind == "array":
            world.array_ended(subject, data["num_failed"], now_s)
        elif kind == "node":
            node = world.nodes.get(subject)
            if node is not None:
                world.set_node(node.told(data["state"], data["reason"]))
        elif kind == "settings":
            self._world = None

    def _make_durable(self, changes: Changes, numbers: list[int], now_s: float) -> None:
        if not changes and not numbers:
            return
        with self._database.begin() as connection:
            if not self._lock.is_ours(connection, writes=True):
                raise StoreError("another server's controller has taken over")
            records = Records(connection)
            records.change_jobs(changes.jobs.values())
            records.add_attempts(a for a in changes.attempts.values() if a.id in changes.added)
            records.change_attempts(a for a in changes.attempts.values() if a.id not in changes.added)
            for node in changes.nodes.values():
                records.set_setting("node", node.name, node)
            for attempt in changes.attempts.values():
                if attempt.state is AttemptState.ENDED and changes.jobs[attempt.job].parent:
                    arrays.release(connection, attempt.id)
            at_ns = int(now_s * 1e9)
            records.add_events((at_ns, kind, subject, data) for kind, subject, data in changes.events)
            records.drop_messages(numbers)

    def _ask_engines(self, world: World, now_s: float) -> None:
        for attempt in list(world.attempts.values()):
            engine = self._engines.get(attempt.pool)
            try:
                if engine is None:
                    self._asking.tell(world.jobs[attempt.job], attempt)
                    continue
                self._asking.ask(engine, world.jobs[attempt.job], attempt, now_s)
                if not attempt.known_as and (name := engine.known_as(attempt.id)):
                    world.known_as(attempt.id, name)  # durable by the next turn, or asked again
            except CannotStartError as exc:
                self._note(f"{attempt.id}: {exc.message}")
                world.cannot_start(attempt.id, exc.message, now_s)  # durable by the next turn, or found again
                self._is_dirty = True
                self._wake.set()
            except StoreError as exc:
                if self._refused.get(attempt.id) != exc.message:
                    self._note(f"{attempt.id}: {exc.message}")
                self._refused[attempt.id] = exc.message

    def _due_s(self, world: World, now_s: float) -> float:
        if self._is_dirty:
            return max(0.0, min(_LOOK_S, self._planned_s + self._plan_pause_s - now_s))
        soon = [attempt.leave_by_s for attempt in world.attempts.values() if attempt.leave_by_s is not None]
        return max(0.01, min([_LOOK_S, *(at_s - now_s for at_s in soon if at_s > now_s)]))
