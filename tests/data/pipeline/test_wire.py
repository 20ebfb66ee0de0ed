"""Entries come back from bytes as they were, and bytes that are none of ours are one error."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from drivetrain.core.errors import StoreError, UsageError
from drivetrain.data.log import Box, Intrinsics, Lane, Message, Pose
from drivetrain.data.pipeline import Bad, Entry, Item, Unread
from drivetrain.data.pipeline.wire import decode, encode

KINDS = st.sampled_from(["<f8", "<f4", "|u1", "<i8", "|b1", "<U3", "<M8[ns]", "<c16"])
ARRAYS = KINDS.flatmap(lambda kind: hnp.arrays(np.dtype(kind), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0)))
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
POSES = st.builds(Pose, st.just((1.0, float("nan"), -0.0)), st.just((1.0, 0.0, 0.0, 0.0)))
UNREAD = st.builds(Unread, st.text(), st.integers(0, 2**40))
ITEMS = st.builds(
    Item,
    st.text(),
    st.integers(0, 2**40),
    st.dictionaries(st.text(), ARRAYS | PLAIN | POSES | UNREAD, max_size=4),
    st.dictionaries(st.text(), PLAIN, max_size=3),
)
ENTRIES = st.builds(
    Entry,
    st.integers(0, 2**40),
    st.lists(ITEMS, max_size=3).map(tuple),
    st.lists(st.text(), max_size=2).map(tuple),
    st.lists(st.builds(Bad, st.text(), st.text(), st.text()), max_size=2).map(tuple),
)


@settings(max_examples=60)
@given(ENTRIES)
def test_entries_come_back_as_they_were(entry: Entry) -> None:
    data = encode(entry)
    back = decode(data)
    assert encode(back) == data
    assert (back.number, back.dropped, back.bad) == (entry.number, entry.dropped, entry.bad)
    assert back.num_bytes == entry.num_bytes
    for before, after in zip(entry.items, back.items, strict=True):
        assert (before.key, before.number, list(before.parts)) == (after.key, after.number, list(after.parts))
        for name, value in before.parts.items():
            assert type(after.parts[name]) is type(value)
            if isinstance(value, np.ndarray):
                np.testing.assert_array_equal(after.parts[name], value)


def test_what_streams_give_comes_back() -> None:
    lens = Intrinsics(1.0, 2.0, 3.0, 4.0, 5, 6)
    box = Box("car", (1.0, 2.0, 3.0), (4.0, 5.0, 6.0), 0.5, "t1", (1.0, 2.0))
    lane = Lane("a", np.zeros((2, 2)), np.ones((2, 2)), ("b",))
    message = Message("std_msgs/String", "json", b"{}", {"data": "x"})
    parts: dict[str, Any] = {"lens": lens, "boxes": (box, box), "lanes": (lane,), "message": message}
    back = decode(encode(Entry(0, (Item("k", 0, parts, {}),)))).items[0].parts
    assert (back["lens"], back["boxes"], back["message"]) == (lens, (box, box), message)
    np.testing.assert_array_equal(back["lanes"][0].right_N2, lane.right_N2)  # type: ignore[index]


@pytest.mark.parametrize(
    ("value", "what"), [(np.array([object()]), "array of object"), (print, "builtin_function"), ({1, 2}, "set")]
)
def test_what_cannot_be_stored_is_named(value: object, what: str) -> None:
    with pytest.raises(UsageError, match=rf"front-1\.image is .*{what}"):
        encode(Entry(0, (Item("front-1", 0, {"image": value}, {}),)))


@settings(max_examples=200)
@given(st.data())
def test_damaged_bytes_are_an_entry_or_one_error(data: st.DataObject) -> None:
    array = np.arange(6, dtype=np.int16).reshape(2, 3)
    whole = bytearray(encode(Entry(3, (Item("k", 3, {"x": array, "u": Unread("s", 1)}, {"n": 1}),), ("op",))))
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = decode(bytes(whole[: data.draw(st.integers(0, len(whole)))]))
    except StoreError:
        return
    assert isinstance(found, Entry)
