"""Write and read checkpoints, all ranks together, while training goes on.

A save, in this order, so that at any moment the newest checkpoint that is listed is complete:
  1. the save before it is waited for; every rank collects its state and tells the others what went wrong, if anything;
  2. rank 0 makes room; every rank copies the tensors that it is to write into memory shared with its writer process;
  3. training goes on. The writers write, hash and flush; rank 0's waits for all, adds the manifest, shows it;
  4. rank 0 looks at its writer between steps, and tells when it was complete.
When any of it fails on one rank, all raise the same CheckpointError at the next save or at the end, and the unfinished
checkpoint is removed. A writer that was killed is replaced, with a warning, once without a complete save between.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch

from drivetrain.core.errors import CheckpointError, CheckpointIncomplete, CheckpointUnread
from drivetrain.store import DISK_HINT, CheckpointManifest, LocalShelf, Retention, Shelf, Tier, newest_good
from drivetrain.store.checkpoints import checkpoint_folder
from drivetrain.store.layout import Block, FilePlan, plan_file, share_out
from drivetrain.store.verify import verify_checkpoint
from drivetrain.store.writer_process import Sealed, WriterGone, WriterProcess
from drivetrain.store.writing import Common, Job, tensors_of
from drivetrain.train import boxes, reading, state
from drivetrain.train.staging import Staging
from drivetrain.train.state import Parts, Snapshot
from drivetrain.train.topology import Topology
from drivetrain.train.trees import Tensors, join

KILLED_HINT = "was it killed for lack of memory? `dmesg` tells"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a save is not complete, and whether because its writer was killed, so that another may do better."""

    problem: str
    is_death: bool = False


