"""Numbers out of CAN frames by a table in DBC style, all frames of a message at once.

A table has a line for each message and one for each of its signals:

    BO_ 170 wheel_speeds: 8
     SG_ front_left : 23|16@0+ (0.01,-67.67) "kph"

which reads: address 170, 8 bytes; from bit 23 sixteen bits, most significant first (`@0`; `@1` is least significant
first), without sign (`+`; `-` is two's complement), times 0.01 plus -67.67, in km/h. Bits of a byte are numbered from
its least significant one, so bit 23 is the highest of byte 2. What DBC files say beyond that (ranges, receivers, other
lines) is passed over. A name that a message lists twice is one signal in two parts, whose values are added. A unit that
is not ours is converted, and the unit ends the name of the field: `front_left_m_per_s`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

import numpy as np

from drivetrain.core.errors import DataError
from drivetrain.data.arrays import Bytes, Floats

FRAME_BYTES = 8
_UNITS = {
    "kph": ("m_per_s", 1 / 3.6),
    "m/s": ("m_per_s", 1.0),
    "deg": ("deg", 1.0),
    "deg/s": ("rad_per_s", math.pi / 180),
    "": ("", 1.0),
}
"""Unit of a table -> what ends the field's name, and what a value is multiplied by."""

_NUMBER = r"([-+0-9.eE]+)"
_MESSAGE = re.compile(r"BO_ (\d+) (\w+): [0-8]\b")
_SIGNAL = re.compile(rf"SG_ (\w+) : (\d+)\|(\d+)@([01])([+-]) \({_NUMBER},{_NUMBER}\)[^\"]*\"([^\"]*)\"")


@dataclass(frozen=True, slots=True)
class Signal:
    """Where a number is in a frame, and what it means.

    Attributes:
      name: without its unit.
      address: of the message that carries it.
      bus: that the message is on.
      start_bit: of its most significant bit where `order` is big, of its least significant one where it is little.
      num_bits: 1 to 64.
      order: of its bytes.
      is_signed: two's complement.
      scale, offset: value = (count * scale + offset) * factor; in this order, so that values are the same to the last
        bit as those of other readers of such tables.
      factor: from the table's unit to ours.
      unit: ours, as it ends a name; empty for a plain number.
    """

    name: str
    address: int
    bus: int
    start_bit: int
    num_bits: int
    order: Literal["big", "little"] = "big"
    is_signed: bool = False
    scale: float = 1.0
    offset: float = 0.0
    factor: float = 1.0
    unit: str = ""

    def __post_init__(self) -> None:
        if not (1 <= self.num_bits <= 64 and 0 <= self._shift <= 64 - self.num_bits):
            raise ValueError(
                f"signal {self.name} has {self.num_bits} bits from bit {self.start_bit}; not all are in a frame of "
                f"{FRAME_BYTES} bytes"
            )

    @property
    def field(self) -> str:
        """The name that ends with the unit."""
        return f"{self.name}_{self.unit}" if self.unit else self.name

    @property
    def _shift(self) -> int:
        """How many bits are below it when the frame is read as one number in its order."""
        if self.order == "little":
            return self.start_bit
        from_the_top = self.start_bit // 8 * 8 + 7 - self.start_bit % 8
        return 64 - from_the_top - self.num_bits

    def decode(self, data_N8: Bytes) -> Floats:
        """Values of all frames, float64, N."""
        frames = np.ascontiguousarray(data_N8).view(">u8" if self.order == "big" else "<u8")[:, 0].astype(np.uint64)
        unused = np.uint64(64 - self.num_bits)
        topmost = frames << (unused - np.uint64(self._shift))
        counts = topmost.view(np.int64) >> unused.astype(np.int64) if self.is_signed else topmost >> unused
        values: Floats = (counts.astype(np.float64) * self.scale + self.offset) * self.factor
        return values


@dataclass(frozen=True, slots=True)
class CanMessage:
    """The signals that come in one message, in the table's order; of one name, the parts of one number."""

    name: str
    address: int
    bus: int
    signals: tuple[Signal, ...]

    @property
    def fields(self) -> tuple[str, ...]:
        """What its numbers are called, each once."""
        return tuple(dict.fromkeys(signal.field for signal in self.signals))

    def decode(self, data_N8: Bytes) -> Floats:
        """Values of all frames, float64, N x number of fields."""
        fields = self.fields
        values = np.zeros((len(data_N8), len(fields)))
        for signal in self.signals:
            values[:, fields.index(signal.field)] += signal.decode(data_N8)
        return values


def parse_table(text: str, *, bus: int, where: str) -> tuple[CanMessage, ...]:
    """Messages of a table in DBC style.

    Args:
      text: the table.
      bus: that its messages are on; DBC files do not say.
      where: names the table in errors.
    Raises: DataError: a line that begins like a message or a signal but is none, or a unit that we do not know.
    """
    messages: list[CanMessage] = []
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if not line.startswith(("BO_ ", "SG_ ")):
            continue
        try:
            if line.startswith("BO_ "):
                messages.append(_message(line, bus))
            else:
                last = messages.pop()
                added = _signal(line, last.address, bus)
                messages.append(CanMessage(last.name, last.address, bus, (*last.signals, added)))
        except (ValueError, LookupError) as exc:
            raise DataError(
                f"{where}, line {number}: {line!r} cannot be used: {exc or 'no message before it'}"
            ) from exc
    return tuple(messages)


def _message(line: str, bus: int) -> CanMessage:
    match = _MESSAGE.match(line)
    if match is None:
        raise ValueError("expected `BO_ ADDRESS NAME: NUMBER_OF_BYTES`, at most 8 bytes")
    return CanMessage(match[2], int(match[1]), bus, ())


def _signal(line: str, address: int, bus: int) -> Signal:
    match = _SIGNAL.match(line)
    if match is None:
        raise ValueError('expected `SG_ NAME : START|BITS@ORDER SIGN (SCALE,OFFSET) "UNIT"`')
    if match[8] not in _UNITS:
        raise ValueError(f"its unit {match[8]!r} is none of {', '.join(map(repr, _UNITS))}")
    unit, factor = _UNITS[match[8]]
    return Signal(
        name=match[1],
        address=address,
        bus=bus,
        start_bit=int(match[2]),
        num_bits=int(match[3]),
        order="big" if match[4] == "0" else "little",
        is_signed=match[5] == "-",
        scale=float(match[6]),
        offset=float(match[7]),
        factor=factor,
        unit=unit,
    )
