"""Which events have a name that says something: a wait for the device, an operator of backward, a module."""

from __future__ import annotations

import re

import numpy as np

from drivetrain.profile.analyse.words import Flags
from drivetrain.profile.trace import Kind, Trace

_WAIT = (
    r"^(cuda|hip|cu|mtia|xpu)\w*Synchronize(_v\d+)?$"
    r"|^(cuda|hip)(Memcpy|Memcpy2D|MemcpyToSymbol|MemcpyFromSymbol|Free|FreeHost)$"
)
"""CUDA runtime API: these synchronise, or may; a plain memcpy or free blocks until the device is done."""

_AUTOGRAD = r"^autograd::engine::|\btorch::autograd::|^\w*Backward\d*$"
"""Operators that the engine of backward runs; before torch 1.9 without a prefix of their own."""

MODULE_PREFIX = "nn.Module: "


def is_kind(trace: Trace, *kinds: Kind) -> Flags:
    """Which events are of one of these kinds; shape (N,)."""
    flags: Flags = np.isin(trace.kind, [int(kind) for kind in kinds])
    return flags


def is_named(trace: Trace, pattern: str) -> Flags:
    """Which events have a name in which this regular expression is found; shape (N,)."""
    search = re.compile(pattern).search
    told = np.array([search(name) is not None for name in trace.names], np.bool_)
    flags: Flags = told[trace.name] if len(trace) else np.zeros(0, np.bool_)
    return flags


def is_wait(trace: Trace) -> Flags:
    """Which events are calls that return only when a device has done something; shape (N,)."""
    return is_named(trace, _WAIT) & is_kind(trace, Kind.RUNTIME)


def is_autograd(trace: Trace) -> Flags:
    """Which events are operators that the engine of backward runs; shape (N,)."""
    return is_named(trace, _AUTOGRAD) & is_kind(trace, Kind.CPU_OP)


def is_module(trace: Trace) -> Flags:
    """Which events are calls of modules, as the profiler names them `with_stack`, or our own captures; shape (N,)."""
    return is_named(trace, f"^{re.escape(MODULE_PREFIX)}") & is_kind(trace, Kind.PYTHON, Kind.ANNOTATION)
