"""Many small contents travel in one message, and what is cut off is refused."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.compute.snapshot.batches import MOST_BATCH_BYTES, Batch, decode_batch
from drivetrain.core.errors import DataError

CONTENTS = st.lists(st.binary(max_size=300), max_size=20)


def batch_of(contents: list[bytes]) -> Batch:
    batch = Batch()
    for content in contents:
        batch.add(hashlib.sha256(content).hexdigest(), content)
    return batch


@settings(max_examples=50, deadline=None)
@given(CONTENTS)
def test_what_is_sent_together_arrives_as_it_was(contents: list[bytes]) -> None:
    found = list(decode_batch(batch_of(contents).encoded()))
    assert found == [(hashlib.sha256(content).hexdigest(), content) for content in contents]


@settings(max_examples=50, deadline=None)
@given(CONTENTS.filter(bool), st.data())
def test_a_message_that_is_cut_off_within_a_content_is_refused(contents: list[bytes], data: st.DataObject) -> None:
    sent = batch_of(contents).encoded()
    last = 72 + len(contents[-1])
    cut = data.draw(st.integers(1, last - 1))
    with pytest.raises(DataError, match="is cut off"):
        list(decode_batch(sent[:-cut]))


def test_a_size_beyond_all_bounds_is_refused() -> None:
    with pytest.raises(DataError, match="is cut off"):
        list(decode_batch(b"0" * 64 + b"\xff" * 8 + b"x"))


def test_a_batch_is_bounded_in_bytes_and_contents() -> None:
    batch = Batch()
    assert batch.has_room(1000)
    assert not batch.has_room(MOST_BATCH_BYTES)
    for _ in range(1000):
        batch.add("0" * 64, b"")
    assert not batch.has_room(0)
