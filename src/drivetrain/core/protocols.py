"""The seams between rooms that may not import each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable


@runtime_checkable
class Stateful(Protocol):
    """Anything with a position. Law: save, load into a fresh one, continue = never stopped."""

    def state_dict(self) -> Mapping[str, object]:
        """The position as plain values (numbers, strings, lists, dicts)."""
        ...

    def load_state_dict(self, state: Mapping[str, object], /) -> None:
        """Go to a saved position; takes effect on the next `iter`."""
        ...


@runtime_checkable
class OrderedLoader(Protocol):
    """A loader whose samples at each step are a pure function of (seed, epoch, position), whatever the world size.

    `Run.setup` binds it to a rank; afterwards iterating it gives this rank's microbatches, step after step, for ever:
    `num_microbatches` of them make one step. Iterating again after `seek` starts there.
    """

    global_batch: int

    def bind(self, *, rank: int, world_size: int) -> None:
        """Take the share of one rank. Raises ValueError when `global_batch` cannot be shared by so many."""
        ...

    @property
    def num_microbatches(self) -> int:
        """Microbatches that one rank takes in one step; at least 1."""
        ...

    def seek(self, step: int) -> None:
        """Go to the first microbatch of a step, counted from the beginning of training."""
        ...

    def __iter__(self) -> Iterator[object]: ...

    def close(self) -> None:
        """Stop threads and free buffers; may be called twice."""
        ...


@runtime_checkable
class Weighted(Protocol):
    """What an `OrderedLoader` may add: shares of ranks that are not all of the same size."""

    @property
    def weights(self) -> Sequence[float]:
        """What the mean loss of each microbatch of this rank's step counts.

        Such that the sum over microbatches, averaged over ranks, is the mean over the step: size * W / G.
        """
        ...


@runtime_checkable
class Naming(Protocol):
    """What an `OrderedLoader` may add: names of the samples of any step."""

    def samples(self, step: int, /) -> Sequence[str]:
        """One name per sample of the step, of all ranks, in order; a pure function."""
        ...


@runtime_checkable
class TunableLoader(Protocol):
    """A loader that can be set anew until it is bound.

    Attributes:
      threads: that read and decode; without influence on the order of samples.
      microbatch: most samples in one microbatch of a rank, likewise; None takes the whole of the rank's part.
      seed: of the order.
    """

    threads: int
    microbatch: int | None
    seed: int


class Profiler(Protocol):
    """What a loop asks of the profile of some of its steps. All calls come from the training thread; none raises.

    Attributes:
      is_over: it needs to hear of no further step.
    """

    is_over: bool

    def at(self, step: int, /) -> None:
        """A step is about to begin, and the ones before are done; from the one before the first on, each one."""
        ...

    def halt(self, step: int, /) -> None:
        """No further step follows for now: what is recorded ends before this one."""
        ...

    def close(self, *, keep: bool) -> None:
        """Publish what is whole, or leave nothing; returns when that is done. Twice is fine."""
        ...


class BlobStore(Protocol):
    """Bytes by key under one root; what local disk offers today and buckets will. Keys are relative POSIX paths.

    All calls may be made from any thread. A key is either absent or whole: nobody ever sees half of a `put`.
    """

    def put(self, key: str, data: bytes) -> None:
        """Write durably, replacing what was there. Raises StoreError when it cannot, leaving the old value."""
        ...

    def get(self, key: str) -> bytes:
        """The bytes. Raises StoreError when there are none."""
        ...

    def list(self, prefix: str, /) -> list[str]:
        """Keys under a folder, sorted; the empty string lists all."""
        ...

    def delete(self, key: str) -> None:
        """Remove; a key that is absent is not an error."""
        ...

    def local_path(self, key: str) -> Path | None:
        """The file of a key, for readers that map memory; None when there is no such thing."""
        ...
