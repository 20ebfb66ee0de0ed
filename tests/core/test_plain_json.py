"""What is read and written by the parts in C is what `json` reads and writes."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.core.plain_json import decoded, encoded, escaped

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_it_is_what_json_writes_and_reads(value: object) -> None:
    assert escaped(value) == json.dumps(value).encode()
    assert decoded(escaped(value)) == value
    try:
        expected = json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        with pytest.raises(UnicodeEncodeError):
            encoded(value)
        return
    assert encoded(value) == expected
    assert decoded(b" " + json.dumps(value, indent=1).encode() + b"\n") == value


@pytest.mark.parametrize("data", [b"", b" ", b"{", b'{"a" 1}', b"1 2", b"nul", b'"\n"', b"\xff", b"[1,]"])
def test_what_is_no_json_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - json's own, or ours, as Python comes to see it
        decoded(data)


def test_numbers_that_are_none_are_as_python_writes_them() -> None:
    assert encoded([math.inf, -math.inf]) == b"[Infinity, -Infinity]"
    assert math.isnan(decoded(b"NaN"))
    with pytest.raises(TypeError, match="set"):
        encoded({1})


def test_objects_are_made_into_what_is_wanted() -> None:
    assert decoded(b'[{"a": {"b": 1}}]', lambda found: tuple(found.items())) == [(("a", (("b", 1),)),)]
