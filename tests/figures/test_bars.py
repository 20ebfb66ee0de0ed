from __future__ import annotations

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from drivetrain.core.leaves import Leaf
from drivetrain.figures import account_bar, share_text
from drivetrain.figures.bars import _BAR_WIDTH, place_labels

SVG = "{http://www.w3.org/2000/svg}"
ACCOUNTS = st.dictionaries(st.sampled_from([leaf.value for leaf in Leaf]), st.integers(0, 10**15), min_size=1)


def _pieces(markup: str) -> list[ElementTree.Element]:
    groups = ElementTree.fromstring(markup).findall(f"{SVG}g")
    return [rect for group in groups if (rect := group.find(f"{SVG}rect")) is not None]


@given(ACCOUNTS)
def test_every_leaf_with_time_has_a_piece_that_can_be_seen_and_none_overlap(leaves: dict[str, int]) -> None:
    pieces = _pieces(account_bar(leaves, key="bar"))
    assert len(pieces) == sum(ns > 0 for ns in leaves.values())
    right = 0.0
    for piece in pieces:
        assert float(piece.attrib["x"]) >= right - 0.02
        assert float(piece.attrib["width"]) >= 0.99
        right = float(piece.attrib["x"]) + float(piece.attrib["width"])
    assert right <= _BAR_WIDTH + 0.02


def test_pieces_are_as_long_as_their_shares() -> None:
    pieces = _pieces(account_bar({"productive": 3 * 10**9, "data_wait": 10**9}, key="bar"))
    assert [round(float(piece.attrib["width"]) + 1) for piece in pieces] == [_BAR_WIDTH * 3 // 4, _BAR_WIDTH // 4]


def test_hatched_leaves_refer_to_tiles_of_their_own_figure() -> None:
    markup = account_bar({"init": 1, "unknown": 1}, key="bar-7")
    assert 'fill="url(#bar-7-init)"' in markup
    assert 'id="bar-7-init"' in markup
    assert 'id="bar-7-unknown"' in markup


def test_an_empty_account_is_a_figure_that_says_so() -> None:
    assert "nothing yet" in account_bar({}, key="bar")


STARTS = st.lists(st.floats(0, 800), min_size=1, max_size=15, unique=True)


@given(STARTS, st.lists(st.floats(20, 140), min_size=15, max_size=15))
def test_no_label_or_leader_crosses_another(starts: list[float], widths: list[float]) -> None:
    labels = place_labels(sorted(starts), widths[: len(starts)])
    assert [label.x for label in labels] == sorted(starts)
    for one in labels:
        for other in labels:
            covers = one.x < other.x < one.x + one.width
            assert not (covers and other.row >= one.row), (one, other)  # the other's leader or text lies on this text


def test_shares_say_little_as_little_and_nothing_as_a_dash() -> None:
    assert [share_text(part, 10**6) for part in (612_000, 400, 1, 0)] == ["61.2 %", "0.04 %", "<0.01 %", "0.0 %"]
    assert share_text(0, 0) == "–"
