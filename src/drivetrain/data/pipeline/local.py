"""Run a plan on this machine: a queue for each step, threads that they share, and children for code that holds the GIL.

Contract:
1. Entries come out in the source's order, whatever the number of workers and however long each takes.
2. Each queue holds at most its share of the byte budget (see budget.py); a full queue stops what feeds it, because the
   steps pull from one another and nothing is pushed.
3. A chunk is stored once all of its entries are through a step, before the last of them goes on. One with a bad item is
   not stored: what could not be read may be there the next time.
4. Closing, an error or Ctrl-C ends all workers: threads finish the entry that they are at, children are stopped.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import islice

from drivetrain.core.errors import UsageError
from drivetrain.data.pipeline import wire
from drivetrain.data.pipeline.apply import Applied, apply
from drivetrain.data.pipeline.budget import Share
from drivetrain.data.pipeline.children import Children
from drivetrain.data.pipeline.chunks import Chunks
from drivetrain.data.pipeline.description import Opened
from drivetrain.data.pipeline.item import Entry
from drivetrain.data.pipeline.plan import Plan, what_to_run
from drivetrain.data.pipeline.stages import Meter

_PER_WORKER = 8
"""Entries that may be under way in a queue, for each worker, however small they are."""

Entries = Generator[Entry, None, None]


def run_local(
    plan: Plan, opened: Opened, *, chunks: Chunks | None, threads: int, budget_bytes: int, meter: Meter
) -> Entries:
    """The entries after the last step, in order.

    Args:
      plan: of the pipeline.
      opened: its source.
      chunks: where results are kept and found; None keeps none.
      threads: that do ops; as many child processes where a step holds the GIL.
      budget_bytes: payload that may be under way, over all queues.
      meter: collects what stages do.
    Raises:
      UsageError: a step needs processes, but they could not open the source.
      StoreError: the disk would not take a chunk, or a stored one was altered.
    """
    if any(step.holds_gil for step in plan.steps) and not plan.source.is_portable:
        raise UsageError(
            "an op that holds the GIL runs in other processes, which cannot open this source",
            hint="name the log by its path instead of passing it opened",
        )
    stored = [frozenset() if chunks is None or s.is_cheap else chunks.stored(s.address) for s in plan.steps]
    todo = [*what_to_run(plan.num_chunks, stored), list(range(plan.num_chunks))]
    num_queues = max(1, sum(not step.is_cheap for step in plan.steps))
    meter.num_workers = threads
    shares = [Share(max(1, budget_bytes // num_queues), _PER_WORKER * threads) for _ in plan.steps]
    with ExitStack() as stack:
        pool = ThreadPoolExecutor(threads, thread_name_prefix="drivetrain-pipeline")
        stack.callback(pool.shutdown, wait=True, cancel_futures=True)
        run = _Run(plan, opened, stack.enter_context(Children(plan)), pool, meter)
        entries = run.of_source(todo[0])
        for number, step in enumerate(plan.steps):
            entries = run.inline(entries, number) if step.is_cheap else run.queued(entries, number, shares[number])
            if chunks is not None and not step.is_cheap:
                entries = run.kept(entries, number, todo[number + 1], stored[number], chunks)
            stack.callback(entries.close)
        for entry in entries:
            meter.peak_bytes = max(meter.peak_bytes, sum(share.peak_bytes for share in shares))
            yield entry


@dataclass(frozen=True, eq=False)
class _Run:
    plan: Plan
    opened: Opened
    children: Children
    pool: ThreadPoolExecutor
    meter: Meter

    def of_source(self, chunks: list[int]) -> Entries:
        """The source's items in these chunks, with nothing done to them."""
        for chunk in chunks:
            for number in self.plan.numbers(chunk):
                yield Entry(number, (self.opened.items[number],)).bound(self.opened.log)

    def inline(self, entries: Entries, number: int) -> Entries:
        """Entries through a cheap step."""
        for entry in entries:
            done = apply(self.plan.steps[number].ops, entry)
            self.meter.applied(number, done.times)
            yield done.entry

    def queued(self, entries: Entries, number: int, share: Share) -> Entries:
        """Entries through one step, in order; as many ahead of the reader as the share lets in."""
        queue: deque[Future[Applied]] = deque()
        running: set[Future[Applied]] = set()
        work = self._work(number)
        while True:
            while share.admits and (entry := next(entries, None)) is not None:
                share.begin(entry.num_bytes)
                queue.append(self.pool.submit(work, entry))
                running.add(queue[-1])
                del entry  # its memory is the worker's alone now
                _settle(running, share)
            if not queue:
                return
            if not queue[0].done():
                wait(running, return_when=FIRST_COMPLETED)
            _settle(running, share)
            if queue[0].done():
                self.meter.taken(number, share.fullness)
                done = queue.popleft().result()
                share.take(done.entry.num_bytes)
                self.meter.applied(number, done.times)
                yield done.entry
                del done

    def _work(self, number: int) -> Callable[[Entry], Applied]:
        ops, log = self.plan.steps[number].ops, self.opened.log
        if not self.plan.steps[number].holds_gil:
            return lambda entry: apply(ops, entry)

        def in_child(entry: Entry) -> Applied:
            done = self.children.apply(number, entry)
            return replace(done, entry=done.entry.bound(log))

        return in_child

    def kept(self, made: Entries, number: int, wanted: list[int], stored: frozenset[int], chunks: Chunks) -> Entries:
        """Entries of a step by chunk: stored ones read, the others stored as they come."""
        address = self.plan.steps[number].address
        for chunk in wanted:
            if chunk in stored:
                for entry in chunks.read(address, chunk):
                    self.meter.stored(number)
                    yield entry.bound(self.opened.log)
            else:
                yield from self._store(made, address, chunk, chunks)

    def _store(self, made: Entries, address: str, chunk: int, chunks: Chunks) -> Entries:
        num_left, num_bad = len(self.plan.numbers(chunk)), 0
        writer = chunks.writer(address, chunk)
        try:
            for entry in islice(made, num_left):
                writer.add(wire.encode(entry))
                num_left, num_bad = num_left - 1, num_bad + len(entry.bad)
                if not num_left and not num_bad:
                    writer.publish()
                yield entry
        finally:
            writer.discard()


def _settle(running: set[Future[Applied]], share: Share) -> None:
    """Count the entries that have run meanwhile; raises what one of them raised."""
    for future in [each for each in running if each.done()]:
        running.remove(future)
        done = future.result()
        share.finish(done.peak_bytes, done.entry.num_bytes)
