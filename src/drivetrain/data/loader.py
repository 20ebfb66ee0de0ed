"""Batches in an order that depends on nothing but (seed, epoch, position), decoded by threads within a byte budget."""

from __future__ import annotations

import dataclasses
import threading
import weakref
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

import numpy as np

from drivetrain.core.errors import DataError, SampleError
from drivetrain.core.units import bytes_text
from drivetrain.data.arrays import Bytes, Ints
from drivetrain.data.dataset import DataSet
from drivetrain.data.order import Order
from drivetrain.data.sample import Sample
from drivetrain.data.share import Share

_BUDGET_BYTES = 256 << 20


class Batch(TypedDict):
    """One microbatch of one rank.

    image: uint8, B x H x W x 3, RGB. label: uint8, B x H x W, 255 is unlabelled. key: what each sample is called.
    position: int64, B, of each sample in the endless sequence.
    """

    image: Bytes
    label: Bytes
    key: list[str]
    position: Ints


@dataclass
class _BadSamples:
    """Samples that could not be read, by key, with the reason; shared by the threads of a loader."""

    limit: int
    reasons: dict[str, str] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, key: str, reason: str) -> None:
        with self.lock:
            if len(self.reasons) <= self.limit:
                self.reasons[key] = reason
            if len(self.reasons) > self.limit:
                raise DataError(
                    f"{len(self.reasons)} samples cannot be read (at most {self.limit} may be bad): "
                    + ", ".join(sorted(self.reasons)),
                    hint=f"for one: {reason}",
                )


@dataclass(frozen=True, eq=False)
class _Reader:
    """Positions -> a batch; called from any thread."""

    dataset: DataSet
    rows: Ints
    order: Order
    flip: bool
    bad: _BadSamples

    def batch(self, positions: Ints) -> Batch:
        rows = self.rows[self.order.samples_at(positions)]
        samples = [self._sample(int(at), int(row)) for at, row in zip(positions, rows, strict=True)]
        images, labels = [s.image for s in samples], [s.label for s in samples]
        if self.flip:
            mirrored = self.order.flips_at(positions)
            images = [x[:, ::-1] if m else x for x, m in zip(images, mirrored, strict=True)]
            labels = [x[:, ::-1] if m else x for x, m in zip(labels, mirrored, strict=True)]
        return Batch(image=np.stack(images), label=np.stack(labels), key=[s.key for s in samples], position=positions)

    def _sample(self, position: int, row: int) -> Sample:
        """The sample in a row; where it cannot be read, the next readable one of its epoch, wrapping round."""
        n = self.order.num_samples
        first = position - position % n
        for ahead in range(1, n + 1):
            try:
                return self.dataset.read(row)
            except SampleError as exc:
                reason = exc.message
                self.bad.add(self.dataset.key(row), reason)
            row = int(self.rows[self.order.samples_at(np.array([first + (position + ahead) % n]))[0]])
        raise DataError(f"none of the {n} samples of {self.dataset.path} can be read; for one: {reason}")


@dataclass
class _Cursor:
    """Microbatches given so far, counted from the beginning of training; outlives the iterator that moves it."""

    number: int = 0


class _Batches(Iterator[Batch]):
    """One pass from a position on: reads ahead in threads, gives in order, stops when closed or forgotten."""

    def __init__(self, reader: _Reader, share: Share, cursor: _Cursor, *, threads: int, num_ahead: int) -> None:
        self._cursor = cursor
        self._reader, self._share, self._num_ahead = reader, share, num_ahead
        self._ahead: deque[Future[Batch]] = deque()
        self.pool = ThreadPoolExecutor(threads, thread_name_prefix="drivetrain-loader") if threads else None
        if self.pool is not None:
            weakref.finalize(self, self.pool.shutdown, wait=False, cancel_futures=True)
        self._closed = False

    def __next__(self) -> Batch:
        if self._closed:
            raise StopIteration
        try:
            batch = self._take()
        except BaseException:
            self.close()
            raise
        self._cursor.number += 1
        return batch

    def _take(self) -> Batch:
        if self.pool is None:
            return self._reader.batch(self._share.positions(self._cursor.number))
        while len(self._ahead) < self._num_ahead:
            positions = self._share.positions(self._cursor.number + len(self._ahead))
            self._ahead.append(self.pool.submit(self._reader.batch, positions))
        return self._ahead.popleft().result()

    def close(self) -> None:
        """Stop reading ahead and wait for the threads to end."""
        self._closed = True
        self._ahead.clear()
        if self.pool is not None:
            self.pool.shutdown(wait=True, cancel_futures=True)


