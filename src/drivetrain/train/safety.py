"""What looks after a run's numbers, put together: who watches, what scales the loss, what guards the optimizer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from drivetrain.core.protocols import Stateful
from drivetrain.train.ema import Ema
from drivetrain.train.guard import Guard, can_read_late
from drivetrain.train.kept_buffers import KeptBuffers
from drivetrain.train.scaling import LossScale
from drivetrain.train.session import Session
from drivetrain.train.settings import Anomaly, Settings
from drivetrain.train.topology import Topology
from drivetrain.train.watch import Watch

_FP16_ALONE = Anomaly(then="stop")  # a loss scale that sinks without end hides that nothing is learned


@dataclass(frozen=True, slots=True)
class Safety:
    """One rank's.

    Attributes:
      watch: judges each step.
      scale: of the loss, in fp16.
    """

    watch: Watch
    scale: LossScale | None

    @classmethod
    def of(
        cls,
        settings: Settings,
        precision: str,
        session: Session,
        topology: Topology,
        samples_of: Callable[[int], Sequence[str]],
    ) -> Safety | None:
        """What the settings ask for; None where nobody looks at the numbers."""
        is_fp16 = precision == "fp16"
        if settings.anomaly is None and not is_fp16:
            return None
        kept = session.folder.kept if topology.rank == 0 else None
        watch = Watch(settings.anomaly or _FP16_ALONE, session.recorder, kept, samples_of)
        return cls(watch, LossScale(topology.device) if is_fp16 else None)

    @property
    def extras(self) -> Mapping[str, Stateful]:
        """What a checkpoint must hold of it."""
        parts: dict[str, Stateful] = {"drivetrain.anomaly": self.watch}
        if self.scale is not None:
            parts["drivetrain.loss_scale"] = self.scale
        return parts

    def guard(
        self,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        topology: Topology,
        *,
        clip: float | None,
        ema: Ema | None,
    ) -> Guard:
        """What stands before the optimizer."""
        return Guard(
            optimizer=optimizer,
            parameters=[parameter for group in optimizer.param_groups for parameter in group["params"]],
            watch=self.watch,
            scale=self.scale,
            clip=clip,
            ema=ema,
            buffers=KeptBuffers(network),
            num_ranks=topology.world_size,
            reads_late=can_read_late(optimizer, topology.device),
        )
