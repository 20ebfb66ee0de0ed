from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.core.errors import DataError
from drivetrain.data.sources.signals import Signal, parse_table

TABLE = """
VERSION ""
BO_ 170 wheels: 8 ABS
 SG_ left : 7|16@0+ (0.01,-67.67) [0|250] "kph" XXX
 SG_ right m0 : 23|16@0+ (0.01,-67.67) [0|250] "kph" XXX
"""


def _by_hand(signal: Signal, frame: bytes) -> int:
    """The count bit by bit: from the highest bit down the bytes, or from the lowest up."""
    bits = [(frame[n // 8] >> (n % 8)) & 1 for n in range(64)]
    if signal.order == "little":
        taken = bits[signal.start_bit : signal.start_bit + signal.num_bits][::-1]
    else:
        first = signal.start_bit // 8 * 8 + 7 - signal.start_bit % 8
        downwards = [n // 8 * 8 + 7 - n % 8 for n in range(first, first + signal.num_bits)]
        taken = [bits[n] for n in downwards]
    count = int("".join(map(str, taken)), 2)
    return count - (1 << signal.num_bits) if signal.is_signed and taken[0] else count


@given(data=st.data(), frames=st.lists(st.binary(min_size=8, max_size=8), min_size=1, max_size=5))
def test_a_signal_is_what_its_bits_say(data: st.DataObject, frames: list[bytes]) -> None:
    order = data.draw(st.sampled_from(["big", "little"]))
    start, is_signed = data.draw(st.integers(0, 63)), data.draw(st.booleans())
    room = 64 - start if order == "little" else 64 - (start // 8 * 8 + 7 - start % 8)
    num_bits = data.draw(st.integers(1, room))
    signal = Signal("x", 1, 0, start, num_bits, order, is_signed, scale=0.5, offset=-3.0, factor=2.0)  # type: ignore[arg-type]
    values = signal.decode(np.frombuffer(b"".join(frames), np.uint8).reshape(-1, 8))
    assert values.dtype == np.float64
    assert values.tolist() == [(float(_by_hand(signal, frame)) * 0.5 - 3.0) * 2.0 for frame in frames]


def test_a_table_gives_fields_whose_names_end_with_our_units() -> None:
    (wheels,) = parse_table(TABLE.replace(" m0", ""), bus=2, where="table")
    assert (wheels.name, wheels.address, wheels.bus, wheels.fields) == (
        "wheels",
        170,
        2,
        ("left_m_per_s", "right_m_per_s"),
    )
    frame = np.frombuffer((10367).to_bytes(2, "big") + bytes(6), np.uint8).reshape(1, 8)
    assert wheels.decode(frame)[0] == pytest.approx([10.0, -67.67 / 3.6])


def test_a_name_listed_twice_is_the_sum_of_its_parts() -> None:
    text = 'BO_ 37 steering: 8 X\n SG_ angle : 3|12@0- (1.5,0) "deg"\n SG_ angle : 39|4@0- (0.1,0) "deg"'
    (steering,) = parse_table(text, bus=0, where="table")
    frame = np.frombuffer(bytes([0x0F, 0xFE, 0, 0, 0x30, 0, 0, 0]), np.uint8).reshape(1, 8)
    assert steering.fields == ("angle_deg",)
    assert steering.decode(frame).tolist() == [[-2 * 1.5 + 3 * 0.1]]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("BO_ x wheels: 8", "line 1"),
        ("BO_ 1 wheels: 64", "at most 8 bytes"),
        (' SG_ a : 7|16@0+ (1,0) "kph"', "no message before it|pop from empty"),
        ('BO_ 1 a: 8\n SG_ b : 7|16@0+ (1;0) "kph"', "line 2"),
        ('BO_ 1 a: 8\n SG_ b : 7|16@0+ (1,0) "furlong"', "'furlong' is none of"),
        ('BO_ 1 a: 8\n SG_ b : 56|9@0+ (1,0) "kph"', "not all are in a frame"),
        ('BO_ 1 a: 8\n SG_ b : 7|16@0+ (1e,0) "kph"', "line 2"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(line: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        parse_table(line, bus=0, where="our table")
