"""Tells a failure that explains itself from one that only says that another rank is gone."""

from __future__ import annotations

import re
from collections.abc import Iterator

from drivetrain.core.errors import StoreError

_PEER_LOST = (
    r"gloo/transport|[Cc]onnection (closed|reset|refused)( by peer)?|Broken pipe|DistNetworkError|DistStoreError"
    r"|ncclRemoteError|ncclSystemError|NCCL communicator was aborted|remote process exited|collective operation timeout"
)


def is_peer_lost(text: str) -> bool:
    """Whether these words, of torch's collectives or its store, say that a peer is gone."""
    return re.search(_PEER_LOST, text) is not None


def is_about_a_lost_peer(error: BaseException) -> bool:
    """Whether an error, or one that led to it, says that a peer is gone.

    What led to a `StoreError` does not count: a connection that is refused there is a bucket's.
    """
    return any(is_peer_lost(f"{type(each).__name__}: {each}") for each in chain(error, beyond=StoreError))


def chain(error: BaseException, *, beyond: type[BaseException] | tuple[()] = ()) -> Iterator[BaseException]:
    """An error and all that led to it, but for errors `beyond` and what led to them."""
    seen: set[int] = set()
    todo: list[BaseException | None] = [error]
    while todo:
        each = todo.pop()
        if each is not None and id(each) not in seen and not isinstance(each, beyond):
            seen.add(id(each))
            yield each
            todo += [each.__cause__, each.__context__]
