"""What a run is made of on this rank, put together from the user's network, optimizer and loader."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from drivetrain.core import faults, variables
from drivetrain.core.errors import AnomalyError, ConfigError, UsageError
from drivetrain.core.profiling import Subject
from drivetrain.core.protocols import Stateful
from drivetrain.train import compiling, forwards, parallel, precision, randomness, recompute
from drivetrain.train.blocks import find_blocks
from drivetrain.train.cadence import Cadence
from drivetrain.train.comeback import Comeback
from drivetrain.train.ema import Ema
from drivetrain.train.feed import Feed, open_feed
from drivetrain.train.loop import Loop, NoSaver
from drivetrain.train.parallel import Replica, Way
from drivetrain.train.position import Position
from drivetrain.train.profiling import Profiling
from drivetrain.train.safety import Safety
from drivetrain.train.session import Session
from drivetrain.train.settings import Fsdp, Settings, Tier
from drivetrain.train.state import Parts
from drivetrain.train.topology import Topology
from drivetrain.train.trial import TrialPart
from drivetrain.train.update import Update

if TYPE_CHECKING:
    from drivetrain.train.saving import Saving


class Workings:
    """One rank's. Empty until `build`; what is there when that fails is closed too.

    Attributes:
      position: which step training is at.
      network: the user's.
      feed: gives its batches.
      replica: what makes it one of many.
      ema: its averaged weights.
      safety: what looks after its numbers.
      saving: its checkpoints.
      profiling: which of its steps are profiled.
      loop: the iterator behind `run.steps`.
      update: takes in the loss of a microbatch.
    """

    def __init__(
        self,
        settings: Settings,
        topology: Topology,
        session: Session,
        comeback: Comeback,
        way: Way,
        arithmetic: precision.Resolved,
        trial: TrialPart | None,
        undo: ExitStack,
    ) -> None:
        """Makes nothing yet.

        Args:
          way: how the model is on many ranks.
          arithmetic: of its forward passes.
          trial: what is done otherwise than the recipe says.
          undo: what is to be done when the run is closed.
        """
        self._settings, self._topology, self._session = settings, topology, session
        self._comeback, self._trial, self._undo = comeback, trial, undo
        self._way, self._arithmetic = way, arithmetic
        self.position = Position()
        self.network: nn.Module | None = None
        self.feed: Feed | None = None
        self.replica: Replica | None = None
        self.ema: Ema | None = None
        self.safety: Safety | None = None
        self.saving: Saving | None = None
        self.profiling = Profiling(session.folder, topology.rank)
        self.loop: Loop | None = None
        self.update: Callable[[torch.Tensor], None] = _step_before_setup
        self._tier: Tier = "bitwise"
        self._random: dict[str, Any] | None = None  # what the generators are set to when the steps begin

    def build(
        self,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        loader: object,
        schedule: Any,
        extras: Mapping[str, Stateful],
    ) -> tuple[torch.optim.Optimizer, Feed]:
        """Make everything, and go to the newest state there is. Collective; once. See `Run.setup`."""
        settings, topology, trial = self._settings, self._topology, self._trial
        self.network = network
        forwards.unwrap(network)
        if trial is not None:
            optimizer, schedule = trial.prepare(network, optimizer, loader, schedule, settings)
        self._rework(network)
        precision.apply(network, self._arithmetic, topology.device)
        with topology.sockets.watched():  # a mesh of devices has groups of its own
            self.replica = parallel.spread(network, optimizer, self._way, topology)
        feed = self.feed = open_feed(loader, topology, settings.global_batch)
        _refuse_fixed(feed, loader)
        self.position.num_microbatches = feed.num_microbatches
        self.ema = None if settings.ema is None else Ema(network, settings.ema)
        safety = self.safety = Safety.of(settings, self._arithmetic, self._session, topology, feed.samples)
        extras = {**extras, **({} if safety is None else safety.extras)}
        parts = Parts(network, optimizer, schedule, self.ema, feed, extras)
        self._resume(parts)
        self.update = self._make_update(parts)
        self.loop = self._make_loop(parts)
        self.profiling.begin(self._subject(parts))
        randomness.seed_all(settings.seed, "rank", topology.rank, self.position.step)
        return optimizer, feed

    def restore_random(self) -> None:
        """When the steps begin: set the generators to what the checkpoint says; whoever asks again changes nothing."""
        if self._random is not None:
            randomness.restore(self._random, self._topology.device)
            self._random = None

    def close(self, exit_code: int) -> None:
        """End loop and checkpoints; after an error what is being saved is given up."""
        if self.loop is not None:
            self.loop.close()
        self.profiling.close(keep=exit_code == 0)
        if self.saving is not None and exit_code == 0:
            self.saving.close()
        elif self.saving is not None:
            self.saving.abandon()

    def release(self) -> None:
        """Let go of the process groups; twice is fine."""
        replica, self.replica = self.replica, None
        if replica is not None:
            replica.release()

    def _make_update(self, parts: Parts) -> Callable[[torch.Tensor], None]:
        clip, safety, replica = self._settings.clip, self.safety, self.replica
        guard = None
        if safety is not None:
            guard = safety.guard(parts.model, parts.optimizer, self._topology, clip=clip, ema=self.ema)
        update = Update(
            self.position,
            parts.optimizer,
            clip=clip,
            schedule=parts.schedule,
            ema=self.ema,
            settle=None if replica is None else replica.settle,
            guard=guard,
            weights=parts.feed.weights,
        )
        if self._trial is None:
            return update
        return self._trial.watch(update, self.position, self._session.recorder)

    def _rework(self, network: nn.Module) -> None:
        """Recompute and compile, as was chosen; under fsdp block by block, because weights are gathered in between."""
        way = self._way
        blocks = find_blocks(network, way.wrap if isinstance(way, Fsdp) else "auto") or [network]
        if self._settings.recompute != "none":
            recompute.apply(blocks, self._settings.recompute)
        if self._settings.compile:
            self._undo.callback(compiling.Cache(self._session.folder.compiled).close)
            modules = blocks if isinstance(way, Fsdp) else [network]
            compiling.apply(modules, self._topology.device, self._session.recorder.phase)

    def _resume(self, parts: Parts) -> None:
        """Go to the newest state there is, tell the ledger from where."""
        saving: Saving | None = None
        if self._settings.checkpoint is not None:
            from drivetrain.train.saving import Saving  # imports DTensor, of no use to a run without checkpoints

            saving = self.saving = Saving(
                self._settings.checkpoint, self._session, self._topology, self.position, parts
            )
        tier = self._comeback.recall(
            parts,
            self.position,
            saving,
            self._session.recorder,
            num_parts=parallel.num_parts(self._way, self._topology.world_size),
            attempt=self._session.attempt,
        )
        if tier is None and saving is not None:
            self._random = saving.resume()
            tier = saving.tier
        self._tier = tier or "bitwise"
        if self._session.attempt or self.position.step:
            self._session.recorder.resume(self.position.step)

    def _make_loop(self, parts: Parts) -> Loop:
        every = None if self._settings.checkpoint is None else self._settings.checkpoint.interval
        start = self._comeback.begin(
            parts,
            self.position,
            seed=self._settings.seed,
            num_parts=parallel.num_parts(self._way, self._topology.world_size),
            tier=lambda: self._tier,
        )
        return Loop(
            position=self.position,
            feed=parts.feed,
            model=parts.model,
            replica=self.replica,
            device=self._topology.device,
            recorder=self._session.recorder,
            cadence=Cadence(every, self.position.step, self._topology.share),
            faults=faults.planned(self._topology.rank, self._session.attempt),
            saver=self.saving or NoSaver(),
            profiling=self.profiling,
            watch=None if self.safety is None else self.safety.watch,
            go_back=self._go_back,
            control=self._comeback.control,
            prepare=start,
        )

    def _subject(self, parts: Parts) -> Subject:
        """What would be profiled."""
        topology, session = self._topology, self._session
        return Subject(
            folder=session.folder.profile,
            journal=session.folder.rank_journal(session.attempt, topology.rank),
            attempt=session.attempt,
            rank=topology.rank,
            device=str(topology.device),
            precision=self._arithmetic,
            is_compiled=self._settings.compile,
            share=sum(parts.feed.weights) / topology.world_size,
            phase="data_wait",
            model=parts.model,
            optimizer=parts.optimizer,
            recorder=session.recorder,
        )

    def _go_back(self) -> None:
        """To the newest checkpoint, in the middle of `steps`; what was learned since of bad steps is not forgotten."""
        assert self.safety is not None
        assert self.saving is not None
        reached, history = self.position.step, self.safety.watch.history
        random = self.saving.resume()
        if self.position.step == reached:
            raise AnomalyError(
                f"{len(history.known)} steps in a row went wrong by step {reached}, and there is no checkpoint to go "
                "back to yet",
                hint="the weights as they were made are no better: look at the first batches and the learning rate",
            )
        if random is not None:
            randomness.restore(random, self._topology.device)
        self.safety.watch.went_back(self.position.step, history)
        self._session.recorder.resume(self.position.step)


def _step_before_setup(_: torch.Tensor) -> None:
    raise UsageError("run.step was called before run.setup", hint="see help(dt.Run)")


def _refuse_fixed(feed: Feed, loader: object) -> None:
    """Raise ConfigError where the number of ranks may change and the loader could not follow, before work is done."""
    if variables.ELASTIC in os.environ and not feed.exact:
        raise ConfigError(
            f"the number of ranks may change, but this loader ({type(loader).__name__}) cannot divide its samples anew",
            hint="use a loader of dt.data, or start a fixed number: --ranks 2",
        )
