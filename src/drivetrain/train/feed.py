"""Any loader becomes an endless row of microbatches that can begin at a given step."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NoReturn, Protocol

import torch

from drivetrain.core.errors import ConfigError, DataError, UsageError
from drivetrain.core.protocols import Naming, OrderedLoader, Stateful, Weighted
from drivetrain.train import randomness
from drivetrain.train.topology import Topology


class Feed(Protocol):
    """What `Run.setup` makes of a loader.

    Attributes:
      num_microbatches: how many one rank takes in a step.
      weights: what the loss of each of them counts; their mean over ranks sums to 1.
      exact: whether the samples of a step stay the same when the number of ranks changes.
    """

    num_microbatches: int
    weights: Sequence[float]
    exact: bool

    def microbatches(self, step: int, /) -> Iterator[Any]:
        """This rank's microbatches from the first of a step on, without end."""
        ...

    def samples(self, step: int, /) -> Sequence[str]:
        """Names of the samples of a step, of all ranks, in order. Raises UsageError: the loader does not tell."""
        ...

    def state(self) -> dict[str, Any]:
        """The position after the microbatches given so far: plain values and tensors."""
        ...

    def load(self, state: dict[str, Any]) -> None:
        """Go to a saved position; takes effect when `microbatches` is called."""
        ...

    def close(self) -> None:
        """Stop what the loader started, where it can be told to; may be called twice."""
        ...


def open_feed(loader: object, topology: Topology, global_batch: int | None) -> Feed:
    """The feed of a loader.

    Raises:
      ConfigError: `global_batch` cannot be had from this loader and this many ranks.
      TypeError: it cannot be iterated.
    """
    if isinstance(loader, OrderedLoader):
        return OrderedFeed(loader, topology, global_batch)
    if not isinstance(loader, Iterable):
        raise TypeError(f"the loader is a {type(loader).__name__}, which cannot be iterated")
    num_microbatches = _accumulation(loader, topology.world_size, global_batch)
    if isinstance(loader, Stateful):
        return StatefulFeed(loader, num_microbatches)
    return PlainFeed(loader, num_microbatches, topology)


class OrderedFeed:
    """A loader that knows the samples of every step: the step number is all its state."""

    exact = True

    def __init__(self, loader: OrderedLoader, topology: Topology, global_batch: int | None) -> None:
        if global_batch is not None and global_batch != loader.global_batch:
            raise ConfigError(
                f"global_batch is {global_batch} for the run and {loader.global_batch} for the loader",
                hint="say it once: leave it out of dt.Run, or make them equal",
            )
        try:
            loader.bind(rank=topology.rank, world_size=topology.world_size)
        except ValueError as exc:
            raise ConfigError(str(exc)) from exc
        self._loader = loader
        self.num_microbatches = loader.num_microbatches
        self.weights: Sequence[float] = (
            loader.weights if isinstance(loader, Weighted) else _equal(loader.num_microbatches)
        )

    def microbatches(self, step: int, /) -> Iterator[Any]:
        """From `step` on; the loader itself never ends."""
        self._loader.seek(step)
        return iter(self._loader)

    def samples(self, step: int, /) -> Sequence[str]:
        """Those that the loader names."""
        return self._loader.samples(step) if isinstance(self._loader, Naming) else _not_told(self._loader)

    def state(self) -> dict[str, Any]:
        """Nothing: the step is enough."""
        return {}

    def load(self, state: dict[str, Any]) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Stop the loader's threads."""
        self._loader.close()


class StatefulFeed:
    """A loader with a state of its own, gone through again and again."""

    exact = False

    def __init__(self, loader: Any, num_microbatches: int) -> None:
        self._loader = loader
        self.num_microbatches = num_microbatches
        self.weights: Sequence[float] = _equal(num_microbatches)

    def microbatches(self, _step: int, /) -> Iterator[Any]:
        """From the loaded position, or from the loader's beginning."""
        for epoch in itertools.count():
            num_given = 0
            for num_given, batch in enumerate(self._loader, start=1):  # noqa: B007 - read after the loop
                yield batch
            if not num_given and epoch:
                raise _empty(self._loader)

    def samples(self, _step: int, /) -> Sequence[str]:
        """None are known."""
        return _not_told(self._loader)

    def state(self) -> dict[str, Any]:
        """The loader's own."""
        return {"loader": dict(self._loader.state_dict())}

    def load(self, state: dict[str, Any]) -> None:
        """Hand the loader its own. Raises UsageError: it is that of another kind of loader."""
        if "loader" not in state:
            raise _of_another(self._loader)
        self._loader.load_state_dict(state["loader"])

    def close(self) -> None:
        """Nothing: it belongs to the user."""


