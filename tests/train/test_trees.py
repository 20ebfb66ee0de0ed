"""Any state survives being taken apart into JSON and tensors."""

from __future__ import annotations

from collections import Counter

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.train.trees import join, split

leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(),
    st.text(max_size=5),
)
keys = st.one_of(st.text(max_size=5), st.integers(-9, 9), st.just("$tensor"), st.just("$items"), st.just("$float"))
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(keys, inner, max_size=3),
        st.dictionaries(st.integers(0, 9), st.integers(1, 5), max_size=3).map(Counter),
    ),
    max_leaves=12,
)


@given(trees)
def test_a_state_is_the_same_after_json(tree: object) -> None:
    tensors: dict[str, torch.Tensor] = {}
    found = join(msgspec.json.decode(msgspec.json.encode(split(tree, "state", tensors))), tensors)
    assert repr(found) == repr(tree)  # and not ==, which takes 1, 1.0 and True for the same
    assert not tensors


def test_tensors_are_named_by_where_they_are() -> None:
    tensors: dict[str, torch.Tensor] = {}
    tree = {"a": [torch.ones(2), np.zeros(3)], "b": {7: torch.tensor(1.5)}, "n": np.float64(2.5)}
    found = join(split(tree, "s", tensors), tensors)
    assert sorted(tensors) == ["s/a/0", "s/a/1", "s/b/7"]
    assert found["a"][0].tolist() == [1, 1]
    assert found["b"][7].item() == 1.5
    assert found["n"] == 2.5


def test_what_cannot_be_held_is_named_with_its_place() -> None:
    with pytest.raises(TypeError, match=r"optimizer/groups/0/hook is a function"):
        split({"groups": [{"hook": lambda: 0}]}, "optimizer", {})
