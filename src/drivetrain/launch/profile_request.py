"""How a person asks running ranks to profile their next steps: a small file in the run's folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import msgspec

from drivetrain.core import ids
from drivetrain.core.clock import mono_ns
from drivetrain.core.errors import ConfigError
from drivetrain.core.units import NS_PER_S
from drivetrain.launch.watch import Watch
from drivetrain.store import RunFolder, publish_bytes
from drivetrain.store.publish import INCOMPLETE

if TYPE_CHECKING:
    from drivetrain.core.profiling import ProfileSpec

_AHEAD_NS = 4 * NS_PER_S  # ranks look once a second, and then need some time to begin, on a busy machine more


class ProfileRequest(msgspec.Struct, frozen=True):
    """What is asked.

    Attributes:
      id: kept with the files that come of it.
      spec: as text, see `ProfileSpec`.
    """

    id: str
    spec: str


@contextmanager
def asking_for_profile(run: RunFolder, spec: ProfileSpec) -> Iterator[str]:
    """Ask during the block; takes the place of what was asked before. Ranks look once a second.

    Yields: the id of the request.
    Raises: StoreError: the disk would not take it.
    """
    request = ProfileRequest(ids.new_id("profile"), spec.text)
    try:
        publish_bytes(run.profile_request, msgspec.json.encode(request))
        yield request.id
    finally:
        _withdraw(run, request.id)


def asked_profile(run: RunFolder) -> tuple[str, ProfileSpec] | None:
    """The id and the spec of what is asked now; None where nothing is, or nothing that can be read."""
    from drivetrain.core.profiling import ProfileSpec

    try:
        request = msgspec.json.decode(run.profile_request.read_bytes(), type=ProfileRequest)
        return request.id, ProfileSpec.parse(request.spec)
    except (OSError, msgspec.DecodeError, ConfigError):
        return None


def is_asked(run: RunFolder, request_id: str) -> bool:
    """Whether this is what is asked now: a person who waits no longer takes it back."""
    asked = asked_profile(run)
    return asked is not None and asked[0] == request_id


def reachable_step(run: RunFolder, attempt: int, ranks: Sequence[int]) -> int | None:
    """A step that no rank of an attempt will have begun when all have heard of it; None before there are any steps."""
    watch = Watch(run, attempt=attempt, num_ranks=max(ranks) + 1)
    watch.poll(mono_ns())
    if watch.furthest_step is None or watch.quick_turn_ns is None:
        return None
    return watch.furthest_step + 2 + _AHEAD_NS // max(1, watch.quick_turn_ns)


def _withdraw(run: RunFolder, request_id: str) -> None:
    """What somebody else asks for stays."""
    if is_asked(run, request_id):
        with suppress(OSError):
            run.profile_request.unlink(missing_ok=True)


@contextmanager
def profiles_of(run: RunFolder) -> Iterator[None]:
    """Around all that a launcher does: what was asked of another one is forgotten, and no unfinished file stays."""
    _tidy(run)
    try:
        yield
    finally:
        _tidy(run)


def _tidy(run: RunFolder) -> None:
    with suppress(OSError):
        run.profile_request.unlink(missing_ok=True)
        if not run.profile.is_dir():  # most runs have none, and to look into it is to compile a pattern
            return
        for left in run.profile.glob(f".attempt-*{INCOMPLETE}*"):
            left.unlink(missing_ok=True)
