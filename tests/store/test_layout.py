"""How tensors lie in files: shared out without gaps, and as the safetensors library has it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open

from drivetrain.core.errors import DataError
from drivetrain.store import layout
from drivetrain.store.layout import DTYPES, Block, merge, overlap, plan_file, read_header, share_out
from drivetrain.store.writing import tensors_of

shapes = st.lists(st.integers(0, 5), max_size=3).map(tuple)


def whole(name: str, shape: tuple[int, ...], dtype: str = "float32") -> Block:
    return Block(name, dtype, shape, (0,) * len(shape), shape, is_everywhere=True)


@given(st.lists(st.tuples(shapes, st.sampled_from(sorted(DTYPES))), max_size=6), st.integers(1, 4), st.integers(1, 64))
def test_ranks_write_each_element_of_what_all_hold_once(tensors, world_size: int, limit: int) -> None:
    blocks = [whole(f"t{index}", shape, dtype) for index, (shape, dtype) in enumerate(tensors)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "PIECE_BYTES", limit)
        parts = [tensors_of(plan_file(share_out(blocks, rank, world_size)), rank) for rank in range(world_size)]
    merged = merge(parts)
    assert {name: stored.shape for name, stored in merged.items()} == {block.name: block.shape for block in blocks}
    for stored in merged.values():
        boxes = [(piece.offsets, piece.lengths) for piece in stored.pieces]
        for index, (offsets, lengths) in enumerate(boxes):
            assert all(overlap(offsets, lengths, *other) is None or not lengths for other in boxes[:index])


def test_ranks_write_about_as_much() -> None:
    blocks = [whole("large", (1000, 1000)), *(whole(f"s{index}", (1000,)) for index in range(50))]
    loads = [sum(block.size_bytes for block in share_out(blocks, rank, 2)) for rank in range(2)]
    assert sum(loads) == sum(block.size_bytes for block in blocks)
    assert max(loads) - min(loads) <= 1 << 20


def test_an_element_that_nobody_writes_is_noticed() -> None:
    part = tensors_of(plan_file([Block("t", "float32", (4,), (0,), (3,), is_everywhere=False)]), 0)
    with pytest.raises(DataError, match="do not make up its shape"):
        merge([part])


@given(st.lists(st.tuples(shapes, st.sampled_from(sorted(DTYPES))), max_size=5))
def test_the_safetensors_library_opens_what_we_lay_out(tmp_path_factory: pytest.TempPathFactory, tensors) -> None:
    plan = plan_file([whole(f"t{index}", shape, dtype) for index, (shape, dtype) in enumerate(tensors)])
    assert all(begin % DTYPES[block.dtype].size_bytes == 0 for block, begin in plan.blocks)
    path: Path = tmp_path_factory.mktemp("layout") / "x.safetensors"
    path.write_bytes(plan.header + bytes(plan.size_bytes - len(plan.header)))
    with safe_open(path, "np") as opened:
        found = {name: tuple(opened.get_slice(name).get_shape()) for name in opened.keys()}  # noqa: SIM118 - no mapping
    expected = {block.name: (*block.shape, *DTYPES[block.dtype].tail) for block, _ in plan.blocks}
    assert found == expected
    header = read_header(path.read_bytes(), plan.size_bytes)
    assert {name: entry[1] for name, entry in header.items()} == expected


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 8,
        (2).to_bytes(8, "little") + b"[]",
        (50).to_bytes(8, "little") + b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'[:50],
        (54).to_bytes(8, "little") + b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
    ],
)
def test_a_header_that_lies_is_refused(content: bytes) -> None:
    with pytest.raises(DataError):
        read_header(content, len(content))


@given(st.lists(st.tuples(*[st.integers(0, 5)] * 4), min_size=1, max_size=3))
def test_boxes_overlap_in_what_they_have_in_common(axes) -> None:
    a0, al, b0, bl = zip(*axes, strict=True)
    common = [set(range(a, a + x)) & set(range(b, b + y)) for a, x, b, y in axes]
    found = overlap(a0, al, b0, bl)
    if not all(common):
        assert found is None
    else:
        assert found == (tuple(min(one) for one in common), tuple(len(one) for one in common))
        assert math.prod(found[1]) > 0
