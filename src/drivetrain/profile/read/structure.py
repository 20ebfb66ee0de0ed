"""Where JSON text divides: exact, whatever is in its strings, for the places where a guess will not do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_DEPTH = np.zeros(256, np.int8)
_DEPTH[[ord("{"), ord("[")]] = 1
_DEPTH[[ord("}"), ord("]")]] = -1
_MARKS = _DEPTH != 0
_MARKS[ord(",")] = True


@dataclass(frozen=True, slots=True)
class Parts:
    """How far a text that begins between two values of an array or object goes.

    Attributes:
      commas: where values end that others follow.
      end: where the array or object itself ends, None where it goes on.
      is_whole: with no end: the last value could be complete, for no bracket or string is open.
    """

    commas: list[int]
    end: int | None
    is_whole: bool


def parts_of(text: bytes) -> Parts:
    """Divide a text at the commas that are in no string and no bracket."""
    codes = np.frombuffer(text or b" ", np.uint8)
    quotes = _quotes(codes)
    marks = np.flatnonzero(_MARKS[codes])
    marks = marks[np.searchsorted(quotes, marks) % 2 == 0]
    depths = np.cumsum(_DEPTH[codes[marks]], dtype=np.int64)
    ends = np.flatnonzero(depths < 0)
    if len(ends):
        marks, depths = marks[: ends[0] + 1], depths[: ends[0] + 1]
    commas = marks[(depths == 0) & (codes[marks] == ord(","))]
    is_whole = len(quotes) % 2 == 0 and (not len(depths) or depths[-1] == 0)
    return Parts(commas.tolist(), int(marks[-1]) if len(ends) else None, is_whole)


def _quotes(codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.intp]:
    """Where strings begin and end: quotes after an even number of backslashes."""
    quotes = np.flatnonzero(codes == ord('"'))
    slashes = np.flatnonzero(codes == ord("\\"))
    if not len(slashes):
        return quotes
    begins = slashes[np.diff(slashes, prepend=-2) != 1]  # of runs of them
    runs = np.searchsorted(begins, quotes) - 1
    is_behind = (runs >= 0) & (codes[np.maximum(quotes - 1, 0)] == ord("\\"))
    is_escaped: npt.NDArray[np.bool_] = is_behind & ((quotes - begins[runs]) % 2 == 1)
    return quotes[~is_escaped]
