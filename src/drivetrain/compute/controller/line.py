"""Jobs that wait, by kind: where thousands do, a plan needs to be told of the first few of each kind alone."""

from __future__ import annotations

import bisect
import itertools
from collections import Counter
from collections.abc import Callable, Iterable
from operator import attrgetter

from drivetrain.compute.controller.states import JobRecord, JobState

_ASKED = attrgetter(
    "pool", "nodes", "gpus", "gpu", "cpus", "memory", "ranks", "topology", "topology_required", "priority",
    "preemptible", "min_runtime", "max_runtime", "deadline",
)  # fmt: skip
Kind = tuple[object, ...]


class Line:
    """Jobs that ask for the same differ in age alone: where the first of a kind cannot start, the next cannot."""

    def __init__(self) -> None:
        self._by_kind: dict[Kind, list[tuple[float, str]]] = {}
        self._kinds: dict[str, Kind] = {}
        self._entries: dict[str, tuple[float, str]] = {}

    def put(self, job: JobRecord) -> None:
        """A job as it is now: in line if it waits. An array waits in its workers."""
        waits = job.state is JobState.WAITING and not job.job.array
        if waits == (job.id in self._kinds):
            return
        if not waits:
            self._drop(job.id)
            return
        kind = self._kinds[job.id] = kind_of(job)
        entry = self._entries[job.id] = job.submitted_s, job.id
        bisect.insort(self._by_kind.setdefault(kind, []), entry)

    def _drop(self, job_id: str) -> None:
        kind, entry = self._kinds.pop(job_id), self._entries.pop(job_id)
        listed = self._by_kind[kind]
        del listed[bisect.bisect_left(listed, entry)]
        if not listed:
            del self._by_kind[kind]

    def __len__(self) -> int:
        return len(self._kinds)

    def first(self, most: int | None = None, *, counts: Callable[[str], bool] = lambda _: True) -> list[str]:
        """Ids of the oldest of each kind that count, up to so many; of all by default."""
        found: list[str] = []
        for listed in self._by_kind.values():
            found += itertools.islice((job_id for _, job_id in listed if counts(job_id)), most)
        return found

    def are_followed(self, job_ids: Iterable[str], most: int) -> bool:
        """Whether so many of one kind are among these, and more of it wait than those."""
        going = Counter(self._kinds[job_id] for job_id in job_ids)
        return any(num >= most and len(self._by_kind[kind]) > num for kind, num in going.items())

    def is_among_first(self, job_id: str, most: int) -> bool:
        """Whether a job is in line with fewer of its kind before it than so many."""
        entry = self._entries.get(job_id)
        return entry is not None and entry in self._by_kind[self._kinds[job_id]][:most]


def kind_of(job: JobRecord) -> Kind:
    """Equal for jobs that ask for the same, in the same team's name."""
    return (job.team, *_ASKED(job.job))
