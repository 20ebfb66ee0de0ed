"""`Run`: what stands between a training loop and everything around it."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import torch
from torch import nn

from drivetrain.core.errors import UsageError
from drivetrain.core.profiling import ProfileSpec
from drivetrain.core.protocols import Stateful
from drivetrain.core.variables import whole_number
from drivetrain.store import LocalBlobs, RunFolder
from drivetrain.train import determinism, exits, parallel, precision, randomness
from drivetrain.train.comeback import Comeback
from drivetrain.train.feed import Feed
from drivetrain.train.misuse import misuse
from drivetrain.train.parallel import Way
from drivetrain.train.session import begin
from drivetrain.train.settings import Anomaly, Checkpoint, Parallel, Precision, Recompute, Settings
from drivetrain.train.state import check_optimizer
from drivetrain.train.topology import Topology
from drivetrain.train.trial import TrialPart
from drivetrain.train.workings import Workings

T = TypeVar("T")


class Run:
    """A run's part in this process: one rank of a job, or a process of its own.

        run = dt.Run(global_batch=8, checkpoint=dt.Checkpoint(every="10m", keep=3))
        model, optimizer, batches = run.setup(network, optimizer, loader)
        for batch in run.steps(batches, until=300):
            run.step(loss_fn(model(batch["image"]), batch["label"]))

    The loop stays the user's. One step is one update of the weights; where it takes several microbatches, each is one
    turn of the loop. Started again after it was stopped, the run goes on from its newest complete checkpoint, and on as
    many ranks as before its weights become bit for bit those of a run that never stopped.

    All ranks make it with the same settings; see `Settings` for what they mean. Random number generators are seeded
    here, so that a network made afterwards is the same on every rank; `setup` seeds them again, each rank differently.

    Attributes:
      settings: what was chosen.
      rank: this process's index among all.
      world_size: how many there are.
      local_rank: its index on its node.
      device: where model and batches are.
      folder: where the run leaves what it makes.
      attempt: which try of the run this is, from 0.
    """

    def __init__(
        self,
        *,
        parallel: Parallel = "auto",
        recompute: Recompute = "none",
        compile: bool = False,  # noqa: A002 - the name that torch's users know
        precision: Precision = "auto",
        global_batch: int | None = None,
        clip: float | None = None,
        checkpoint: Checkpoint | None = None,
        ema: float | None = None,
        anomaly: Anomaly | None = None,
        deterministic: bool = False,
        seed: int = 0,
        device: str = "auto",
        name: str = "",
    ) -> None:
        exits.install()
        self.settings = Settings(
            parallel=parallel,
            recompute=recompute,
            compile=compile,
            precision=precision,
            global_batch=global_batch,
            clip=clip,
            checkpoint=checkpoint,
            ema=ema,
            anomaly=anomaly,
            deterministic=deterministic,
            seed=seed,
            device=device,
            name=name,
        )
        self._trial = TrialPart.planned()
        if self._trial is not None:
            self.settings = self._trial.settings(self.settings)
        self._is_closed = False
        self._pid = os.getpid()
        with ExitStack() as undo:
            if self.settings.deterministic:
                undo.enter_context(determinism.enforced())
            self._topology = topology = Topology.find(device)
            way, arithmetic = _resolve(self.settings, topology)
            self._comeback = Comeback(topology)
            self._session = begin(self.settings, topology)
            self._undo = undo.pop_all()
        self._workings = Workings(
            self.settings, topology, self._session, self._comeback, way, arithmetic, self._trial, self._undo
        )
        self._position = self._workings.position
        self._comeback.on_leave(self._abandon)
        atexit.register(self.close)
        exits.install()  # once more, because joining puts a hook of torch's before ours
        self.rank, self.world_size, self.local_rank = topology.rank, topology.world_size, topology.local_rank
        self.device = topology.device
        self.folder: RunFolder = self._session.folder
        self.attempt = self._session.attempt
        randomness.seed_all(self.settings.seed)

    @property
    def id(self) -> str:
        """The run's id; all attempts share it."""
        return self.folder.id

    @property
    def is_main(self) -> bool:
        """Whether this rank speaks for all: rank 0."""
        return self.rank == 0

    @property
    def step_index(self) -> int:
        """How many steps are finished, counted over all attempts."""
        return self._position.step

    def setup(
        self,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        loader: object,
        *,
        schedule: Any = None,
        extras: Mapping[str, Stateful] | None = None,
    ) -> tuple[nn.Module, torch.optim.Optimizer, Feed]:
        """Make model and data ready for this rank, and go back to the newest checkpoint. Collective; once per run.

        Args:
          network: the whole model; it is moved to the device and made one of many in place.
          optimizer: made from the network's parameters.
          loader: any iterable of batches. One of `dt.data` resumes at once and at any number of ranks, one with
            `state_dict`/`load_state_dict` through those; any other is read again up to where it was.
          schedule: a torch learning rate scheduler of this optimizer; it moves once a step.
          extras: by name, what else is to be saved and to go on; its state must be the same on every rank.
        Returns: the network itself, the optimizer, and the batches to give to `steps`.
        Raises:
          ConfigError: settings, loader and optimizer do not fit each other.
          UsageError: the checkpoint is not of this model.
        """
        workings = self._workings
        if workings.feed is not None:
            raise UsageError("run.setup was called twice", hint="make one dt.Run per model")
        network.to(self.device)
        check_optimizer(network, optimizer)
        optimizer, feed = workings.build(network, optimizer, loader, schedule, extras or {})
        return network, optimizer, feed

    def steps(self, batches: Feed, *, until: int) -> Iterator[Any]:
        """Microbatches on the device, until `until` steps are finished, counted from the beginning of the run.

        Saves when due and at the end; where `until` steps are finished already, it gives nothing. Leaving the loop
        early is fine; a step that it interrupts does not count.

        Args:
          batches: what `setup` returned.
          until: number of steps.
        """
        workings = self._workings
        if workings.loop is None or batches is not workings.feed:
            raise UsageError("run.steps was given something else than run.setup returned", hint="see help(dt.Run)")
        if self._is_closed:
            raise UsageError("run.steps was called after run.close")
        if not isinstance(until, int) or until < 0:
            raise UsageError(
                f"until is {until!r}, but must be a whole number of steps", hint="run.steps(batches, until=300)"
            )
        workings.restore_random()
        if self._trial is not None:
            return self._trial.steps(
                workings.loop.steps,
                until,
                position=self._position,
                device=self.device,
                recorder=self._session.recorder,
                keep=self.keep,
            )
        return workings.loop.steps(until)

    def step(self, loss: torch.Tensor) -> None:
        """Take in the loss of the microbatch at hand; the last one of a step updates the weights.

        Args:
          loss: a scalar, the mean over the microbatch.
        Raises: UsageError: it was called twice for one microbatch, or with a loss that has no gradient to take.
        """
        try:
            self._workings.update(loss)
        except (AttributeError, TypeError, RuntimeError) as exc:
            wrong = misuse(loss, exc)
            if wrong is None:
                raise
            raise wrong from exc

    def stop(self) -> None:
        """Let `steps` end after the step at hand, with everything saved, as it does at `until`. On all ranks alike."""
        if self._workings.loop is not None:
            self._workings.loop.stop()

    def log(self, **scalars: float | torch.Tensor) -> None:
        """Record numbers under `step_index`: `run.log(loss=loss)`. Reading a tensor waits for the device.

        Each rank that calls it is recorded; by habit only rank 0 does.
        """
        values = {name: _number(name, value) for name, value in scalars.items()}
        self._session.recorder.log(self._position.step, values)
        if self._workings.saving is not None:
            self._workings.saving.note(values)

    def phase(self, name: str) -> AbstractContextManager[None]:
        """Time inside the block counts as this phase, such as `eval`.

        Raises: ValueError: there is no such phase; the message lists those there are.
        """
        return self._session.recorder.phase(name)

    def profile(self, spec: str = "steps=3") -> None:
        """Profile the next steps, or those from a given one on: `run.profile("steps=3 memory")`. On all ranks alike.

        Files appear in `run.folder.profile` after the last of them; training goes on meanwhile.

        Args:
          spec: `steps=N` for the next N or `steps=A:B` for those of range(A, B); then, where wanted, `ranks=0,1` or
            `ranks=all` (rank 0 alone by default), `memory` (allocations) and `stacks` (of Python, sampled).
        Raises: ConfigError: it is something else.
        """
        self._workings.profiling.ask(ProfileSpec.parse(spec))

    def keep(self, name: str, data: bytes) -> None:
        """Keep a file with the run, such as `held-out/003.jpg`; written by rank 0, ignored on others.

        Raises:
          ValueError: the name leads out of the run's folder.
          StoreError: the disk would not take it.
        """
        kept = LocalBlobs(self.folder.kept)
        kept.local_path(name)  # a bad name is refused on every rank
        if self.is_main:
            kept.put(name, data)

    def samples_at(self, step: int) -> Sequence[str]:
        """Names of the samples of a step, past or future, of all ranks, in order: a pure function of seed and step.

        Raises: UsageError: before `setup`, or the loader cannot tell.
        """
        if self._workings.feed is None:
            raise UsageError("run.samples_at was called before run.setup", hint="see help(dt.Run)")
        return self._workings.feed.samples(step)

    def export(self, path: str | os.PathLike[str], *, averaged: bool = False, force: bool = False) -> None:
        """Write the present weights into one safetensors file, under the model's own names. Collective; rank 0 writes.

        Elsewhere, `model.load_state_dict(safetensors.torch.load_file(path))` takes them.

        Args:
          averaged: averaged weights in place of the last ones.
          force: write over a file that is there.
        Raises:
          UsageError: the file is there, or the run averages nothing.
          StoreError: the disk would not take it.
        """
        from drivetrain.train.exporting import export  # imports DTensor

        if self._workings.network is None:
            raise UsageError("run.export was called before run.setup")
        with self.averaged(self._workings.network) if averaged else nullcontext():
            export(self._workings.network, Path(path), self._topology, force=force)

    def all_sum(self, tensor: torch.Tensor) -> torch.Tensor:
        """The sum of all ranks' tensors; the argument stays as it is. Collective."""
        return self._topology.all_sum(tensor)

    def share(self, value: T) -> T:
        """Rank 0's value, on every rank. Collective; values must pickle."""
        return self._topology.share(value)

    def averaged(self, model: nn.Module) -> AbstractContextManager[None]:
        """Inside the block the model has its averaged weights; do not train there.

        Raises: UsageError: the run averages nothing, or not this model.
        """
        if self._workings.ema is None:
            raise UsageError("run.averaged needs averaged weights", hint="make the run with dt.Run(ema=0.999)")
        if not self._workings.ema.is_of(model):
            raise UsageError(
                "run.averaged was given another model than run.setup",
                hint="where run.whole is used too: with run.averaged(model), run.whole(model):",
            )
        return self._workings.ema.swapped()

    def whole(self, model: nn.Module) -> AbstractContextManager[None]:
        """Inside the block each rank has all weights, so that it may call the model when no other does.

        Collective on entry. Needed under `fsdp` and `hsdp` alone, where calling the model is otherwise collective;
        it takes the memory of the whole model. Do not train inside.
        """
        if model is not self._workings.network:
            raise UsageError("run.whole was given another model than run.setup")
        return nullcontext() if self._workings.replica is None else self._workings.replica.whole()

    def close(self) -> None:
        """End this rank's part of the run; twice is fine, and it happens by itself when the process ends."""
        self._close(exits.code_of(getattr(sys, "last_value", None)))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close(exits.code_of(exc))

    def _abandon(self) -> None:
        """The attempt is over and this process is not: let go of all that belongs to it."""
        if not self._is_closed:
            self._session.recorder.begin("teardown/abort")
        self._close(1)
        self._workings.release()

    def _close(self, exit_code: int) -> None:
        if self._is_closed or os.getpid() != self._pid:  # a forked child must not end its parent's run
            return
        self._is_closed = True
        atexit.unregister(self.close)
        self._workings.close(exit_code)
        self._session.close(exit_code)
        self._undo.close()
        if exit_code == 0:  # after an error another rank may never come to a collective that leaving would wait for
            self._workings.release()
            self._topology.leave()


def _resolve(settings: Settings, topology: Topology) -> tuple[Way, precision.Resolved]:
    ranks_per_node = whole_number(os.environ, "LOCAL_WORLD_SIZE", topology.world_size)
    return (
        parallel.resolve(settings.parallel, topology.world_size, ranks_per_node),
        precision.resolve(settings.precision, topology.device),
    )


def _number(name: str, value: float | torch.Tensor) -> float:
    if isinstance(value, torch.Tensor):
        if value.numel() != 1:
            raise ValueError(f"{name} has {value.numel()} values, but run.log takes one number under each name")
        return float(value.item())
    return float(value)
