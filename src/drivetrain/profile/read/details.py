"""The `args` of events of one kind -> the columns that this kind has."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

import numpy as np

from drivetrain.profile.read.columns import SPAN_TYPES, Columns, integers
from drivetrain.profile.read.events import Args
from drivetrain.profile.read.intern import JsonTexts, Numbers, PlainTexts, numbers
from drivetrain.profile.trace import NONE, Collective, Kind

_HOST = ("external", "external_old", "sequence", "collective", "dims", "types", "inputs", "stack", "module")
_DEVICE = ("external", "external_old", "correlation", "device", "stream", "size_bytes", "collective")
_PYTHON = ("python_parent", "python_id", "python_module")
_FIELDS: dict[int, tuple[str, ...]] = {
    Kind.CPU_OP: _HOST,
    Kind.ANNOTATION: _HOST,
    Kind.RUNTIME: _DEVICE,
    Kind.KERNEL: _DEVICE,
    Kind.MEMCPY: _DEVICE,
    Kind.MEMSET: _DEVICE,
    Kind.DEVICE_ANNOTATION: _DEVICE,
    Kind.PYTHON: _PYTHON,
    Kind.SPAN: ("external", "external_old"),
    Kind.OTHER: tuple(dict.fromkeys(_HOST + _DEVICE + _PYTHON)),
}
"""What is read of each kind; its other columns are NONE."""

_GETTERS = {kind: attrgetter(*fields) for kind, fields in _FIELDS.items()}


class Details:
    """Makes columns of details.

    Attributes:
      texts, collectives: what columns of indices point into.
    """

    def __init__(self) -> None:
        self.texts: Numbers[str] = Numbers()
        self.collectives: Numbers[Collective] = Numbers()
        as_json, as_text = JsonTexts(self.texts), PlainTexts(self.texts)
        self._raw = {"dims": as_json, "types": as_json, "inputs": as_json, "stack": as_text, "module": as_text}

    def columns(self, kind: int, args: Sequence[Args]) -> Columns:
        """By name, shape (N,) each; a column that would be NONE throughout may be absent."""
        values = dict(zip(_FIELDS[kind], zip(*map(_GETTERS[kind], args), strict=True), strict=True))
        older = values.pop("external_old", ())
        found: Columns = {}
        for name, column in values.items():
            if name in self._raw:
                found[name] = numbers(self._raw[name], map(bytes, column), len(args))
            elif name == "collective":
                if column.count(None) < len(args):
                    found[name] = np.array([self._collective(each) for each in args], np.int32)
            elif column.count(NONE) < len(args):
                found[name] = integers(column, SPAN_TYPES[name])
        if older.count(NONE) < len(older):
            newer = found.get("external", NONE)
            found["external"] = np.where(newer == NONE, integers(older, SPAN_TYPES["external"]), newer)
        return found

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
