from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcap.reader import make_reader
from mcap.records import Schema
from mcap_ros2.decoder import DecoderFactory

from drivetrain.core.errors import DataError, SampleError
from drivetrain.data.sources import cdr, ros2msg, standard

NESTED = """
# a comment, with = and "quotes"
uint8 KIND=3
string NAME="a # b"
std_msgs/Header header
Inner[] items
Inner[2] pair
string<=5[<=3] names
bool[4] flags
float32 x 1.5
Empty nothing
int64[] numbers
uint8[] data
================================================================================
MSG: my_msgs/Inner
float64 value
char letter
================================================================================
MSG: my_msgs/Empty
================================================================================
MSG: std_msgs/Header
builtin_interfaces/Time stamp
string frame_id
"""


def plain(value: Any) -> Any:
    if isinstance(value, SimpleNamespace):
        return {name: plain(getattr(value, name)) for name in value.__slots__}  # type: ignore[attr-defined]
    return [plain(item) for item in value] if isinstance(value, list) else value


def by_the_library(name: str, text: str, data: bytes) -> Any:
    decoder = DecoderFactory().decoder_for("cdr", Schema(id=1, data=text.encode(), encoding="ros2msg", name=name))
    assert decoder is not None
    return plain(decoder(data))


def test_messages_of_real_recordings_are_what_the_library_reads(shared_data: Path) -> None:
    num_compared = 0
    for file in sorted((shared_data / "rosbag2_samples").rglob("*.mcap")):
        with file.open("rb") as opened:
            for schema, _, message in make_reader(opened).iter_messages():
                assert schema is not None
                text = schema.data.decode()
                if "---" in text.splitlines():  # a service's call, which the library does not read
                    call = cdr.decode(ros2msg.parse(schema.name, text), message.data)
                    assert len(call["request"]) + len(call["response"]) <= 1
                elif num_compared % 7 == 0 or "Strings" in schema.name or "Arrays" in schema.name:
                    read = cdr.decode(ros2msg.parse(schema.name, text), message.data)
                    assert read == by_the_library(schema.name, text, message.data)
                num_compared += 1
    assert num_compared > 9000


_ints = st.integers(-(2**31), 2**31 - 1)
_texts = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=5)
_inner = st.fixed_dictionaries({"value": st.floats(allow_nan=False), "letter": st.integers(0, 127)})


@settings(max_examples=60, deadline=None)
@given(
    st.fixed_dictionaries(
        {
            "header": st.fixed_dictionaries(
                {
                    "stamp": st.fixed_dictionaries(
                        {"sec": st.integers(0, 2**31 - 1), "nanosec": st.integers(0, 10**9 - 1)}
                    ),
                    "frame_id": _texts,
                }
            ),
            "items": st.lists(_inner, max_size=3),
            "pair": st.lists(_inner, min_size=2, max_size=2),
            "names": st.lists(_texts, max_size=3),
            "flags": st.lists(st.booleans(), min_size=4, max_size=4),
            "x": st.floats(width=32, allow_nan=False),
            "nothing": st.just({}),
            "numbers": st.lists(_ints, max_size=4),
            "data": st.binary(max_size=6),
        }
    )
)
def test_what_is_encoded_is_decoded_again_by_us_and_by_the_library(value: dict[str, Any]) -> None:
    definition = ros2msg.parse("my_msgs/msg/Nested", NESTED)
    data = cdr.encode(definition, value)
    assert cdr.decode(definition, data) == value
    assert by_the_library("my_msgs/msg/Nested", NESTED, data) == value


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=80), st.booleans())
def test_any_bytes_are_a_message_or_one_error(tail: bytes, is_little: bool) -> None:
    definition = ros2msg.parse("my_msgs/msg/Nested", NESTED)
    with suppress(SampleError):
        assert set(cdr.decode(definition, bytes([0, is_little, 0, 0]) + tail)) == {f.name for f in definition.fields}


@pytest.mark.parametrize("kind", ["uint8[]", "float64[]", "string", "string[]", "Thing[]"])
def test_a_length_beyond_the_bytes_is_refused_before_anything_is_made(kind: str) -> None:
    definition = ros2msg.parse("my_msgs/Many", f"{kind} items\n===\nMSG: my_msgs/Thing\nuint8[1] one\n")
    with pytest.raises(SampleError, match="are promised"):
        cdr.decode(definition, b"\0\1\0\0" + b"\xff\xff\xff\xff" + b"\0" * 16)


def test_bytes_left_over_say_that_the_definition_is_another_messages() -> None:
    definition = ros2msg.parse("my_msgs/Level", "uint8 level")
    assert cdr.decode(definition, b"\0\1\0\0\5\0\0\0") == {"level": 5}
    with pytest.raises(SampleError, match="19 are left over"):
        cdr.decode(definition, b"\0\1\0\0\5" + b"\0" * 19)


@pytest.mark.parametrize("head", [b"", b"\0", b"\0\7\0\0\0\0\0\0", b"json"])
def test_what_does_not_begin_as_plain_cdr_is_refused(head: bytes) -> None:
    with pytest.raises(SampleError, match="do not begin as a CDR message"):
        cdr.decode(standard.definition_of("std_msgs/msg/String"), head)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("my_msgs/Self inner", "inside itself"),
        ("Other inner\n===\nMSG: my_msgs/Other\nSelf back", "inside itself"),
        ("Lost inner", "lacks the one of my_msgs/Lost"),
        ("wstring wide", "not read"),
        ("uint8[99999999999999999999] many", "an array of"),
        ("uint8 a\nuint8 a", "twice"),
        ("uint8", "no field"),
        ("uint8 a\n" * 200_000, "a page of text"),
    ],
)
def test_a_definition_that_cannot_be_is_refused(text: str, why: str) -> None:
    with pytest.raises(DataError, match=why):
        ros2msg.parse("my_msgs/msg/Self", text)


def test_structs_doubled_in_structs_take_no_time() -> None:
    doubled = "\n===\n".join(f"MSG: my_msgs/A{i}\nA{i + 1} x\nA{i + 1} y" for i in range(100))
    text = f"A0 first\n===\n{doubled}\n===\nMSG: my_msgs/A100\nuint8[1] end"
    definition = ros2msg.parse("my_msgs/Big", text)
    with pytest.raises(SampleError, match="too few"):
        cdr.decode(definition, b"\0\1\0\0" + b"\0" * 100)


def test_every_standard_type_has_a_definition_that_the_library_reads_too() -> None:
    from tests.data.recordings import zero

    for name in standard._TYPES:
        definition = standard.definition_of(name)
        value = zero(definition, definition.name)
        data = cdr.encode(definition, value)
        assert cdr.decode(definition, data) == value
        package, _, last = name.partition("/")
        schema = f"{package}/msg/{last}"
        assert by_the_library(schema, standard.definition_text(schema), data) == value
