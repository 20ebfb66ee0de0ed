from __future__ import annotations

from pathlib import Path

import pytest

from drivetrain.report.curves import group_names
from drivetrain.report.kept import Result, read_gallery, read_results


@pytest.mark.parametrize(
    ("written", "rows"),
    [
        (
            '{"a": 1, "b": 0.5, "c": "x", "d": null}',
            [Result("a", 1), Result("b", 0.5), Result("c", "x"), Result("d", None)],
        ),
        ('[{"name": "a", "value": 2, "unit": "m"}]', [Result("a", 2, "m")]),
        ("{}", []),
    ],
)
def test_results_are_an_object_or_rows(tmp_path: Path, written: str, rows: list[Result]) -> None:
    (tmp_path / "results.json").write_text(written, encoding="utf-8")
    assert read_results(tmp_path / "results.json") == (rows, "")


@pytest.mark.parametrize("written", [b"", b"3", b'{"a": {"b": 1}}', b'[{"value": 1}]', b"\xff\xfe"])
def test_other_results_are_told_and_not_raised(tmp_path: Path, written: bytes) -> None:
    (tmp_path / "results.json").write_bytes(written)
    rows, error = read_results(tmp_path / "results.json")
    assert rows == []
    assert error.startswith("results.json is neither")


def test_results_that_cannot_be_read_are_said_and_the_page_is_made(tmp_path: Path) -> None:
    (tmp_path / "results.json").mkdir()
    assert read_results(tmp_path / "results.json") == ([], "results.json cannot be read: Is a directory")


def test_nothing_kept_is_nothing_shown(tmp_path: Path) -> None:
    assert read_results(tmp_path / "results.json") == ([], "")
    assert read_gallery(tmp_path / "absent").num_kept == 0


def test_a_picture_larger_than_the_page_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "huge.jpg").write_bytes(bytes(2_000_000))
    gallery = read_gallery(tmp_path)
    assert (gallery.num_kept, gallery.pictures, gallery.num_damaged) == (1, (), 0)


def test_metrics_share_a_chart_by_what_stands_before_the_slash_and_loss_comes_first() -> None:
    names = ["iou/car", "iou/road", "lr", "train_loss", *(f"many/{i}" for i in range(10))]
    assert group_names(names) == [
        ("train_loss", ["train_loss"]),
        ("iou", ["iou/car", "iou/road"]),
        ("lr", ["lr"]),
        ("many", [f"many/{i}" for i in range(8)]),
        ("many", ["many/8", "many/9"]),
    ]
