"""Traces of several ranks at once, a process for each."""

from __future__ import annotations

import gc
import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TypeVar

from drivetrain.core.errors import DataError
from drivetrain.profile.read.reader import read_trace
from drivetrain.profile.trace import Trace

_Result = TypeVar("_Result")


def read_traces(paths: Sequence[str | Path], *, processes: int | None = None) -> list[Trace]:
    """Read traces, in the order of the paths. All their columns are in memory then; see `map_traces`.

    Args:
      paths: of the files.
      processes: that read them; as many as there are cores, unless told. As with `multiprocessing`, a script that asks
        for more than one guards what it does with `if __name__ == "__main__"`.
    Raises: DataError: one of them cannot be read.
    """
    return map_traces(_itself, paths, processes=processes)


def map_traces(
    analyse: Callable[[Trace], _Result], paths: Sequence[str | Path], *, processes: int | None = None
) -> list[_Result]:
    """What a function makes of each trace, in the order of the paths. At most one trace a process is in memory.

    Args:
      analyse: a function of a module, called where its trace was read, so that only what it gives comes back.
      paths: of the files.
      processes: as for `read_traces`.
    Raises: DataError: one of the traces cannot be read. Whatever `analyse` raises.
    """
    count = min(processes or len(os.sched_getaffinity(0)), len(paths))
    if count < 2:
        return [analyse(read_trace(path, processes=processes)) for path in paths]
    context = multiprocessing.get_context("spawn")  # a fork would copy the locks of threads as they happen to be
    with ProcessPoolExecutor(count, mp_context=context, initializer=gc.disable) as pool:
        jobs = [pool.submit(_analysed, analyse, Path(path)) for path in paths]
        try:
            return [job.result() for job in jobs]
        except BrokenProcessPool as exc:
            raise DataError(
                "a process that read traces died, perhaps because memory ran out",
                hint="with fewer processes, less is in memory at once",
            ) from exc
        finally:
            for job in jobs:
                job.cancel()


def _analysed(analyse: Callable[[Trace], _Result], path: Path) -> _Result:
    return analyse(read_trace(path, processes=1))


def _itself(trace: Trace) -> Trace:
    return trace
