"""Events of traces made by hand; times in microseconds, as in the files."""

from __future__ import annotations

from typing import Any

Raw = dict[str, Any]


def span(name: str, ts: float, dur: float, cat: str = "cpu_op", *, tid: int = 1, **args: Any) -> Raw:
    return {"ph": "X", "cat": cat, "name": name, "pid": 1, "tid": tid, "ts": ts, "dur": dur, "args": args}


def launch(ts: float, dur: float, correlation: int, name: str = "cudaLaunchKernel") -> Raw:
    return span(name, ts, dur, "cuda_runtime", correlation=correlation)


def kernel(
    name: str, ts: float, dur: float, correlation: int = 0, *, stream: int = 7, device: int = 0, **args: Any
) -> Raw:
    cat = {"Memcpy": "gpu_memcpy", "Memset": "gpu_memset"}.get(name[:6], "kernel")
    return span(name, ts, dur, cat, tid=stream, stream=stream, device=device, correlation=correlation, **args)


def launched(name: str, ts: float, dur: float, correlation: int, *, ahead: float = 5, **more: Any) -> list[Raw]:
    """A device event and the call that launched it some time before."""
    return [launch(ts - ahead, 2, correlation), kernel(name, ts, dur, correlation, **more)]


def step(number: int, ts: float, dur: float) -> Raw:
    return span(f"ProfilerStep#{number}", ts, dur, "user_annotation")
