"""What a ledger is made of: one frozen `Event` value per record, whichever file it came from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec

NEEDS: Mapping[str, tuple[str, ...]] = {
    "submit": (),
    "clock": ("of", "ahead"),
    "beat": (),
    "alloc": ("rank",),
    "release": ("rank",),
    "start": ("rank",),
    "exit": ("rank",),
    "again": ("rank",),
    "begin": ("rank", "phase"),
    "end": ("rank", "phase"),
    "step_begin": ("rank", "step"),
    "step_end": ("rank", "step"),
    "commit": ("step",),
    "resume": ("rank", "step"),
    "skip": ("rank", "step"),
    "hang": ("of_rank",),
    "stop": (),
    "log": ("rank", "step"),
    "program": ("rank", "step", "values"),
}
"""Every kind of record, and the fields without which it means nothing."""

ABOUT_NO_RANK = frozenset({"submit", "clock", "beat", "hang", "stop"})
"""Kinds that show no progress of a rank, even when a rank that is its own supervisor wrote them."""


class Event(msgspec.Struct, frozen=True, gc=False):
    """One thing that happened. A struct and not a dataclass: a long run has millions, and these are made in C.

    Attributes:
      kind: a key of `NEEDS`.
      host: whose clocks were read; all processes of a host share its monotonic clock.
      mono_ns: that host's monotonic clock.
      wall_ns: that host's wall clock; trusted in the first record of a host alone.
      rank: the rank it is about, None when it is about the run.
      step: the step it names; `step_end` names the last of `count` steps.
      count: how many steps a `step_begin` opens at once.
      phase: one of core.leaves.PHASES, perhaps with a detail after a slash (`restore/peers`), which the account leaves
        out; other names are kept and count as unknown time.
      devices: how many accelerators an `alloc` gives the rank.
      attempt: which try of the run, from 0; of an `exit`, the one that it ended.
      code: the exit code; negative for a signal.
      of: the host whose wall clock a `clock` record measured.
      ahead_ns: by how much that clock is ahead of the supervisor's.
      of_rank: the rank that a `hang` found without progress.
      values: metrics of a `log` record; of a `program` record `flops_per_step` of the model on all ranks together and
        `peak_flops_per_s` of one device.
    """

    kind: str
    host: str
    mono_ns: int
    wall_ns: int
    rank: int | None = None
    step: int = 0
    count: int = 1
    phase: str = ""
    devices: int = 1
    attempt: int = 0
    code: int = 0
    of: str = ""
    ahead_ns: int = 0
    of_rank: int = -1
    values: Mapping[str, float] | None = None


class Fields(msgspec.Struct, kw_only=True, gc=False):
    """What any record may carry, as written; decoding refuses other types and values out of range."""

    rank: int | None = None
    step: int | None = None
    count: Annotated[int, msgspec.Meta(ge=1)] = 1
    phase: str | None = None
    devices: Annotated[int, msgspec.Meta(ge=0)] = 1
    attempt: int = 0
    code: int | None = 0
    of: str | None = None
    of_rank: int | None = None
    values: dict[str, float | None] | None = None


def event_of(fields: Fields, kind: str, host: str, mono_ns: int, wall_ns: int, ahead_ns: int | None) -> Event | None:
    """The event of a decoded record of a known kind, or None when a field that the kind needs is absent."""
    for name in NEEDS[kind]:
        if (ahead_ns if name == "ahead" else getattr(fields, name)) is None:
            return None
    values = fields.values
    return Event(
        kind,
        host,
        mono_ns,
        wall_ns,
        None if kind in ABOUT_NO_RANK else fields.rank,
        fields.step or 0,
        fields.count,
        fields.phase or "",
        fields.devices,
        fields.attempt,
        1 if fields.code is None else fields.code,
        fields.of or "",
        ahead_ns or 0,
        -1 if fields.of_rank is None else fields.of_rank,
        None if values is None else {k: float("nan") if v is None else v for k, v in values.items()},
    )