class Checkpointer:
    """A run's checkpoints. For the training thread; methods are collective unless they say otherwise.

    Attributes:
      is_saving: whether a save is in flight on this rank.
    """

    def __init__(self, shelf: Shelf, topology: Topology, *, failures: int = 0, patience_s: float = 300.0) -> None:
        """Touches nothing yet.

        Args:
          failures: how many saves in a row may fail before that is an error.
          patience_s: how long to try a bucket that does not answer.
        """
        self._shelf = shelf
        self._topology = topology
        self._failures = failures
        self._patience_s = patience_s
        self._staging: Staging | None = None
        self._writer: WriterProcess | None = None
        self._blocks: list[Block] = []
        self._plan: FilePlan | None = None
        self._step = -1  # of the save in flight
        self._failure: Failure | None = None
        self._num_failed = 0
        self._has_died = False  # a writer of some rank, since the last complete save
        self._is_replaced = False  # this rank's writer, for the save in flight
        self._is_written = self._is_sealed = True
        self._sealed: list[Sealed] = []

    @property
    def is_saving(self) -> bool:
        """Whether a save is in flight on this rank, so that `completed` may have something to tell. Not collective."""
        return not (self._is_written and self._is_sealed)

    def prepare(self, collect: Callable[[], Snapshot]) -> None:
        """Start the writer and find memory for states like this one, for a quick first save. Not collective.

        What goes wrong here goes wrong in the save again, which tells all ranks.
        """
        snapshot, _ = _tried(collect)
        if snapshot is not None:
            with suppress(OSError, TypeError):
                _, staging = self._start()
                staging.reserve(self._planned(snapshot).size_bytes)

    def save(
        self,
        step: int,
        tier: Tier,
        collect: Callable[[], Snapshot],
        *,
        retention: Retention,
        metrics: dict[str, float],
        must: bool = False,
    ) -> bool:
        """Begin the checkpoint of a step; returns when the state may change again.

        Args:
          must: there is no later save that could do instead, so that this one may not be passed over.
        Returns: whether it has begun; else it was passed over, with a warning.
        Raises: CheckpointError: on every rank: something cannot be saved, or too many saves have failed.
        """
        snapshot, error = _tried(collect)
        if not self._settled(step, error, 0 if must else self._failures):
            return False
        assert snapshot is not None
        common = Common(tier, snapshot.shared, {"torch": str(torch.__version__)}, metrics, retention)
        self._step, self._failure, self._is_replaced = step, None, False
        self._is_written, self._is_sealed = False, self._topology.rank > 0
        try:
            self._give(step, snapshot, common if self._topology.rank == 0 else None)
        except WriterGone as exc:
            self._lost_writer(exc)
        except (OSError, TypeError) as exc:  # no memory, or a tensor that no file can hold
            self._over(Failure(str(exc)))
        return True

    def finish(self) -> bool:
        """Wait until the save in flight is complete.

        Returns: whether it is; else its writer was killed, the first in a row, and it may be begun again.
        Raises: CheckpointError: on every rank: it is not, and was not because of whatever the message says.
        """
        step = self._step
        before, _ = self._outcome(None)
        self._count(step, before, 0)
        return before is None

    def wait(self) -> bool:
        """Wait until the save in flight has ended; whether well.

        Raises: CheckpointError: on every rank: it has not, like too many before it.
        """
        step = self._step
        before, _ = self._outcome(None)
        self._count(step, before, self._failures)
        return before is None

    def completed(self) -> list[Sealed]:
        """What became complete since the last call, which rank 0 alone hears. Not collective, waits for nothing."""
        while self.is_saving and self._hear(0.0):
            pass
        found, self._sealed = self._sealed, []
        return found

    def close(self, *, at_once: bool, timeout_s: float = 60.0) -> None:
        """End writer and memory; not collective, twice is fine.

        Args:
          at_once: give up the save in flight, whose leftovers the next one removes; else wait for it.
          timeout_s: how long to wait for it.
        """
        if self._writer is not None:
            while not at_once and self.is_saving and self._hear(timeout_s):
                pass
            self._writer.stop(at_once=at_once or self.is_saving, timeout_s=timeout_s)
            self._writer = None
        if self._staging is not None:
            self._staging.close()
            self._staging = None
        self._is_written = self._is_sealed = True

    def newest(self) -> CheckpointManifest | None:
        """The newest good checkpoint, the same on every rank; rank 0 warns of newer ones that are not.

        One that is the last is read and verified here: if reading it into the model failed, there would be no state to
        begin with. Of others the tensors are verified by `load`.
        """
        return self._topology.on_main(lambda: _newest(self._shelf))

    def set_aside(self, damaged: CheckpointIncomplete, step: int) -> None:
        """Take a checkpoint that could not be loaded out of the way; rank 0 warns."""

        def act() -> None:
            _warn(damaged)
            self._shelf.set_aside(step)

        self._topology.on_main(act)

    def load(self, manifest: CheckpointManifest, parts: Parts) -> dict[str, Any] | None:
        """Put the shared state back into `parts`.

        Returns: this rank's own state, or None when the number of ranks has changed.
        Raises:
          CheckpointIncomplete: on every rank: a file is missing or altered; model and average may be half read.
          UsageError: model, optimizer or schedule are not those that were saved.
        """
        rank = self._topology.rank if manifest.world_size == self._topology.world_size else None
        tensors = self._read(manifest, parts, rank)
        try:
            overruled = state.check_kinds(parts, manifest.state.shared)
            if overruled and self._topology.rank == 0:
                warnings.warn(f"the checkpoint's settings of the optimizer hold: {overruled}", stacklevel=2)
            state.restore(parts, manifest.state.shared, tensors)
            return None if rank is None else join(manifest.state.ranks[rank], tensors)
        except KeyError as exc:
            raise CheckpointIncomplete(f"the manifest of the checkpoint of step {manifest.step} lacks {exc}") from exc

    def _read(self, manifest: CheckpointManifest, parts: Parts, rank: int | None) -> Tensors:
        if manifest.format == 1:
            from drivetrain.train.format1 import read_format1  # imports torch.distributed.checkpoint

            assert isinstance(self._shelf, LocalShelf)
            folder = checkpoint_folder(self._shelf.folder, manifest.step)
            return read_format1(folder, rank, self._topology.world_size, lambda shapes: state.in_place(parts, shapes))
        tensors = targets(manifest, parts, rank)
        error = None
        try:
            reading.read_tensors(self._shelf, manifest, tensors)
        except CheckpointIncomplete as exc:
            error = exc
        for other in self._topology.gather(error):
            if other is not None:
                raise other
        return tensors

    def _give(self, step: int, snapshot: Snapshot, common: Common | None) -> None:
        """Copy what this rank is to write, and hand it to the writer."""
        plan, rank = self._planned(snapshot), self._topology.rank
        writer, staging = self._start()
        staging.fill(plan, [_part(snapshot.tensors[block.name], block) for block, _ in plan.blocks])
        job = Job(
            step=step,
            rank=rank,
            world_size=self._topology.world_size,
            size_bytes=plan.size_bytes,
            header_bytes=len(plan.header),
            tensors=tensors_of(plan, rank),
            weights=snapshot.weights,
            own=snapshot.own,
            common=common,
        )
        try:
            writer.give(job)
        except WriterGone as exc:  # killed since the save before: nothing is lost yet
            if self._has_died:
                raise
            warnings.warn(f"{exc.message}; another writes the checkpoint of step {step}", stacklevel=4)
            self._stop_writer()
            self._is_replaced = True
            self._start()[0].give(job)

    def _settled(self, step: int, error: str, allowed: int) -> bool:
        """Wait for the save before and have room made for one of `step`; False when this one is passed over.

        Args:
          allowed: how many in a row may have failed with this one.
        Raises: CheckpointError: a rank has an error, or too many saves have failed.
        """
        step_before = self._step
        for rank, failure in enumerate(self._topology.gather(error)):
            if failure:
                raise _not_written(step, f"rank {rank}: {failure}")
        before, now = self._outcome(step)
        self._count(step_before, before, self._failures)
        if now is not None:
            self._count(step, now, allowed)
        return now is None

    def _count(self, step: int, failure: Failure | None, allowed: int) -> None:
        """Take in how the save of a step has ended, and let a failure pass if that many in a row may."""
        if failure is None:
            if step >= 0:
                self._num_failed, self._has_died = 0, False
            return
        error = _not_written(step, failure.problem, KILLED_HINT if failure.is_death else DISK_HINT)
        is_first_death = failure.is_death and not self._has_died
        self._has_died = self._has_died or failure.is_death
        self._num_failed += not is_first_death
        if not is_first_death and self._num_failed > allowed:
            raise error
        if self._topology.rank == 0:
            after = "; another process writes the next" if failure.is_death else ""
            warnings.warn(error.message + after, stacklevel=3)

    def _outcome(self, next_step: int | None) -> tuple[Failure | None, Failure | None]:
        """What went wrong with the save in flight, and with making room for the next; None where nothing did."""
        while not self._is_written:
            self._hear(None)
        told = self._topology.gather((self._failure, self._is_replaced))
        self._has_died = self._has_died or any(is_replaced for _, is_replaced in told)
        failures = [
            Failure(f"rank {rank}: {failure.problem}", failure.is_death)
            for rank, (failure, _) in enumerate(told)
            if failure is not None
        ]
        found = self._topology.on_main(lambda: self._decided(failures, next_step))
        self._step, self._failure, self._is_replaced = -1, None, False
        return found

    def _decided(self, failures: list[Failure], next_step: int | None) -> tuple[Failure | None, Failure | None]:
        """Rank 0: end the save in flight, make room for the next."""
        if failures and self._writer is not None:
            self._writer.abandon()
        while not self._is_sealed:
            self._hear(None)
        failures.sort(key=lambda failure: failure.is_death)  # what a new writer cannot make good comes first
        before, now = failures[0] if failures else self._failure, None
        try:
            if before is not None:
                self._shelf.drop_unfinished(self._step)
            if next_step is not None:
                self._shelf.begin(next_step)
        except CheckpointError as exc:
            now = Failure(exc.message)
        return before, now

    def _hear(self, timeout_s: float | None) -> bool:
        """Take in what the writer says next; False when it says nothing in that time."""
        assert self._writer is not None
        try:
            message = self._writer.hear(timeout_s)
        except WriterGone as exc:
            self._lost_writer(exc)
            return True
        if message is None:
            return False
        if message.error:
            self._over(Failure(message.error))
        elif isinstance(message, Sealed):
            self._is_sealed = True
            self._sealed.append(message)
        else:
            self._is_written = True
        return True

    def _lost_writer(self, error: WriterGone) -> None:
        """The writer is gone; the next save starts another."""
        self._over(Failure(error.message, is_death=True))
        self._stop_writer()

    def _stop_writer(self) -> None:
        if self._writer is not None:
            self._writer.stop(at_once=True)
            self._writer = None

    def _over(self, failure: Failure) -> None:
        self._failure = failure
        self._is_written = self._is_sealed = True

    def _start(self) -> tuple[WriterProcess, Staging]:
        if self._staging is None:
            self._staging = Staging(self._topology.device)
        if self._writer is None:
            self._writer = WriterProcess(self._staging.descriptor, self._shelf.address, self._patience_s)
        return self._writer, self._staging

    def _planned(self, snapshot: Snapshot) -> FilePlan:
        """This rank's file; made anew only when something has another shape than last time."""
        tensors = snapshot.tensors.items()
        found = [boxes.block(name, index, tensor) for index, (name, tensor) in enumerate(tensors)]
        held = [block for block in found if block is not None]
        if self._plan is None or held != self._blocks:
            self._blocks = held
            self._plan = plan_file(share_out(held, self._topology.rank, self._topology.world_size))
        return self._plan


