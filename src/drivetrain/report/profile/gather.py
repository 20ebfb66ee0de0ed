"""Trace files -> a story: each is read, measured and let go, so that memory holds one trace a process."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from functools import partial
from itertools import accumulate
from multiprocessing import get_context
from pathlib import Path

from drivetrain.core.errors import DataError
from drivetrain.profile import read_trace
from drivetrain.report.profile.across import Measured, together, why_not_one_run
from drivetrain.report.profile.findings import find
from drivetrain.report.profile.measure import measure
from drivetrain.report.profile.rules import RULES
from drivetrain.report.profile.story import ProfileStory

_WORTH_PROCESSES_BYTES = 32 * 2**20
"""Below this a process of its own takes longer to start than the file to be read."""


Advance = Callable[[int, str], None]
"""`advance(num_bytes, note)`: how much of the files is done in all, and what is being done."""


def gather_profile(paths: Sequence[Path], advance: Advance | None = None, *, with_figures: bool = True) -> ProfileStory:
    """Read traces and say what they tell.

    A file of which nothing can be read is named in `unread`, and the others are told.

    Args:
      paths: files; of ranks of one run, or to be looked at side by side.
      advance: called now and then.
      with_figures: also by other tools' definitions, which only programs read.
    Raises: DataError: none could be read; the error of the first.
    """
    measured: list[Measured] = []
    errors: dict[str, DataError] = {}
    for path, result in zip(paths, _measured(paths, with_figures, advance or _quietly), strict=True):
        if isinstance(result, DataError):
            errors[str(path)] = result
        else:
            measured.append(result)
    if not measured and errors:
        raise next(iter(errors.values()))
    found = together(_labelled(measured, [path for path in paths if str(path) not in errors]))
    return ProfileStory(
        processes=found.processes,
        findings=find([process.facts for process in found.processes], RULES),
        across=found.figures,
        notes=found.notes,
        unread={file: error.message for file, error in errors.items()},
    )


def _quietly(num_bytes: int, note: str) -> None:  # noqa: ARG001 - nobody watches
    return


def _counted_from(done_bytes: int, advance: Advance) -> Advance:
    return lambda num_bytes, note: advance(done_bytes + num_bytes, note)


def _measured(paths: Sequence[Path], with_figures: bool, advance: Advance) -> Iterator[Measured | DataError]:
    """What is said of each file, in order; by several processes when the files are large."""
    num_workers = min(len(paths), len(os.sched_getaffinity(0)))
    sizes_bytes = [_size_bytes(path) for path in paths]
    if num_workers < 2 or sum(sizes_bytes) < _WORTH_PROCESSES_BYTES:
        for path, done_bytes in zip(paths, accumulate(sizes_bytes, initial=0), strict=False):
            yield _measure(path, _counted_from(done_bytes, advance), with_figures)
        return
    one = partial(_measure, advance=_quietly, with_figures=with_figures, processes=1)
    with ProcessPoolExecutor(num_workers, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        try:
            for result, path, done_bytes in zip(pool.map(one, paths), paths, accumulate(sizes_bytes), strict=True):
                yield result
                advance(done_bytes, path.name)
        except BrokenProcessPool as exc:
            raise DataError(
                "a process that read traces died, perhaps because memory ran out", hint="read fewer traces at once"
            ) from exc


def _measure(path: Path, advance: Advance, with_figures: bool, processes: int | None = None) -> Measured | DataError:
    try:
        trace = read_trace(path, processes=processes, advance=lambda num_bytes: advance(num_bytes, path.name))
        advance(_size_bytes(path), f"analysing {path.name}")
        return measure(trace, stem(path), str(path), with_figures=with_figures)
    except DataError as exc:
        return exc


def _size_bytes(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _labelled(each: Sequence[Measured], paths: Sequence[Path]) -> list[Measured]:
    """Ranks of one run by their numbers; else traces by what tells their paths apart."""
    are_ranks = not why_not_one_run([one.process for one in each])
    labels = [f"rank {one.process.rank}" for one in each] if are_ranks else distinct_names(paths)
    named = [_named(one, label) for one, label in zip(each, labels, strict=True)]
    return sorted(named, key=lambda one: one.process.rank or 0) if are_ranks else named


def _named(one: Measured, label: str) -> Measured:
    facts = replace(one.process.facts, label=label)
    return replace(one, process=replace(one.process, label=label, facts=facts))


def distinct_names(paths: Sequence[Path]) -> list[str]:
    """The folders that differ, where each trace has one of its own; else file names; else what paths do not share."""
    parts = [path.absolute().parts for path in paths]
    num_shared = len(Path(os.path.commonpath([path.absolute().parent for path in paths])).parts)
    folders = ["/".join(one[num_shared:-1]) for one in parts]
    stems = [stem(path) for path in paths]
    for names in (folders, stems):
        if len(set(names)) == len(names) and all(names):
            return names
    return ["/".join(one[num_shared:]) for one in parts]


def stem(path: Path) -> str:
    """A trace's name without its endings."""
    return path.name.removesuffix(".gz").removesuffix(".json").removesuffix(".trace").removesuffix(".pt")
