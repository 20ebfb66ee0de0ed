"""What measuring a case gave, as one line of JSON; pure."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any, Literal, cast

import msgspec

FORMAT = 1
"""Of a line; a reader skips lines of later ones."""

Param = str | bool | int | float
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One figure of a case, once for each process that measured it.

    Attributes:
      unit: of the samples, such as `s`, `bytes` or an empty string.
      samples: at least one, all finite, in the order in which they were made.
      better: which way is better.
      is_judged: whether verdicts rest on it; others are recorded and shown.
    """

    unit: str
    samples: tuple[float, ...]
    better: Literal["lower", "higher"] = "lower"
    is_judged: bool = True

    def __post_init__(self) -> None:
        if not self.samples or not all(math.isfinite(sample) for sample in self.samples):
            raise ValueError(f"samples={self.samples} must be one or more finite numbers")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one session measured of one case at one commit: a line of the history.

    Where two sides were measured in turns, each is a result of its own and both have the same session and order; sample
    k of one and sample k of the other are a pair.

    Attributes:
      suite: names the file that the line lies in: letters, digits, `_`, `.` and `-`.
      case: the function that was measured.
      params: its parameters by name.
      metrics: by name; all of them have equally many samples.
      commit: of the code measured; followed by ` with uncommitted changes` where there were some.
      at_ns: when the session began, UTC since the epoch.
      environment: of the machine and the versions, as plain text.
      session: an id that all results of one session share.
      side: A is what the session measured against, B what it is about, also where there was nothing to measure against.
      against: commit of side A, for side B of a session with two sides.
      order: in which the sides took turns, such as `ABBAABBA`; empty where there was one.
      noise_floor: metric -> the share by which two measurements of the same code differed, where that was measured.
    """

    suite: str
    case: str
    params: dict[str, Param] = field(default_factory=dict)
    metrics: dict[str, Metric]
    commit: str
    at_ns: int
    environment: dict[str, str] = field(default_factory=dict)
    session: str
    side: Literal["A", "B"] = "B"
    against: str = ""
    order: str = ""
    noise_floor: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.suite):
            raise ValueError(f"suite={self.suite!r} must be letters, digits, _ . and -")
        if not self.metrics or len({len(metric.samples) for metric in self.metrics.values()}) != 1:
            raise ValueError(f"metrics={sorted(self.metrics)} must be one or more, with equally many samples each")

    @property
    def name(self) -> str:
        """The case for people: `loader/decode[threads=2]`; equal for results that can be compared."""
        params = ",".join(f"{key}={value}" for key, value in sorted(self.params.items()))
        return f"{self.suite}/{self.case}" + (f"[{params}]" if params else "")


@dataclass(frozen=True, slots=True)
class Reading:
    """What was found in a history.

    Attributes:
      results: in the order of the lines.
      skipped: why -> number of lines (or, for `unknown fields`, of lines read without them).
    """

    results: tuple[Result, ...] = ()
    skipped: dict[str, int] = field(default_factory=dict)


def result_line(result: Result) -> bytes:
    """A result as a line of JSON, with its end."""
    return msgspec.json.encode({"format": FORMAT, **_fields(result)}) + b"\n"


def read_results(lines: Iterable[bytes]) -> Reading:
    """The results of lines; what is torn, newer or no result is skipped and counted.

    Args:
      lines: with or without their ends; empty ones are no lines.
    """
    results: list[Result] = []
    skipped: Counter[str] = Counter()
    for line in lines:
        if not line.strip():
            continue
        found = _read_line(line)
        if isinstance(found, str):
            skipped[found] += 1
            continue
        result, is_whole = found
        results.append(result)
        skipped["unknown fields"] += not is_whole
    return Reading(tuple(results), {why: number for why, number in skipped.items() if number})


def joined(readings: Iterable[Reading]) -> Reading:
    """Several readings as one, by time; results of the same moment stay in their order."""
    results: list[Result] = []
    skipped: Counter[str] = Counter()
    for reading in readings:
        results += reading.results
        skipped.update(reading.skipped)
    return Reading(tuple(sorted(results, key=lambda result: result.at_ns)), dict(skipped))


def _read_line(line: bytes) -> tuple[Result, bool] | str:
    """A result and whether all fields of the line are known; or why there is none."""
    try:
        value = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError):
        return "not JSON (torn?)"
    if not isinstance(value, dict) or not isinstance(value.get("format"), int):
        return "no result"
    value = cast(dict[str, Any], value)
    if value.pop("format") > FORMAT:
        return "of a newer version"
    try:
        return msgspec.convert(value, Result), _is_known(value)
    except msgspec.ValidationError:
        return "not a result that we can read"


def _is_known(value: dict[str, Any]) -> bool:
    known = {one.name for one in fields(Metric)}
    return value.keys() <= _RESULT_FIELDS and all(metric.keys() <= known for metric in value["metrics"].values())


def _fields(result: Result) -> dict[str, Any]:
    return {name: getattr(result, name) for name in _ORDER}


_ORDER = tuple(one.name for one in fields(Result))
_RESULT_FIELDS = frozenset(_ORDER)
