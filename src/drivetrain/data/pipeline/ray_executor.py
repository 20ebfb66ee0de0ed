"""Run a plan on a Ray cluster: a task for each chunk of items; results in order, byte for byte those of this machine.

Contract:
1. A task takes one chunk through all steps that are not stored, on one CPU, and depends on nothing but the plan and the
   chunk: when its worker or node dies, it is run again elsewhere, to the same bytes.
2. Results come to this process, which stores them and hands them on in order; only so many tasks are ahead of it as the
   byte budget allows by the largest result so far, and two for each CPU.
3. Workers open the source by its path, and refuse to run other code than this process has.
4. A cluster that was started here ends with the run; of one that ran before, the tasks left over are cancelled.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec

from drivetrain.core.errors import DataError, DrivetrainError, UsageError
from drivetrain.data.pipeline import wire
from drivetrain.data.pipeline.apply import OpTime, apply
from drivetrain.data.pipeline.chunks import Chunks
from drivetrain.data.pipeline.cluster import Cluster, connected
from drivetrain.data.pipeline.description import Opened, Source
from drivetrain.data.pipeline.item import Entry
from drivetrain.data.pipeline.plan import Plan
from drivetrain.data.pipeline.stages import Meter

_MOST_DEATHS = 4  # of workers or nodes on one chunk


def run_ray(
    plan: Plan, opened: Opened, cluster: Cluster, *, chunks: Chunks | None, budget_bytes: int, meter: Meter
) -> Generator[Entry, None, None]:
    """The entries after the last step, in order; see `run_local`.

    Raises:
      MissingExtraError: Ray is not installed.
      UsageError: workers could not open this source, or no cluster answers at the address.
      DataError: workers died again and again on one chunk, which is named.
    """
    if not plan.source.is_portable:
        raise UsageError("workers of a cluster cannot open this source", hint="name the log by its path")
    stored = [frozenset() if chunks is None or s.is_cheap else chunks.stored(s.address) for s in plan.steps]
    jobs = [Job.of(plan, chunk, stored) for chunk in range(plan.num_chunks)]
    with connected(cluster) as ray:
        meter.num_workers = max(1, int(ray.cluster_resources().get("CPU", 1)))
        results = _Results(ray, plan, chunks, meter, budget_bytes)
        try:
            for entry in results.of(jobs):
                yield entry.bound(opened.log)
        finally:
            results.cancel()


@dataclass(frozen=True)
class Job:
    """What a task does: the steps of a chunk from `first` on, and those of them whose results are kept."""

    chunk: int
    first: int
    kept: tuple[int, ...]

    @classmethod
    def of(cls, plan: Plan, chunk: int, stored: Sequence[frozenset[int]]) -> Job:
        """The steps after the last one that is stored."""
        first = max((number + 1 for number, have in enumerate(stored) if chunk in have), default=0)
        steps = range(first, len(plan.steps))
        return cls(chunk, first, tuple(number for number in steps if not plan.steps[number].is_cheap))


def run_chunk(plan: Plan, job: Job, payloads: list[bytes] | None) -> bytes:
    """The work of one task: what comes out of the last step and of those that are kept, with times, as bytes.

    Args:
      plan: of the pipeline.
      job: which chunk, and which steps.
      payloads: the entries that come in, encoded; None begins with the source.
    """
    plan.check_code()
    opened = _open(plan.source)
    if len(opened.items) != plan.num_items:
        raise DataError(
            f"a worker finds {len(opened.items)} items in the source, not {plan.num_items}",
            hint="the log must be the same on every machine, at the same path",
        )
    numbers = plan.numbers(job.chunk)
    if payloads is None:
        entries: Iterable[Entry] = (Entry(number, (opened.items[number],)) for number in numbers)
    else:
        entries = map(wire.decode, payloads)
    return _through_steps(plan, job, (entry.bound(opened.log) for entry in entries))


def _through_steps(plan: Plan, job: Job, entries: Iterable[Entry]) -> bytes:
    """Entry by entry, so that of what lies between the steps only one is in memory."""
    made: dict[int, list[bytes]] = {number: [] for number in job.kept}
    num_bad = dict.fromkeys(job.kept, 0)
    times: list[tuple[int, tuple[OpTime, ...]]] = []
    last = []
    for entry in entries:
        for number in range(job.first, len(plan.steps)):
            done = apply(plan.steps[number].ops, entry)
            entry = done.entry
            times.append((number, done.times))
            if number in made:
                made[number].append(wire.encode(entry))
                num_bad[number] += len(entry.bad)
        last.append(wire.encode(entry))
    plain = [[number, [[t.num_in, t.num_out, t.busy_ns, t.bytes_out] for t in took]] for number, took in times]
    return msgspec.msgpack.encode([made, num_bad, last, plain])


@lru_cache(maxsize=1)
def _open(source: Source) -> Opened:
    """Once in each worker."""
    return source.open()


class _Results:
    """Tasks under way, and what they give."""

    def __init__(self, ray: Any, plan: Plan, chunks: Chunks | None, meter: Meter, budget_bytes: int) -> None:
        self._ray, self._plan, self._chunks, self._meter = ray, plan, chunks, meter
        self._budget_bytes, self._largest_bytes = budget_bytes, max(1, budget_bytes // 2)
        self._shared_plan = ray.put(plan)
        self._task = ray.remote(run_chunk).options(num_cpus=1, max_retries=_MOST_DEATHS)
        self._ahead: deque[tuple[Job, Any]] = deque()
        self._num_seen = 0

    def of(self, jobs: Sequence[Job]) -> Generator[Entry, None, None]:
        """The entries of all jobs, in order."""
        waiting = deque(jobs)
        while waiting or self._ahead:
            while waiting and len(self._ahead) < self._most_ahead:
                job = waiting.popleft()
                self._ahead.append((job, self._submit(job) if job.kept or not job.first else None))
            job, reference = self._ahead.popleft()
            if reference is None:
                yield from self._here(job)
            else:
                self._meter.taken(len(self._plan.steps) - 1, self._share_done())
                yield from self._taken(job, self._get(job, reference))

    def cancel(self) -> None:
        """Stop what is left over."""
        for reference in self._references:
            with suppress(self._ray.exceptions.RayError, ValueError):  # ValueError: the job has no task
                self._ray.cancel(reference, force=True)
        self._ahead.clear()

    @property
    def _references(self) -> list[Any]:
        return [reference for _, reference in self._ahead if reference is not None]

    @property
    def _most_ahead(self) -> int:
        return max(1, min(2 * self._meter.num_workers, self._budget_bytes // self._largest_bytes))

    def _submit(self, job: Job) -> Any:
        """A reference to the result."""
        payloads = [wire.encode(entry) for entry in self._stored(job)] if job.first else None
        return self._task.remote(self._shared_plan, job, payloads)

    def _stored(self, job: Job) -> Generator[Entry, None, None]:
        """What goes into the first step of a job that does not begin with the source."""
        assert self._chunks is not None  # a job skips only what is stored
        for entry in self._chunks.read(self._plan.steps[job.first - 1].address, job.chunk):
            self._meter.stored(job.first - 1)
            yield entry

    def _here(self, job: Job) -> Generator[Entry, None, None]:
        """A job that only cheap steps are left of is not worth sending."""
        for entry in self._stored(job):
            for number in range(job.first, len(self._plan.steps)):
                done = apply(self._plan.steps[number].ops, entry)
                self._meter.applied(number, done.times)
                entry = done.entry
            yield entry

    def _share_done(self) -> float:
        references = self._references
        if not references:
            return 0.0
        done, _ = self._ray.wait(references, num_returns=len(references), timeout=0, fetch_local=False)
        return len(done) / len(references)

    def _get(self, job: Job, reference: Any) -> bytes:
        exceptions = self._ray.exceptions
        try:
            data: bytes = self._ray.get(reference)
        except exceptions.RayTaskError as exc:
            if isinstance(exc.cause, DrivetrainError):
                raise exc.cause from exc
            raise DataError(f"a worker failed on {self._named(job)}: {exc.cause!r}") from exc
        except (
            exceptions.WorkerCrashedError,
            exceptions.NodeDiedError,
            exceptions.ObjectLostError,
            exceptions.OutOfMemoryError,
        ) as exc:
            raise DataError(
                f"workers died again and again on {self._named(job)}: {exc}",
                hint="run it with --on local to see what kills them; too little memory is the most frequent reason",
            ) from exc
        return data

    def _named(self, job: Job) -> str:
        numbers = self._plan.numbers(job.chunk)
        return f"items {numbers.start} to {numbers.stop - 1} of the source"

    def _taken(self, job: Job, data: bytes) -> Generator[Entry, None, None]:
        self._largest_bytes = max(len(data), self._largest_bytes if self._num_seen else 1)
        self._num_seen += 1
        self._meter.peak_bytes = max(self._meter.peak_bytes, (len(self._ahead) + 1) * self._largest_bytes)
        made, num_bad, last, times = msgspec.msgpack.decode(data, strict=False)
        for number, took in times:
            self._meter.applied(number, [OpTime(*each) for each in took])
        if self._chunks is not None:
            for number, payloads in made.items():
                if not num_bad[number]:
                    self._chunks.write(self._plan.steps[number].address, job.chunk, payloads)
        yield from map(wire.decode, last)
