"""A run's part in outliving its attempts: what it does before each step, when an attempt ends, and when one begins."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

import torch
from torch import nn

from drivetrain.core import variables
from drivetrain.launch import Stay, current_control
from drivetrain.ledger import Recorder
from drivetrain.store import Tier
from drivetrain.train import memory
from drivetrain.train.position import Position
from drivetrain.train.randomness import StepSeeds
from drivetrain.train.state import Parts
from drivetrain.train.topology import Topology

if TYPE_CHECKING:
    from drivetrain.train.saving import Saving


class StepStart:
    """What a rank with peers does before each step, so that any of them can take over the state of another.

    The generators become a function of (seed, rank, step), and buffers, which a forward pass changes before there is an
    update, are copied.
    """

    def __init__(self, model: nn.Module, seeds: StepSeeds) -> None:
        self._seeds = seeds
        self._live = list(model.buffers())
        self._copies = [buffer.detach().clone() for buffer in self._live]
        self._step = -1

    def __call__(self, step: int) -> None:
        """Before the batch of a step is fetched."""
        self._seeds(step)
        self._step = step
        if self._live:
            torch._foreach_copy_(self._copies, self._live)

    def buffers_before(self, step: int) -> list[torch.Tensor]:
        """The model's, in the order of `model.buffers()`, as they were before the step at hand or the next one."""
        return self._copies if step == self._step else self._live


class Comeback:
    """One rank's, for one attempt.

    Attributes:
      control: the line to the launcher; None where no launcher of ours has started this rank.
    """

    def __init__(self, topology: Topology) -> None:
        """Tell the launcher, if there is one, that this process can go on in another attempt."""
        self._topology = topology
        self._leaving = ExitStack()
        self._leaving.callback(topology.leave)
        self.control = current_control()
        if self.control is not None:
            self.control.keep(Stay(self._leaving.close, topology.abort, topology.evidence))

    def on_leave(self, act: Callable[[], None]) -> None:
        """Have this done when the attempt ends and the process does not; what was said last is done first."""
        self._leaving.callback(act)

    def recall(
        self,
        parts: Parts,
        position: Position,
        saving: Saving | None,
        recorder: Recorder,
        *,
        num_parts: int,
        attempt: int,
    ) -> Tier | None:
        """Go to the state that ranks of the attempt before still have in memory. Collective.

        Returns: its tier; None when there is no such state.
        """
        if self.control is None or not attempt:
            return None
        offers = self._topology.gather(memory.offer(self._topology, num_parts))
        saved_step = 0 if saving is None else saving.newest_step
        found = self._topology.share(memory.sources(offers, saved_step))
        if found is None:
            return None
        with recorder.phase("restore/memory"):
            step, tier = memory.receive(found, self._topology, num_parts, parts)
        position.go_to(step)
        if saving is not None:
            saving.go_on(tier)
        return tier

    def begin(
        self, parts: Parts, position: Position, *, seed: int, num_parts: int, tier: Callable[[], Tier]
    ) -> StepStart | None:
        """The state is that of this attempt now; returns what is to be done before each step, None without peers ever.

        Args:
          num_parts: into how many the state is divided.
          tier: asked when the attempt ends.
        """
        memory.remember(None)
        topology = self._topology
        if self.control is None or (topology.world_size == 1 and variables.ELASTIC not in os.environ):
            return None
        start = StepStart(parts.model, StepSeeds(seed, topology.rank, topology.device))

        def hold() -> None:
            if position.is_whole:
                step = position.step
                buffers = start.buffers_before(step)
                memory.remember(memory.hold(parts, step, topology, num_parts, tier(), buffers))

        if parts.feed.exact and (num_parts == 1 or num_parts < topology.world_size):
            self.on_leave(hold)
        return start
