"""Small traces that a test writes: steps in which a loader is waited for and one kernel runs."""

from __future__ import annotations

import gzip
import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from drivetrain.cli.main import main


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


def drivetrain(*args: str | Path) -> Done:
    """The command line in this process, which spares each test an interpreter's start."""
    out, err = io.StringIO(), io.StringIO()
    with mock.patch.object(sys, "argv", ["drivetrain", *map(str, args)]), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as exc:
            return Done(int(exc.code or 0), out.getvalue(), err.getvalue())
    raise AssertionError("the command line always exits")


def span(
    name: str, category: str, begin_us: float, length_us: float, thread: int = 1, **args: object
) -> dict[str, Any]:
    times = {"ph": "X", "ts": begin_us, "dur": length_us}
    return {**times, "name": name, "cat": category, "pid": 1, "tid": thread, "args": args}


def step(number: int, begin_us: float, loader_us: float) -> list[dict[str, Any]]:
    """A step of 100 us and its loader, in which one kernel of 40 us runs."""
    launch_us = begin_us + loader_us
    return [
        span(f"ProfilerStep#{number}", "user_annotation", begin_us, loader_us + 60),
        span("enumerate(DataLoader)#_SingleProcessDataLoaderIter.__next__", "user_annotation", begin_us, loader_us),
        span("aten::mm", "cpu_op", launch_us, 8),
        span("cudaLaunchKernel", "cuda_runtime", launch_us + 1, 5, correlation=number),
        span("gemm", "kernel", launch_us + 10, 40, thread=7, correlation=number, device=0, stream=7),
    ]


def write(path: Path, events: list[dict[str, Any]], rank: int | None = None, world_size: int = 2) -> Path:
    head = {} if rank is None else {"distributedInfo": {"rank": rank, "world_size": world_size, "backend": "nccl"}}
    text = json.dumps({**head, "traceEvents": events}).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def waiting(loader_us: float, first: int = 0) -> list[dict[str, Any]]:
    length_us = loader_us + 60
    return [event for n in range(3) for event in step(first + n, 1000 + n * length_us, loader_us)]