def targets(manifest: CheckpointManifest, parts: Parts, rank: int | None) -> Tensors:
    """The tensors that a checkpoint is read into: live ones of model and average, new ones of all else.

    Args:
      rank: whose own tensors to read too; None for nobody's.
    Raises: UsageError: the model is not the one that was saved.
    """
    found = state.in_place(parts, {name: stored.shape for name, stored in manifest.tensors.items()})
    parameters = state.parameters_of(parts, manifest.state.shared)
    for name, stored in manifest.tensors.items():
        is_wanted = not name.startswith(("model/", "ema/", "rank/")) or name.startswith(f"rank/{rank}/")
        if name not in found and is_wanted:
            dtype = getattr(torch, stored.dtype)
            parameter = parameters.get(name)
            found[name] = boxes.room(stored.shape, dtype, parameter)
    return found


def _tried(collect: Callable[[], Snapshot]) -> tuple[Snapshot | None, str]:
    try:
        return collect(), ""
    except Exception as exc:  # noqa: BLE001 - the others wait: whatever it is, they must hear of it
        return None, f"{type(exc).__name__}: {exc}"


def _part(tensor: torch.Tensor, block: Block) -> torch.Tensor:
    """The memory of a block, which is what this rank holds of a tensor or some of its first axis."""
    box = boxes.held(tensor)
    if block.lengths == tuple(box.local.shape):
        return box.local
    return box.local.narrow(0, block.offsets[0] - box.offsets[0], block.lengths[0])


def _newest(shelf: Shelf) -> CheckpointManifest | None:
    while (manifest := newest_good(shelf, on_bad=_warn)) is not None:
        if manifest.format > 1 and len(shelf.steps()) > 1:
            return manifest
        try:
            return verify_checkpoint(shelf, manifest.step)
        except CheckpointUnread:
            raise
        except CheckpointIncomplete as exc:
            _warn(exc)
            shelf.set_aside(manifest.step)
    return None


def _not_written(step: int, problem: str, hint: str = DISK_HINT) -> CheckpointError:
    return CheckpointError(f"checkpoint of step {step} was not written: {problem}", hint=hint)


def _warn(damaged: CheckpointIncomplete) -> None:
    warnings.warn(f"not resumed from: {damaged.message}", stacklevel=2)
