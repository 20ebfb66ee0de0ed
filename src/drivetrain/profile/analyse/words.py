"""What names of kernels and operators say: communication, copies, waiting for data."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from drivetrain.profile.trace import Kind, Trace

Flags = npt.NDArray[np.bool_]

COMMUNICATION = re.compile("nccl|rccl|gloo|deep_ep|cross_device_reduce", re.IGNORECASE)
"""Kernels of collectives: NVIDIA's and AMD's libraries, DeepEP, and vLLM's own reduction."""

HOST_COMMUNICATION = re.compile(r"gloo:|c10d::|nccl:|mpi:|record_param_comms")
"""Operators of collectives on the host; they match from their beginning."""

LEGACY_COPY = re.compile(
    r"(MEMORY_COPY_(HOST_TO_DEVICE|DEVICE_TO_HOST|DEVICE_TO_DEVICE)|__amd_rocclr_copyBuffer(Rect)?(Aligned)?)(\.kd)?$"
)
"""Copies that ROCm before 7.2 recorded as kernels. Source: TraceLens, `is_rocm_legacy_memcpy`."""

LOADER = re.compile(r"enumerate\((DataLoader|DataPipe)\)#|data_wait$")
"""Spans in which a program waits for its next batch: torch's own, and Drivetrain's phase."""

STEP = re.compile(r"ProfilerStep\s*#\s*(\d+)")

GAP = "Python and gaps"
"""What the host's time is called in which no operator and no call ran."""


def flags(trace: Trace, rows: npt.NDArray[np.intp], says: Callable[[str], object]) -> Flags:
    """Which of these events have a name of which this is true; asked once for each name. Shape as rows."""
    told = np.zeros(len(trace.names), np.bool_)
    for name in np.flatnonzero(np.bincount(trace.name[rows], minlength=len(trace.names))):
        told[name] = bool(says(trace.names[name]))
    return told[trace.name[rows]]


def is_communication(trace: Trace, rows: npt.NDArray[np.intp]) -> Flags:
    """Which of these device events are kernels of collectives."""
    found: Flags = flags(trace, rows, COMMUNICATION.search) & (trace.kind[rows] == Kind.KERNEL)
    return found


def is_copy(trace: Trace, rows: npt.NDArray[np.intp]) -> Flags:
    """Which of these device events copy memory."""
    kind = trace.kind[rows]
    found: Flags = (kind == Kind.MEMCPY) | ((kind == Kind.KERNEL) & flags(trace, rows, LEGACY_COPY.match))
    return found


def is_step(trace: Trace, rows: npt.NDArray[np.intp]) -> Flags:
    """Which of these are the profiler's steps."""
    return flags(trace, rows, STEP.match)
