"""The `args` of events of one kind -> the columns that this kind has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from drivetrain.profile.read.columns import SPAN_TYPES, Columns, integers
from drivetrain.profile.read.events import NOTHING, Args
from drivetrain.profile.read.intern import JsonTexts, Numbers, PlainTexts, numbers
from drivetrain.profile.trace import NONE, Collective, Kind

_HOST = ("external", "sequence", "collective", "dims", "types", "inputs", "stack", "module")
_CALL = ("external", "correlation", "device", "stream")
_DEVICE = ("external", "correlation", "device", "stream", "size_bytes", "collective")
_PYTHON = ("python_parent", "python_id", "python_module")
FIELDS: dict[int, tuple[str, ...]] = {
    Kind.CPU_OP: _HOST,
    Kind.ANNOTATION: _HOST,
    Kind.RUNTIME: _CALL,
    Kind.KERNEL: _DEVICE,
    Kind.MEMCPY: _DEVICE,
    Kind.MEMSET: _DEVICE,
    Kind.DEVICE_ANNOTATION: _DEVICE,
    Kind.PYTHON: _PYTHON,
    Kind.SPAN: ("external",),
    Kind.OTHER: tuple(dict.fromkeys(_HOST + _DEVICE + _PYTHON)),
}
"""What is read of each kind; its other columns are NONE."""

_GET: dict[str, Callable[[Sequence[Args]], list[Any]]] = {
    "external": lambda args: [each.external for each in args],
    "sequence": lambda args: [each.sequence for each in args],
    "collective": lambda args: [each.collective for each in args],
    "dims": lambda args: [each.dims for each in args],
    "types": lambda args: [each.types for each in args],
    "inputs": lambda args: [each.inputs for each in args],
    "stack": lambda args: [each.stack for each in args],
    "module": lambda args: [each.module for each in args],
    "correlation": lambda args: [each.correlation for each in args],
    "device": lambda args: [each.device for each in args],
    "stream": lambda args: [each.stream for each in args],
    "size_bytes": lambda args: [each.size_bytes for each in args],
    "python_parent": lambda args: [each.python_parent for each in args],
    "python_id": lambda args: [each.python_id for each in args],
    "python_module": lambda args: [each.python_module for each in args],
}
"""Written out, since these take a third of the time that `attrgetter` would, on millions of events."""

_ABSENT: dict[str, object] = {"collective": None, "stack": "", "module": ""} | dict.fromkeys(
    ("dims", "types", "inputs"), NOTHING
)


class Details:
    """Makes columns of details.

    Attributes:
      texts, collectives: what columns of indices point into.
      as_json, as_text: numbers among the texts, of JSON and of a text.
    """

    def __init__(self) -> None:
        self.texts: Numbers[str] = Numbers()
        self.collectives: Numbers[Collective] = Numbers()
        self.as_json = JsonTexts(self.texts)
        self.as_text = PlainTexts(self.texts)

    def columns(self, kind: int, args: Sequence[Args]) -> Columns:
        """By name, shape (N,) each; columns that would be NONE throughout are absent."""
        found: Columns = {}
        for name in FIELDS[kind]:
            values = _GET[name](args)
            num_absent = values.count(_ABSENT.get(name, NONE))
            if num_absent and name == "external":
                values = [each.external_old if each.external == NONE else each.external for each in args]
                num_absent = values.count(NONE)
            if num_absent < len(values):
                found[name] = self._column(name, values, args)
        return found

    def _column(self, name: str, values: list[Any], args: Sequence[Args]) -> Any:
        if name in ("dims", "types", "inputs"):
            texts = b"\0".join(values).split(b"\0")  # JSON holds no zero byte; half the time of `bytes` of each
            return numbers(self.as_json, texts, len(values))
        if name in ("stack", "module"):
            return numbers(self.as_text, values, len(values))
        if name == "collective":
            return np.array([self._collective(each) for each in args], np.int32)
        return integers(values, SPAN_TYPES[name])

    def _collective(self, args: Args) -> int:
        if args.collective is None:
            return NONE
        return self.collectives[
            Collective(
                name=args.collective,
                in_elements=args.in_elements or 0,
                out_elements=args.out_elements or 0,
                dtype=args.dtype or "",
                group="" if args.group is None else str(args.group),
                group_size=args.group_size or 0,
            )
        ]
