"""Which parts of a model are gathered, recomputed and compiled one at a time."""

from __future__ import annotations

import pytest
from torch import nn

from drivetrain.core.errors import ConfigError
from drivetrain.train.blocks import find_blocks


def layer() -> nn.TransformerEncoderLayer:
    return nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)


def test_auto_takes_the_repeated_layers_and_not_what_is_in_them() -> None:
    model = nn.Sequential(nn.Linear(3, 8), nn.TransformerEncoder(layer(), 3, enable_nested_tensor=False))
    assert [type(block) for block in find_blocks(model)] == [nn.TransformerEncoderLayer] * 3


def test_auto_takes_parts_of_parts_where_only_those_repeat() -> None:
    model = nn.ModuleDict({"a": nn.Sequential(*(nn.Sequential(nn.Linear(2, 2), nn.ReLU()) for _ in range(2)))})
    assert find_blocks(model) == [*model["a"]]
    assert find_blocks(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))) == []


def test_names_are_of_classes_and_inner_blocks_come_first() -> None:
    model = nn.Sequential(layer(), nn.Linear(8, 1))
    blocks = find_blocks(model, ["TransformerEncoderLayer", "MultiheadAttention"])
    assert [type(block).__name__ for block in blocks] == ["MultiheadAttention", "TransformerEncoderLayer"]


def test_a_name_that_no_module_has_is_told_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match="wrap names Block, but") as caught:
        find_blocks(nn.Sequential(nn.Linear(1, 1), nn.ReLU()), ["Block", "Linear"])
    assert "Linear, ReLU" in caught.value.hint


def test_a_number_counts_each_parameter_for_one_block() -> None:
    model = nn.Sequential(nn.Linear(9, 9), nn.Sequential(nn.Linear(4, 4), nn.Linear(5, 5)), nn.Linear(2, 2))
    assert find_blocks(model, 50) == [model[0], model[1]]
    assert find_blocks(model, 20) == [model[0], model[1][0], model[1][1]]
    assert find_blocks(model, 1000) == []
