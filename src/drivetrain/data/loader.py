"""Batches in an order that depends on nothing but (seed, epoch, position), decoded by threads within a byte budget."""

from __future__ import annotations

import dataclasses
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from drivetrain.core.units import bytes_text
from drivetrain.data.dataset import DataSet
from drivetrain.data.loading.augmenting import Augment
from drivetrain.data.loading.bad import BadSamples
from drivetrain.data.loading.batches import Ahead, Batch, Batches, Cursor
from drivetrain.data.loading.blocks import Blocks
from drivetrain.data.loading.decoding import Decoder, ImageSize
from drivetrain.data.loading.device import Sender
from drivetrain.data.loading.far import open_dataset
from drivetrain.data.loading.filling import Filler, Source
from drivetrain.data.loading.groups import Number, groups_of
from drivetrain.data.loading.memory import Memory, plain_memory
from drivetrain.data.loading.sequence import Group, Sequence
from drivetrain.data.loading.tally import Tally
from drivetrain.data.share import Share

_BUDGET_BYTES = 256 << 20
Place = DataSet | Path | str


class Loader:
    """Endless microbatches of one rank; obeys `core.protocols.OrderedLoader`.

    Contract:
    1. Which samples make up a step depends on (seed, step, global_batch) alone: not on ranks, threads or read-ahead.
    2. Step s takes positions [s*G, (s+1)*G); rank r of W the contiguous r-th part, cut into microbatches. Where W does
       not divide G, parts differ by one sample, and `weights` says what each microbatch counts.
    3. A sample that cannot be read is replaced by the next readable one of its epoch, counted and named in
       `bad_samples`; more than `max_bad` of them are a DataError, raised to whoever iterates. A bucket that does not
       answer is no bad sample, but a StoreError.
    4. Iterating again starts at the position reached, or where `seek` or `load_state_dict` went. At most one iterator
       lives at a time; it ends when closed, forgotten, or when it raises, and its threads with it.
    5. `threads` may be set at any time and counts from the next `iter` on, `microbatch` from the next `bind` on.
    6. The arrays of a batch are the caller's for as long as it holds them; their memory is used again afterwards.
    """

    def __init__(
        self,
        dataset: Place | Mapping[str, Place],
        *,
        split: str = "train",
        global_batch: int = 8,
        microbatch: int | None = None,
        seed: int = 0,
        threads: int = 2,
        budget_bytes: int = _BUDGET_BYTES,
        shuffle: Blocks | None = None,
        ratios: Mapping[str, Number] | None = None,
        sampling: Mapping[str, Number] | None = None,
        size: ImageSize | None = None,
        flip: bool = False,
        augment: Augment | None = None,
        columns: tuple[str, ...] = (),
        device: object = None,
        max_bad: int = 16,
    ) -> None:
        """Describe what to load; no thread starts before iteration.

        Args:
          dataset: an opened data set, its folder, or its URL in a bucket; or several by name, whose samples' keys then
            begin with the name.
          split: which part.
          global_batch: samples per step over all ranks.
          microbatch: most samples in one microbatch of a rank; the whole of the rank's part by default.
          seed: of order and augmentation.
          threads: that read and decode; 0 reads when asked.
          budget_bytes: most memory for decoded batches waiting; one batch is always allowed.
          shuffle: in blocks, which reads neighbours together; by default fully.
          ratios: how often each of several data sets is drawn, by name, exactly; by default as their sizes are.
          sampling: slice -> how much more often its samples are drawn than the rest; 0 leaves them out.
          size: of images and label maps, changed as they are decoded; as stored by default.
          flip: mirror half of the samples left to right, images and label maps together, and nothing else.
          augment: a change of samples with geometry kept true, such as `augment.Augmentation`; instead of `flip`.
          columns: of the index, to be in batches.
          device: where batches go, as tensors; by default they stay NumPy arrays.
          max_bad: most unreadable samples before giving up.
        Raises:
          ValueError: a number out of range.
          TypeError: something of another kind than it says.
          DataError: no data set, or no samples in the split.
        """
        _check_numbers(global_batch, microbatch, threads, max_bad)
        _check_kinds(shuffle, size, augment)
        if flip and augment is not None:
            raise ValueError("flip mirrors pixels alone: put a Flip into augment instead")
        self._sources = _opened(dataset)
        self._groups = _groups(self._sources, split, ratios or {}, sampling or {})
        self.global_batch, self.microbatch, self.threads = global_batch, microbatch, threads
        self._budget_bytes, self._blocks = budget_bytes, shuffle
        self._bad = BadSamples(max_bad)
        self._filler = Filler(
            sources=self._sources,
            sequence=Sequence.of(self._groups, seed=seed, blocks=shuffle),
            seed=seed,
            size=size,
            augment=augment,
            flip=flip,
            columns=_checked_columns(columns, self._sources),
            bad=self._bad,
            decoder=Decoder(size),
        )
        self._sender = Sender(device) if device is not None else None
        self._memory = Memory(self._sender.allocate if self._sender else plain_memory)
        self._tallies: list[Tally] = []
        self._cursor = Cursor()
        self._live: weakref.ref[Batches] | None = None
        self.bind(rank=0, world_size=1)

    @property
    def dataset(self) -> DataSet:
        """The data set; the first of several."""
        return self._sources[0].dataset

    @property
    def num_samples(self) -> int:
        """Samples in one epoch."""
        return self._filler.sequence.num_samples

    @property
    def seed(self) -> int:
        """Of order and augmentation; a new one counts from the next `iter` on."""
        return self._filler.seed

    @seed.setter
    def seed(self, seed: int) -> None:
        sequence = Sequence.of(self._groups, seed=seed, blocks=self._blocks)
        self._filler = dataclasses.replace(self._filler, seed=seed, sequence=sequence)

    @property
    def num_microbatches(self) -> int:
        """Microbatches that one rank takes in one step."""
        return self._share.num_microbatches

    @property
    def weights(self) -> tuple[float, ...]:
        """What the mean loss of each of this rank's microbatches counts, so that each sample of a step counts the same.

        The gradient of the weighted sum, averaged over ranks, is that of the mean over the whole step.
        """
        return self._share.weights

    def samples(self, step: int) -> list[str]:
        """The keys of a step's samples, of all ranks, in order: a pure function of (seed, step, global_batch).

        A sample that could not be read was replaced: see `bad_samples`.
        """
        if step < 0:
            raise ValueError(f"step is {step}; it must be 0 or more")
        positions = np.arange(step * self.global_batch, (step + 1) * self.global_batch, dtype=np.int64)
        return [self._sources[place.source].key(place.row) for place in self._filler.sequence.at(positions)]

    @property
    def bad_samples(self) -> dict[str, str]:
        """Samples that could not be read so far, with the reason; read-ahead may find them before they are due."""
        return self._bad.reasons()

    @property
    def tally(self) -> Tally:
        """Where time went so far, over all threads and iterators."""
        return Tally.total(self._tallies)

    def bind(self, *, rank: int, world_size: int) -> None:
        """Take the share of one rank and go to the first step.

        Raises: ValueError: there are more ranks than samples in a step, or there is no such rank.
        """
        share = Share.divide(self.global_batch, rank=rank, world_size=world_size, microbatch=self.microbatch)
        self.close()
        self._share = share
        self._cursor.number = 0

    def seek(self, step: int) -> None:
        """Go to the first microbatch of a step, counted from the beginning of training; takes effect on `iter`."""
        if step < 0:
            raise ValueError(f"step is {step}; it must be 0 or more")
        self.close()
        self._cursor.number = step * self.num_microbatches

    def state_dict(self) -> dict[str, int]:
        """How far it is: the epoch, and samples of it consumed by all ranks together.

        In the middle of a step also how many microbatches of it each rank has had, of how many, among how many ranks.
        """
        step, part = divmod(self._cursor.number, self.num_microbatches)
        consumed = step * self.global_batch
        state = {"epoch": consumed // self.num_samples, "consumed": consumed % self.num_samples}
        inside = {"part": part, "num_parts": self.num_microbatches, "world_size": self._share.world_size}
        return {**state, **inside} if part else state

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Go to a saved position; takes effect on `iter`.

        Raises: ValueError: not a position of ours, or inside a step that this world size cuts otherwise.
        """
        epoch, consumed = state.get("epoch"), state.get("consumed")
        if not isinstance(epoch, int) or not isinstance(consumed, int) or min(epoch, consumed) < 0:
            raise ValueError(f"state is {dict(state)}; expected whole numbers epoch and consumed")
        position = epoch * self.num_samples + consumed
        step, inside = divmod(position, self.global_batch)
        part = state.get("part", 0)
        is_cut_alike = (state.get("num_parts"), state.get("world_size")) == (
            self.num_microbatches,
            self._share.world_size,
        )
        if inside or not isinstance(part, int) or not 0 <= part < self.num_microbatches or (part and not is_cut_alike):
            raise ValueError(
                f"{dict(state)} is inside a step of {self.global_batch} that is cut otherwise here: save between steps"
            )
        self.close()
        self._cursor.number = step * self.num_microbatches + part

    def __iter__(self) -> Iterator[Batch]:
        self.close()
        self._tallies = [Tally() for _ in range(self.threads)] + [self.tally]
        # Two steps' worth or one batch per thread keeps threads busy; more would only use memory.
        ahead = Ahead(max(2 * self.num_microbatches, self.threads + 1), self._budget_bytes)
        finish = self._sender if self._sender is not None else _as_it_is
        live = Batches(self._filler, self._share, self._cursor, ahead, self._memory, self._tallies, finish)
        self._live = weakref.ref(live)
        return live

    def close(self) -> None:
        """Stop the iterator that lives, if any, and its threads; the position stays. May be called twice."""
        live = self._live() if self._live is not None else None
        self._live = None
        if live is not None:
            live.close()
        self._memory.clear()

    def __repr__(self) -> str:
        share = self._share
        return (
            f"Loader({self.dataset.path}, {self.num_samples} samples, global_batch={self.global_batch}, "
            f"rank {share.rank}, {share.num_microbatches} x {share.largest}, {bytes_text(self._budget_bytes)})"
        )


def _opened(dataset: Place | Mapping[str, Place]) -> tuple[Source, ...]:
    named = dataset if isinstance(dataset, Mapping) else {"": dataset}
    if not named or ("" in named) != (len(named) == 1 and not isinstance(dataset, Mapping)):
        raise ValueError("several data sets need a name each")
    return tuple(
        Source.of(name, place if isinstance(place, DataSet) else open_dataset(place)) for name, place in named.items()
    )


def _groups(
    sources: tuple[Source, ...], split: str, ratios: Mapping[str, Number], sampling: Mapping[str, Number]
) -> list[Group]:
    return groups_of({source.name: source.dataset for source in sources}, split, ratios, sampling)


def _checked_columns(columns: tuple[str, ...], sources: tuple[Source, ...]) -> tuple[str, ...]:
    for source in sources:
        absent = set(columns) - set(source.dataset.column_names)
        taken = set(columns) & {"key", "position", *source.stems}
        if absent or taken:
            name = min(absent or taken)
            raise ValueError(
                f"columns has {name}, " + ("which is a part of samples" if taken else "which no sample has")
            )
    return tuple(columns)


def _as_it_is(batch: dict[str, object]) -> Batch:
    return batch


def _check_kinds(shuffle: object, size: object, augment: object) -> None:
    if not isinstance(shuffle, Blocks | None):
        raise TypeError(f"shuffle is {shuffle!r}; write dt.data.Blocks(samples=64, window=256), or leave it out")
    if not isinstance(size, ImageSize | None):
        raise TypeError(f"size is {size!r}; write dt.data.ImageSize(960, 540)")
    if augment is not None and not callable(augment):
        raise TypeError(f"augment is {augment!r}, which cannot be called; write augment.Augmentation(Flip())")


def _check_numbers(global_batch: int, microbatch: int | None, threads: int, max_bad: int) -> None:
    for name, value in {"global_batch": global_batch, "microbatch": microbatch, "threads": threads}.items():
        if not isinstance(value, int | None):
            raise TypeError(f"{name} is {value!r}, but must be a whole number")
    if min(global_batch, threads + 1, max_bad + 1) < 1 or (microbatch is not None and microbatch < 1):
        raise ValueError(
            f"global_batch={global_batch} and microbatch={microbatch} must be 1 or more, "
            f"threads={threads} and max_bad={max_bad} 0 or more"
        )
