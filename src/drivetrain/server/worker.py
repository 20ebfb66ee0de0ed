"""The controller at work: messages in, decisions made durable, and only then engines asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import Engine as Database
from sqlalchemy.exc import SQLAlchemyError

from drivetrain.compute.controller.nodes import NodeRecord
from drivetrain.compute.controller.states import AttemptState
from drivetrain.compute.controller.world import Changes, Settings, World
from drivetrain.compute.engines import Engine
from drivetrain.compute.policy import values
from drivetrain.core.errors import StoreError
from drivetrain.server.asking import Asking
from drivetrain.server.database import Records, reading
from drivetrain.server.lock import ControllerLock
from drivetrain.server.services import arrays

_LOOK_S = 1.0
_PAUSE_S = 0.5
_REMEMBERED = 20_000  # attempts, for what teams have used lately
Plan = Callable[[values.Snapshot, float], list[values.Decision]]


class Worker:
    """Works in a thread of its own from `start` to `stop`; several servers may have one, and one of them works.

    Args:
      database: that all servers share.
      engines: by the name of their pool.
      plan: the policy.
      asking: what makes requests of engines.
      folder: of the server.
      clock: seconds since the epoch.
    """

    def __init__(
        self,
        database: Database,
        engines: Mapping[str, Engine],
        plan: Plan,
        asking: Asking,
        folder: Path,
        *,
        clock: Callable[[], float] = time.time,
        on_note: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._database, self._engines, self._plan, self._asking = database, engines, plan, asking
        self._clock, self._note = clock, on_note
        self._lock = ControllerLock(database, folder)
        self._world: World | None = None
        self._wake = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="controller", daemon=True)
        self._looked_s = 0.0
        self._is_dirty = True

    def start(self) -> None:
        """Begin to work."""
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
        while not self._over.is_set():
            try:
                pause_s = self.turn()
            except (SQLAlchemyError, StoreError) as exc:
                self._note(f"the controller begins anew: {exc}")
                self._world = None
                self._lock.close()
                pause_s = _PAUSE_S
            self._wake.wait(pause_s)
            self._wake.clear()

    def turn(self) -> float:
        """Do all that can be done now; how long until something may be due, in seconds."""
        if not self._lock.take():
            return _LOOK_S
        world = self._world or self._load()
        now_s = self._clock()
        with reading(self._database) as connection:
            messages = Records(connection).messages()
            submitted = Records(connection).family([subject for _, kind, subject, _ in messages if kind == "submit"])
        for job in submitted:
            if not job.state.is_final:
                world.add(job)
        for _, kind, subject, data in messages:
            self._take(world, kind, subject, data, now_s)
        self._look(world, now_s)
        if self._is_dirty or messages:
            world.apply(self._plan(world.snapshot(now_s), now_s), now_s)
            self._is_dirty = False
        self._make_durable(world.take_changes(), [number for number, *_ in messages], now_s)
        self._ask_engines(world, now_s)
        return self._due_s(world, now_s)

    def _load(self) -> World:
        with reading(self._database) as connection:
            records = Records(connection)
            settings = Settings(
                tuple(records.settings("pool", values.Pool)),
                tuple(records.settings("quota", values.Quota)),
                tuple(records.settings("budget", values.Budget)),
            )
            self._world = World(
                records.unfinished_jobs(),
                records.living_attempts(),
                records.settings("node", NodeRecord),
                settings,
            )
            for team, attempt in records.ended_lately(_REMEMBERED):
                self._world.used.add(team, attempt)
        self._is_dirty = True
        self._looked_s = 0.0
        self._asking.forget()
        return self._world

    def _take(self, world: World, kind: str, subject: str, data: Any, now_s: float) -> None:
        if kind == "stop":
            world.stop(subject, data["reason"], now_s)
        elif kind == "alive":
            world.alive(subject, now_s)
            world.progressed(subject, data["step"], data["saved_step"], now_s)
        elif kind == "exit":
            world.alive(subject, now_s)
            world.exited(subject, data["member"], data["exit_code"], now_s)
        elif kind == "array":
            world.array_ended(subject, data["num_failed"], now_s)
        elif kind == "node":
            node = world.nodes.get(subject)
            if node is not None:
                world.set_node(_with_state(node, data["state"], data["reason"]))
        elif kind == "settings":
            self._world = None

    def _look(self, world: World, now_s: float) -> None:
        """Ask engines what is there, but not too often."""
        if abs(now_s - self._looked_s) < _LOOK_S:
            return
        self._looked_s = now_s
        for pool, engine in self._engines.items():
            self._see_nodes(world, pool, engine)
            for attempt, member in self._asking.lost(world, pool, engine, now_s):
                world.lost(attempt, member, now_s)
                self._is_dirty = True
        self._is_dirty |= any(job.eligible_s <= now_s for job in world.jobs.values() if job.state == "waiting")

    def _see_nodes(self, world: World, pool: str, engine: Engine) -> None:
        seen = {node.name: node for node in engine.nodes()}
        for name, node in seen.items():
            before = world.nodes.get(name)
            kept = before is not None and before.state in ("draining", "cordoned") and node.state == "up"
            now = _with_state(node, before.state, before.evidence) if before is not None and kept else node
            if now != before:
                world.set_node(now)
                self._is_dirty = True
        for name, node in list(world.nodes.items()):
            if node.pool == pool and name not in seen and node.state != "down":
                world.set_node(_with_state(node, "down", "its engine does not know it any more"))

    def _make_durable(self, changes: Changes, numbers: list[int], now_s: float) -> None:
        if not changes and not numbers:
            return
        with self._database.begin() as connection:
            if not self._lock.is_ours(connection):
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
        self._is_dirty |= any(a.state is AttemptState.ENDED for a in changes.attempts.values())

    def _ask_engines(self, world: World, now_s: float) -> None:
        for attempt in list(world.attempts.values()):
            engine = self._engines.get(attempt.pool)
            if engine is None:
                continue
            try:
                self._asking.ask(engine, world.jobs[attempt.job], attempt, now_s)
            except StoreError as exc:
                self._note(f"{attempt.id}: {exc.message}")

    def _due_s(self, world: World, now_s: float) -> float:
        if self._is_dirty:
            return 0.0
        soon = [attempt.leave_by_s for attempt in world.attempts.values() if attempt.leave_by_s is not None]
        soon += [job.eligible_s for job in world.jobs.values() if job.eligible_s > now_s]
        return max(0.01, min([_LOOK_S, *(at_s - now_s for at_s in soon)]))


def _with_state(node: NodeRecord, state: str, evidence: str) -> NodeRecord:
    return replace(node, state=state, evidence=evidence)
