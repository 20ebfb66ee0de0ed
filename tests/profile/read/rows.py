"""A trace as plain values, so that two of them can be compared whatever numbers stand for their names."""

from __future__ import annotations

import dataclasses
from typing import Any

from drivetrain.profile import Kind, Trace

_TABLES = {"name": "names", "thread": "threads", "collective": "collectives"} | dict.fromkeys(
    ("dims", "types", "inputs", "stack", "module"), "texts"
)


def rows(trace: Trace) -> list[dict[str, Any]]:
    columns = {
        field.name: getattr(trace, field.name).tolist()
        for field in dataclasses.fields(trace)
        if field.name not in ("origin", "names", "threads", "texts", "collectives", "memory")
    }
    for name, table in _TABLES.items():
        columns[name] = [getattr(trace, table)[at] if at >= 0 else None for at in columns[name]]
    columns["kind"] = [Kind(kind) for kind in columns["kind"]]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def changes(trace: Trace) -> list[dict[str, Any]]:
    columns = {field.name: getattr(trace.memory, field.name).tolist() for field in dataclasses.fields(trace.memory)}
    columns["thread"] = [trace.threads[at] for at in columns["thread"]]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
