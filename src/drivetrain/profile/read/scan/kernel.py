"""The compiler of kernels, and what Python has no words for: imported with them, only to make machine code of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, get_type_hints

from drivetrain.core.extras import require
from drivetrain.profile.read.scan.memory import Floats, Found, Rows, Text, Tokens
from drivetrain.profile.trace import Ints

_Kernel = TypeVar("_Kernel", bound=Callable[..., Any])
_numba: Any = require("numba", extra="profile")
_extending: Any = require("numba.extending", extra="profile")
_ir: Any = require("llvmlite.ir", extra="profile")
_types = _numba.types


def _addresses(group: type[NamedTuple]) -> Any:
    return _types.NamedTuple([_TYPES[each] for each in get_type_hints(group).values()], group)


_TYPES: dict[Any, Any] = {
    int: _types.int64,
    float: _types.float64,
    bool: _types.boolean,
    tuple[float, int]: _types.Tuple((_types.float64, _types.int64)),
    Text: _types.CPointer(_types.uint8),
    Ints: _types.CPointer(_types.int64),
    Floats: _types.CPointer(_types.float64),
}
_TYPES |= {group: _addresses(group) for group in (Tokens, Found, Rows)}


def signature(function: Callable[..., Any]) -> Any:
    """What it takes and gives, as numba has it: an array is the address of its first element."""
    *taken, given = (_TYPES[hint] for hint in get_type_hints(function).values())
    return given(*taken)


def kernel(function: _Kernel) -> _Kernel:
    """The function, compiled; it raises nothing and asks for no memory."""
    compile_: Any = _numba.njit(
        signature(function), error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True
    )
    compiled: _Kernel = compile_(function)
    return compiled


def _eight_bytes(_context: Any, text: Any, _at: Any) -> Any:
    """Eight bytes of a text, from any place, as an unsigned integer whose lowest digits are the first byte."""

    def code(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        place = builder.gep(args[0], [args[1]])
        word = builder.load(builder.bitcast(place, _ir.IntType(64).as_pointer()))
        word.align = 1
        return word

    return _types.uint64(text, _types.int64), code


def _num_low_zeros(_context: Any, _word: Any) -> Any:
    """How many of the lowest digits of an integer, which is not 0, are 0."""

    def code(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], _ir.Constant(_ir.IntType(1), 1))

    return _types.int64(_types.uint64), code


eight_bytes: Any = _extending.intrinsic(_eight_bytes)
num_low_zeros: Any = _extending.intrinsic(_num_low_zeros)