class Loader:
    """Endless microbatches of one rank; obeys `core.protocols.OrderedLoader`.

    Contract:
    1. Which samples make up a step depends on (seed, step, global_batch) alone: not on ranks, threads or read-ahead.
    2. Step s takes positions [s*G, (s+1)*G); rank r of W the contiguous r-th part, cut into microbatches. Where W does
       not divide G, parts differ by one sample, and `weights` says what each microbatch counts.
    3. A sample that cannot be read is replaced by the next readable one of its epoch, counted and named in
       `bad_samples`; more than `max_bad` of them are a DataError, raised to whoever iterates.
    4. Iterating again starts at the position reached, or where `seek` or `load_state_dict` went. At most one iterator
       lives at a time; it ends when closed, forgotten, or when it raises, and its threads with it.
    5. `threads` may be set at any time and counts from the next `iter` on, `microbatch` from the next `bind` on.
    """

    def __init__(
        self,
        dataset: DataSet | Path | str,
        *,
        split: str = "train",
        global_batch: int = 8,
        microbatch: int | None = None,
        seed: int = 0,
        threads: int = 2,
        budget_bytes: int = _BUDGET_BYTES,
        flip: bool = False,
        max_bad: int = 16,
    ) -> None:
        """Describe what to load; no thread starts before iteration.

        Args:
          dataset: an opened data set or its folder.
          split: which part.
          global_batch: samples per step over all ranks.
          microbatch: most samples in one microbatch of a rank; the whole of the rank's part by default.
          seed: of order and augmentation.
          threads: that read and decode; 0 reads when asked.
          budget_bytes: most memory for decoded batches waiting; one batch is always allowed.
          flip: mirror half of the samples left to right, image and label together.
          max_bad: most unreadable samples before giving up.
        Raises: ValueError: a number out of range. DataError: no data set, or no samples in the split.
        """
        least = {"global_batch": global_batch, "threads": threads + 1, "max_bad": max_bad + 1}
        if min(least.values()) < 1 or (microbatch is not None and microbatch < 1):
            raise ValueError(
                f"global_batch={global_batch} and microbatch={microbatch} must be 1 or more, "
                f"threads={threads} and max_bad={max_bad} 0 or more"
            )
        self.dataset = dataset if isinstance(dataset, DataSet) else DataSet.open(dataset)
        rows = self.dataset.rows(split)
        if not len(rows):
            raise DataError(f"data set {self.dataset.path} has no samples in split {split}")
        self.global_batch = global_batch
        self._bad = _BadSamples(max_bad)
        self._reader = _Reader(self.dataset, rows, Order(len(rows), seed), flip, self._bad)
        self.microbatch, self.threads, self._budget_bytes = microbatch, threads, budget_bytes
        self._cursor = _Cursor()
        self._live: weakref.ref[_Batches] | None = None
        self._pool: ThreadPoolExecutor | None = None  # of the last iterator, to wait for even after it was forgotten
        self.bind(rank=0, world_size=1)

    @property
    def num_samples(self) -> int:
        """Samples in one epoch."""
        return self._reader.order.num_samples

    @property
    def seed(self) -> int:
        """Of order and augmentation; a new one counts from the next `iter` on."""
        return self._reader.order.seed

    @seed.setter
    def seed(self, seed: int) -> None:
        self._reader = dataclasses.replace(self._reader, order=Order(self.num_samples, seed))

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
        return [self.dataset.key(int(row)) for row in self._reader.rows[self._reader.order.samples_at(positions)]]

    @property
    def bad_samples(self) -> dict[str, str]:
        """Samples that could not be read so far, with the reason; read-ahead may find them before they are due."""
        with self._bad.lock:
            return dict(self._bad.reasons)

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
        """How far it is: the epoch, and samples of it consumed by all ranks together."""
        step, part = divmod(self._cursor.number, self.num_microbatches)
        consumed = step * self.global_batch + part * self.global_batch // self.num_microbatches
        return {"epoch": consumed // self.num_samples, "consumed": consumed % self.num_samples}

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Go to a saved position; takes effect on `iter`.

        Raises: ValueError: not a position of ours, or inside a step that this world size cuts otherwise.
        """
        epoch, consumed = state.get("epoch"), state.get("consumed")
        if not isinstance(epoch, int) or not isinstance(consumed, int) or min(epoch, consumed) < 0:
            raise ValueError(f"state is {dict(state)}; expected whole numbers epoch and consumed")
        position = epoch * self.num_samples + consumed
        step, inside = divmod(position, self.global_batch)
        part, rest = divmod(inside * self.num_microbatches, self.global_batch)
        if rest:
            raise ValueError(f"position {position} is inside a step of {self.global_batch}: save between steps")
        self.close()
        self._cursor.number = step * self.num_microbatches + part

    def __iter__(self) -> Iterator[Batch]:
        self.close()
        batch_bytes = self._share.largest * self.dataset.manifest.width * self.dataset.manifest.height * 4
        # Two steps' worth or one batch per thread keeps threads busy; more would only use memory.
        wanted = max(2 * self.num_microbatches, self.threads + 1)
        num_ahead = max(1, min(wanted, self._budget_bytes // batch_bytes))
        live = _Batches(self._reader, self._share, self._cursor, threads=self.threads, num_ahead=num_ahead)
        self._live, self._pool = weakref.ref(live), live.pool
        return live

    def close(self) -> None:
        """Stop the iterator that lives, if any, and its threads; the position stays. May be called twice."""
        live = self._live() if self._live is not None else None
        self._live = None
        if live is not None:
            live.close()
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def __repr__(self) -> str:
        share = self._share
        return (
            f"Loader({self.dataset.path}, {self.num_samples} samples, global_batch={self.global_batch}, "
            f"rank {share.rank}, {share.num_microbatches} x {share.largest}, {bytes_text(self._budget_bytes)})"
        )
