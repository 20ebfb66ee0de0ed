"""Read a gzipped pandas table without pandas and without trust.

A pickle is a program: opened plainly it can run anything. Here each name it asks for must be on a short list, and every
name on it stands for a small class of ours that only keeps what it is given, so nothing of numpy's or pandas' runs
while the pickle does. Afterwards plain arrays are made from what was kept.
"""

from __future__ import annotations

import gzip
import io
import pickle
import pickletools
import zlib
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from drivetrain.core.errors import SampleError, UnsafePickleError
from drivetrain.core.units import bytes_text

_MOST_BYTES = 256 << 20
# Whatever damaged or foreign bytes make the unpickler, or our reading of what it kept, stumble over.
_NOT_A_TABLE = (
    pickle.UnpicklingError,
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
)
_HINT = "open it only if you trust who made it, with their own tool, and convert it to parquet"


def read_table(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """The columns of a gzipped, pickled pandas DataFrame: numbers, or Python objects where the column has text.

    Raises:
      UnsafePickleError: it asks for a name that plain tables do not need; nothing of it was run.
      SampleError: the file cannot be read, is not such a table, or is larger than 256 MiB when unpacked.
    """
    data = _unpack(path)
    try:
        _refuse_large_memo(data, path)
        frame = _Unpickler(data, path).load()
        if not isinstance(frame, _Frame):
            raise TypeError(f"it holds a {type(frame).__name__.strip('_')}")
        return _columns(frame)
    except _NOT_A_TABLE as exc:
        raise SampleError(f"{path} is not a pickled pandas table: {exc}") from exc


def _unpack(path: Path) -> bytes:
    try:
        with gzip.open(path) as file:
            data = file.read(_MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as exc:
        raise SampleError(f"{path} cannot be unpacked: {exc}") from exc
    if len(data) > _MOST_BYTES:
        raise SampleError(f"{path} is larger than {bytes_text(_MOST_BYTES)} when unpacked")
    return data


def _refuse_large_memo(data: bytes, path: Path) -> None:
    """A few bytes can ask the unpickler for a memo of gigabytes; an honest pickle numbers its entries one by one."""
    for number, (opcode, argument, _) in enumerate(pickletools.genops(data)):
        if opcode.name.endswith("PUT") and int(str(argument)) > number:
            raise UnsafePickleError(f"{path} asks for memo entry {argument} at operation {number}", hint=_HINT)


class _Sealed(type):
    """A class that a pickle cannot change."""

    def __setattr__(cls, name: str, value: object) -> NoReturn:
        raise UnsafePickleError(f"the pickle tried to set {name} of {cls.__name__}", hint=_HINT)


class _Kept(metaclass=_Sealed):
    """Keeps the arguments and the state it was given."""

    args: tuple[Any, ...] = ()
    state: Any = None

    def __new__(cls, *args: object) -> _Kept:
        kept = super().__new__(cls)
        kept.__dict__["args"] = args
        return kept

    def __setstate__(self, state: object) -> None:
        self.__dict__["state"] = state


class _Frame(_Kept):
    pass


class _Blocks(_Kept):
    pass


class _Index(_Kept):
    pass


class _Array(_Kept):
    pass


class _Dtype(_Kept):
    pass


class _Slice(_Kept):
    pass


_ALLOWED: dict[tuple[str, str], type[_Kept]] = {
    ("pandas.core.frame", "DataFrame"): _Frame,
    ("pandas.core.internals.managers", "BlockManager"): _Blocks,
    ("pandas.core.internals", "BlockManager"): _Blocks,
    ("pandas.core.indexes.base", "_new_Index"): _Index,
    ("pandas.core.indexes.base", "Index"): _Kept,
    ("pandas.core.indexes.range", "RangeIndex"): _Kept,
    ("pandas.core.indexes.numeric", "Int64Index"): _Kept,
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy", "ndarray"): _Kept,
    ("numpy", "dtype"): _Dtype,
    ("builtins", "slice"): _Slice,
}


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: bytes, path: Path) -> None:
        super().__init__(io.BytesIO(data))
        self._path = path

    def find_class(self, module: str, name: str) -> type[_Kept]:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise UnsafePickleError(
                f"{self._path} was not opened: its pickle asks for {module}.{name}, which no plain table needs",
                hint=_HINT,
            ) from None

    def persistent_load(self, pid: object) -> NoReturn:
        raise UnsafePickleError(f"{self._path} was not opened: its pickle asks for an outside object {pid!r}")


def _columns(frame: _Frame) -> dict[str, np.ndarray[Any, Any]]:
    """Arrays by column name from what the stand-ins kept (the layout pandas calls 0.14.1, in use since 2014)."""
    state: dict[str, Any] = frame.state
    manager: _Blocks = state["_data"] if "_data" in state else state["_mgr"]
    layout = manager.state[-1]["0.14.1"]
    names = _array(layout["axes"][0].args[1]["data"])
    columns: dict[str, np.ndarray[Any, Any]] = {}
    for block in layout["blocks"]:
        where = block["mgr_locs"]
        places = range(len(names))[slice(*where.args)] if isinstance(where, _Slice) else _array(where)
        for place, values in zip(places, _array(block["values"]), strict=True):
            columns[str(names[place])] = values
    return columns


def _array(kept: _Array) -> np.ndarray[Any, Any]:
    _, shape, dtype, is_fortran, content = kept.state
    kind, byte_order = str(dtype.args[0]), dtype.state[1]
    values: np.ndarray[Any, Any]
    if isinstance(content, list):
        values = np.empty(len(content), object)
        values[:] = content
    elif kind[0] in "biuf":
        values = np.frombuffer(content, np.dtype(kind).newbyteorder(byte_order))
    else:
        raise ValueError(f"a column of numpy type {kind!r}")
    return values.reshape(tuple(shape), order="F" if is_fortran else "C")