class PlainFeed:
    """Any other iterable, gone through again and again; it resumes by reading up to where it was.

    Its random order is repeated too: the generators are set to what they were when the epoch began, the batches already
    used are read once more and thrown away, and then `Run` sets the generators to what they were at the checkpoint.
    """

    exact = False

    def __init__(self, loader: Iterable[Any], num_microbatches: int, topology: Topology) -> None:
        self._loader = loader
        self._topology = topology
        self.num_microbatches = num_microbatches
        self.weights: Sequence[float] = _equal(num_microbatches)
        self._epoch, self._given = 0, 0
        self._epoch_start: dict[str, Any] | None = None
        self._restored = False
        _warn_of_shared_samples(loader, topology)

    def microbatches(self, _step: int, /) -> Iterator[Any]:
        """From the loaded position, or from the loader's beginning."""
        while True:
            rows = self._resumed() if self._restored else self._fresh()
            before = self._given
            for batch in rows:
                self._given += 1
                yield batch
            if self._given == before == 0:
                raise _empty(self._loader)
            self._epoch, self._given = self._epoch + 1, 0

    def samples(self, _step: int, /) -> Sequence[str]:
        """None are known."""
        return _not_told(self._loader)

    def state(self) -> dict[str, Any]:
        """Epoch, batches given in it, and the generators at its beginning."""
        return {"epoch": self._epoch, "given": self._given, "epoch_start": self._epoch_start}

    def load(self, state: dict[str, Any]) -> None:
        """Remember where to go; the reading is done by `microbatches`. Raises UsageError: as above."""
        if "epoch" not in state:
            raise _of_another(self._loader)
        self._epoch, self._given, self._epoch_start = state["epoch"], state["given"], state["epoch_start"]
        self._restored = self._epoch_start is not None

    def close(self) -> None:
        """Nothing: it belongs to the user."""

    def _fresh(self) -> Iterator[Any]:
        self._epoch_start = randomness.capture(self._topology.device)
        _set_epoch(self._loader, self._epoch)
        return iter(self._loader)

    def _resumed(self) -> Iterator[Any]:
        self._restored = False
        device = self._topology.device
        now = randomness.capture(device)
        randomness.restore(self._epoch_start or now, device)
        _set_epoch(self._loader, self._epoch)
        rows = iter(self._loader)
        if self._topology.rank == 0:
            warnings.warn(
                f"reading and skipping {self._given} batches to resume; a loader with state_dict/load_state_dict, "
                "or dt.data's, resumes at once",
                stacklevel=5,  # the loop over run.steps
            )
        num_skipped = sum(1 for _ in itertools.islice(rows, self._given))
        if num_skipped < self._given:
            raise DataError(
                f"the loader ended after {num_skipped} batches, but {self._given} were used before the checkpoint",
                hint="it must give the same batches in every attempt",
            )
        randomness.restore(now, device)
        return rows


def _of_another(loader: object) -> UsageError:
    return UsageError(
        f"the checkpoint is of a run with another kind of loader than this {type(loader).__name__}, and does not say "
        "where in it to go on",
        hint="use the loader that the run began with, or one of dt.data, which goes on at any step",
    )


def _equal(num_microbatches: int) -> tuple[float, ...]:
    return (1 / num_microbatches,) * num_microbatches


def _not_told(loader: object) -> NoReturn:
    raise UsageError(
        f"the loader ({type(loader).__name__}) cannot name the samples of a step",
        hint="use a loader of dt.data, or give yours a method samples(step) that returns names",
    )


def _accumulation(loader: object, world_size: int, global_batch: int | None) -> int:
    if global_batch is None:
        return 1
    batch_size = getattr(loader, "batch_size", None)
    if not isinstance(batch_size, int) or batch_size < 1:
        raise ConfigError(
            f"global_batch is {global_batch}, but the loader ({type(loader).__name__}) does not say how many samples a "
            "batch holds",
            hint="give it an attribute batch_size, or leave global_batch out: then one batch per rank makes a step",
        )
    if global_batch % (world_size * batch_size):
        raise ConfigError(
            f"global_batch is {global_batch}, which is no multiple of {world_size} ranks x batch_size {batch_size}",
            hint=f"use a multiple of {world_size * batch_size}, or another batch_size",
        )
    return global_batch // (world_size * batch_size)


def _set_epoch(loader: object, epoch: int) -> None:
    set_epoch = getattr(getattr(loader, "sampler", None), "set_epoch", None)
    if set_epoch is not None:
        set_epoch(epoch)


def _warn_of_shared_samples(loader: object, topology: Topology) -> None:
    is_sharded = hasattr(getattr(loader, "sampler", None), "set_epoch")
    is_to_tell = topology.rank == 0 and topology.world_size > 1
    if is_to_tell and isinstance(loader, torch.utils.data.DataLoader) and not is_sharded:
        warnings.warn(
            f"the DataLoader has no DistributedSampler: all {topology.world_size} ranks read the same data set in full",
            stacklevel=5,  # the call of run.setup
        )


def _empty(loader: object) -> DataError:
    return DataError(
        f"the loader ({type(loader).__name__}) gave no batch in a whole pass",
        hint="is the data set empty, or is it an iterator, which can be read only once?",
    )
