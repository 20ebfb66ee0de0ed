"""Ways in which programs write a trace: each gives the same events as bytes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Event = Mapping[str, Any]

BEFORE: dict[str, Any] = {
    "schemaVersion": 1,
    "deviceProperties": [{"id": 0, "name": 'V100 {"traceEvents": [', "totalGlobalMem": 34084028416, "numSms": 80}],
    "distributedInfo": {"backend": "nccl", "rank": 5, "world_size": 8},
}
AFTER: dict[str, Any] = {
    "displayTimeUnit": "ms",
    "otherData": [{"name": "x"}, {"name": "}, {"}],
    "baseTimeNanoseconds": 1_700_000_000_000_000_000,
}


def compact(events: Sequence[Event]) -> bytes:
    return json.dumps({**BEFORE, "traceEvents": events, **AFTER}, separators=(",", ":")).encode()


def plain(events: Sequence[Event]) -> bytes:
    return json.dumps({**BEFORE, "traceEvents": events, **AFTER}, ensure_ascii=False).encode(errors="surrogatepass")


def indented(events: Sequence[Event]) -> bytes:
    return json.dumps({"traceEvents": events, **BEFORE, **AFTER}, indent=2).encode()


def tabbed(events: Sequence[Event]) -> bytes:
    text = json.dumps({**BEFORE, **AFTER, "traceEvents": events}, indent="\t", separators=(" ,", " : "))
    return b"\xef\xbb\xbf \r\n" + text.replace("\n", "\r\n").encode() + b"\n"


def chrome(events: Sequence[Event]) -> bytes:
    """As Chrome's own export: an event a line."""
    return b'{"traceEvents":[' + b",\n".join(_line(event) for event in events) + b'],\n"metadata":' + _rest() + b"}"


def kineto(events: Sequence[Event]) -> bytes:
    """As libkineto prints: details on lines of their own, metadata on both sides."""
    rows = []
    for event in events:
        head = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in event.items() if key != "args"]
        text = "  {\n    " + ", ".join(head[:3]) + ",\n    " + ", ".join(head[3:])
        if "args" in event:
            text += ',\n    "args": {\n      ' + json.dumps(event["args"])[1:-1] + "\n    }"
        rows.append(text + "\n  }")
    head = json.dumps(BEFORE, indent=2)[:-2] + ',\n  "traceEvents": [\n'
    return (head + ",\n".join(rows) + "\n  ],\n  " + json.dumps(AFTER)[1:-1] + "\n}\n").encode()


def bare(events: Sequence[Event]) -> bytes:
    return json.dumps(events).encode()


def bare_lines(events: Sequence[Event]) -> bytes:
    return b"[\n" + b",\n".join(_line(event) for event in events) + b"\n]\n"


WRITERS: dict[str, Callable[[Sequence[Event]], bytes]] = {
    writer.__name__: writer for writer in (compact, plain, indented, tabbed, chrome, kineto, bare, bare_lines)
}


def _line(event: Event) -> bytes:
    return json.dumps(event, separators=(",", ":")).encode()


def _rest() -> bytes:
    return json.dumps({**BEFORE, **AFTER}).encode()
