"""One training example: a key, named parts, and the columns of its row in the index."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import cast

import pyarrow as pa

from drivetrain.core.errors import DataError
from drivetrain.data.arrays import Bytes
from drivetrain.data.codec import codec_of
from drivetrain.data.log import Intrinsics

_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_+=@,-]*(/[A-Za-z0-9_+=@,-]+)*")
_COLUMN = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_MOST_CHARACTERS = 100  # of a member's name in a plain tar header
RESERVED = frozenset({"key", "shard"})
"""Columns that the index has for itself."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A sample as bytes.

    Attributes:
      key: unique in its data set; letters, digits, and `_ + = @ , - /`, without a dot, so that the first dot of a
        member's name in a shard ends it.
      parts: name -> bytes; a name's ending says its codec (`image.jpg`, `track.npy`).
      columns: its row of the index but for where its bytes are: name -> a value that Arrow can hold. `split` says what
        it is for: `train` when it is left out, nothing when it is None.
    """

    key: str
    parts: Mapping[str, bytes]
    columns: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not _KEY.fullmatch(self.key):
            raise ValueError(f"key {self.key!r} has characters other than letters, digits and _ + = @ , - /")
        for part in self.parts:
            codec_of(part)
            if len(self.key) + 1 + len(part) > _MOST_CHARACTERS:
                raise ValueError(f"{self.key}.{part} has more than {_MOST_CHARACTERS} characters: choose a shorter key")
        check_columns(self.columns)


@dataclass(frozen=True, eq=False)
class Sample:
    """A sample, decoded.

    Attributes:
      key: unique in the data set.
      row: its place in the index that it was read through.
      parts: name -> value: RGB image (uint8, HW3) for `jpg`, label map (uint8, HW) for `png`, array for `npy`, plain
        values for `json`, else bytes.
      columns: the rest of its row of the index, fetched as they are asked for.
    """

    key: str
    row: int
    parts: Mapping[str, object]
    columns: Mapping[str, object]

    @property
    def image(self) -> Bytes:
        """The part `image.jpg`: RGB, uint8, H x W x 3."""
        return cast(Bytes, self._part("image.jpg"))

    @property
    def label(self) -> Bytes:
        """The part `label.png`: group per pixel, uint8, H x W; 255 is unlabelled."""
        return cast(Bytes, self._part("label.png"))

    @property
    def t_ns(self) -> int:
        """When the frame was taken."""
        return cast(int, self._column("t_ns"))

    @property
    def lidar_offset_ns(self) -> int:
        """Stamp of its sweep minus `t_ns`."""
        return cast(int, self._column("lidar_offset_ns"))

    @property
    def intrinsics(self) -> Intrinsics:
        """Of the stored image."""
        names = ("fx", "fy", "cx", "cy", "width", "height")
        return Intrinsics(*(self._column(name) for name in names))  # type: ignore[arg-type]  # build_dataset's numbers

    def _part(self, name: str) -> object:
        return _looked_up(self.parts, name, f"sample {self.key} has no part {name}")

    def _column(self, name: str) -> object:
        return _looked_up(self.columns, name, f"sample {self.key} has no column {name}")


class Row(Mapping[str, object]):
    """Columns of one row of an Arrow table as Python values, each fetched when it is asked for."""

    def __init__(self, table: pa.Table, row: int, names: tuple[str, ...]) -> None:
        """Look at a row.

        Args:
          table: that has it.
          row: its number there.
          names: of the columns that show.
        """
        self._table, self._row, self._names = table, row, names

    def __getitem__(self, name: str) -> object:
        if name not in self._names:
            raise KeyError(name)
        return self._table.column(name)[self._row].as_py()

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return repr(dict(self))


def check_columns(names: Mapping[str, object]) -> None:
    """Raises ValueError: a column's name is not a plain word, or one of the index's own."""
    for name in names:
        if name in RESERVED or not _COLUMN.fullmatch(name):
            raise ValueError(
                f"a column is called {name!r}; expected a word of letters, digits and _, other than "
                + " and ".join(sorted(RESERVED))
            )


def _looked_up(values: Mapping[str, object], name: str, problem: str) -> object:
    if name not in values:
        raise DataError(problem, hint=f"it has {', '.join(values)}")
    return values[name]
