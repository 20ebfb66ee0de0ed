"""Our own history: what a server wrote down as it happened, as `drivetrain jobs --history` gives it, in JSON Lines.

The first line says what it is; each other one is an event: `seq`, `at_ns`, `kind`, `subject`, `data`, and with a job
that comes its whole `record`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
from msgspec import structs

from drivetrain.compute.controller.changes import Settings
from drivetrain.compute.controller.nodes import NodeRecord
from drivetrain.compute.controller.states import AttemptRecord, JobRecord, JobState
from drivetrain.compute.controller.told import SAVED_EVERY_S, request_of, waiting_of
from drivetrain.compute.policy.values import CORES
from drivetrain.compute.simulate.site import Site
from drivetrain.compute.simulate.values import Arrival
from drivetrain.core.errors import DataError

VERSION = 1
HEAD = f'{{"format":"drivetrain history","version":{VERSION}}}'
_HEAD = re.compile(rb'\{"format":"drivetrain history","version":(\d{1,9})\}')
_FINAL = {f"job {state}" for state in JobState if state.is_final}


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened. Attributes: seq: in the order in which it did; record: of a job that comes."""

    seq: int
    at_ns: int
    kind: str
    subject: str = ""
    data: Any = None
    record: JobRecord | None = None

    def attempt(self) -> AttemptRecord:
        """What it says of an attempt."""
        return msgspec.convert(self.data, AttemptRecord, str_keys=True)

    def node(self) -> NodeRecord:
        """What it says of a node."""
        return msgspec.convert(self.data, NodeRecord)

    def settings(self) -> Settings:
        """What operators had set when a controller began."""
        return msgspec.convert(self.data, Settings)


def is_history(path: Path) -> bool:
    """Whether a file begins as one, of this version or another."""
    try:
        with path.open("rb") as file:
            return _version(file.readline(1000)) is not None
    except OSError:
        return False


def lines_of(events: Iterable[Event]) -> Iterator[bytes]:
    """Each as it stands in a file."""
    for event in events:
        yield msgspec.json.encode(event) + b"\n"


def read_history(path: Path) -> list[Event]:
    """Its events in order. Raises: DataError: it is none, or a line is damaged."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as exc:
        raise DataError(f"{path}: cannot be read: {exc.strerror}") from exc
    version = _version(lines[0]) if lines else None
    if version != VERSION:
        what = "no history" if version is None else f"a history of version {version}"
        raise DataError(
            f"{path}:1: {what}, expected one of version {VERSION}", hint="drivetrain jobs --history > history.jsonl"
        )
    decoder = msgspec.json.Decoder(Event, strict=True)
    found = []
    for number, line in enumerate(lines[1:], start=2):
        try:
            found.append(decoder.decode(line))
        except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
            raise DataError(f"{path}:{number}: {exc}") from exc
    return found


def site_of(events: Sequence[Event]) -> Site:
    """The fleet as it was last, up and with nothing on it, and what operators had set.

    Raises: DataError: nobody ever saw a node.
    """
    nodes: dict[str, NodeRecord] = {}
    settings = Settings()
    for event in events:
        if event.kind == "node":
            nodes[event.subject] = event.node()
        elif event.kind == "controller begins":
            settings = event.settings()
    up = [replace(node, state="up", evidence="") for _, node in sorted(nodes.items()) if node.state != "down"]
    if not up:
        raise DataError("no node is in this history", hint="--nodes 16 --gpus-per-node 8 plays it on a fleet of yours")
    return Site(tuple(up), settings)


def arrivals_of(events: Sequence[Event]) -> list[Arrival]:
    """Jobs that ran to some end, as they came; seconds from the first.

    One that saved ran as long as all of its attempts together, another as long as the last: it began anew each time.
    """
    came: dict[str, tuple[float, JobRecord]] = {}
    ran_s: dict[str, float] = {}
    saved: set[str] = set()
    ended: set[str] = set()
    has_cores = False
    for event in events:
        if event.kind == "node":
            has_cores |= event.node().gpu == CORES
        elif event.record is not None and not event.record.job.array:
            came.setdefault(event.subject, (event.at_ns / 1e9, event.record))
        elif event.kind == "attempt ended":
            attempt = event.attempt()
            took_s = (attempt.ran_until_s or attempt.ended_s or attempt.placed_s) - attempt.placed_s
            saved |= {attempt.job} if attempt.saved_step is not None else set()
            ran_s[attempt.job] = took_s + (ran_s.get(attempt.job, 0.0) if attempt.job in saved else 0.0)
        elif event.kind in _FINAL:
            ended.add(event.subject)
    first_s = min((at_s for at_s, _ in came.values()), default=0.0)
    found = []
    for job, (at_s, record) in came.items():
        if job in ended and job in ran_s:
            waiting = waiting_of(record, request_of(record, has_cores=has_cores))
            every_s = SAVED_EVERY_S if job in saved else None
            shifted = structs.replace(waiting, submitted_s=at_s - first_s, eligible_s=0.0, save_every_s=every_s)
            found.append(Arrival(shifted, ran_s[job]))
    return found


def on_equal_nodes(arrivals: Sequence[Arrival]) -> list[Arrival]:
    """The same jobs for nodes of which only a number of devices is known: in any pool, of any kind.

    Where nobody asks for GPUs a device is a core; else jobs that take cores alone take no device.
    """
    has_gpus = any(a.job.request.gpu_milli and a.job.request.gpu != CORES for a in arrivals)
    found = []
    for arrival in arrivals:
        asked = arrival.job.request
        milli = 0 if has_gpus and asked.gpu == CORES else asked.gpu_milli
        request = structs.replace(asked, gpu="", gpu_milli=milli, cpus=0, memory_bytes=0, pool="")
        found.append(replace(arrival, job=structs.replace(arrival.job, request=request)))
    return found


def _version(line: bytes) -> int | None:
    """Of the history that begins with a line; None where it is none."""
    found = _HEAD.fullmatch(line.strip())
    return int(found[1]) if found else None
