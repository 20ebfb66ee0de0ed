from __future__ import annotations

import contextlib
import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.bench.detect.series import Series, read_series
from drivetrain.core.errors import DataError, UsageError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "series.csv"


def read(file: Path, text: str, column: str = "") -> list[Series]:
    file.write_bytes(text.encode())
    return read_series(file, column)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1\n2.5\n3e2\n", Series("", (1, 2.5, 300))),
        ("value\n1\n2\n", Series("value", (1, 2))),
        ("\ufeffvalue\r\n1\r\n2\r\n", Series("value", (1, 2))),
        ("# made by hand\n\n1\n\n# half way\n2\n", Series("", (1, 2))),
        ("time,value\n10,1\n20,2\n", Series("value", (1, 2), ("10", "20"))),
        ("10,5\n20,4\n30,6\n", Series("", (5, 4, 6), ("10", "20", "30"))),
        ("time;value\n1;1,5\n2;2,5\n", Series("value", (1.5, 2.5), ("1", "2"))),
        ("time\tvalue\n1\t7\n2\t8\n", Series("value", (7, 8), ("1", "2"))),
        (
            '"when","how long"\n"2024-01-01","1.5"\n"2024-01-02","2"\n',
            Series("how long", (1.5, 2), ("2024-01-01", "2024-01-02")),
        ),
        ("1 4\n2 3\n", Series("", (4, 3), ("1", "2"))),
        ('"1.5"\n"2.5"\n', Series("", (1.5, 2.5))),
        ("[1, 2.5, 3]", Series("", (1, 2.5, 3))),
        ("[[0, 5], [1, 4]]", Series("", (5, 4), ("0", "1"))),
        ('[{"time": "a", "ms": 5}, {"time": "b", "ms": 6}]', Series("ms", (5, 6), ("a", "b"))),
        ('{"name": "x", "ms": [5, 6]}', Series("ms", (5, 6))),
        ('{"time": ["a", "b"], "ms": [5, 6]}', Series("ms", (5, 6), ("a", "b"))),
        ('{"ms": 5}\n{"ms": 6}\n', Series("ms", (5, 6))),
        (
            '{"n_obs": 2, "time": {"index": [0, 1], "raw": ["a", "b"]}, "series": [{"label": "V1", "raw": [5, 6]}]}',
            Series("V1", (5, 6), ("a", "b")),
        ),
        ('"","x"\n"1",1120\n"2",1160\n', Series("x", (1120, 1160), ("1", "2"))),
        ("value,time\n5,1\n6,2\n", Series("value", (5, 6), ("1", "2"))),
        ("year,month,ms\n1999,1,5\n1999,2,6\n", Series("ms", (5, 6), ("1999", "1999"))),
        ("time,commit,ms\nmon,1001,5\ntue,1002,6\n", Series("ms", (5, 6), ("mon", "tue"))),
        ("time,commit,ms\nmon,12e4,5\ntue,ab3,6\nwed,cd3,7\n", Series("ms", (5, 6, 7), ("mon", "tue", "wed"))),
        ("ms,note\n5,\n6,ok\n4,7\n", Series("ms", (5, 6, 4))),
        ("time\n5\n6\n", Series("time", (5, 6))),
        ('day,num\n1,"1,234"\n2,"1,234,567.5"\n', Series("num", (1234, 1234567.5), ("1", "2"))),
        ("share\n5%\n6 %\n", Series("share", (5, 6))),
        ("1,2,3,2\n", Series("", (1, 2, 3, 2))),
        ("1 2 3 2\n", Series("", (1, 2, 3, 2))),
        ("sep=;\nday;ms\n1;2,5\n2;3,5\n", Series("ms", (2.5, 3.5), ("1", "2"))),
    ],
)
def test_series_are_read_as_people_write_them(file: Path, text: str, expected: Series) -> None:
    assert read(file, text) == [expected]


def test_what_is_missing_is_not_a_number_and_keeps_its_place(file: Path) -> None:
    (one,) = read(file, "time,value\n1,5\n2,\n3,nan\n4,.\n5,#N/A\n6,6\n")
    assert [math.isnan(value) for value in one.values] == [False, True, True, True, True, False]
    (two,) = read(file, "[1, null, 3]")
    assert math.isnan(two.values[1])


def test_of_several_columns_one_can_be_chosen(file: Path) -> None:
    text = "commit,fast,slow\nab1,1,10\ncd2,2,20\n"
    assert [one.name for one in read(file, text)] == ["fast", "slow"]
    assert read(file, text, "slow") == read(file, text, "2") == [Series("slow", (10, 20), ("ab1", "cd2"))]
    assert read(file, text, "SLOW") == read(file, text, "slow")
    with pytest.raises(UsageError, match="no column 'medium'") as caught:
        read(file, text, "medium")
    assert "fast, slow" in caught.value.hint


def test_times_are_a_series_for_who_asks_for_them(file: Path) -> None:
    text = "step,ms\n1,5\n2,6\n"
    assert [one.name for one in read(file, text)] == ["ms"]
    assert read(file, text, "step") == [Series("step", (1, 2), ("1", "2"))]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "latin-1"])
def test_letters_of_any_encoding_are_no_hindrance(file: Path, encoding: str) -> None:
    file.write_bytes("day,größe\n1,5\n2,6\n".encode(encoding))
    (one,) = read_series(file)
    assert (one.name, one.values) == ("größe", (5, 6))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"# nothing\n",
        b"hello\nworld\n",
        b"[",
        b"{}",
        b"[]",
        b"[[",
        b'["a"]',
        b"a,b\nc,d\n",
        b"\x00\x01",
        b"\xff\xfe1",
        b"[" * 100_000,
    ],
)
def test_what_is_no_series_is_one_error_that_names_the_file(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"series\.csv"):
        read_series(file)


def test_a_word_among_numbers_is_named_with_its_place(file: Path) -> None:
    with pytest.raises(DataError, match="'12 ms' in its value 2"):
        read(file, "value\n11\n12 ms\n13\n")


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        read_series(tmp_path / "none.csv")
    with pytest.raises(DataError, match="Is a directory"):
        read_series(tmp_path)


def test_a_file_without_an_end_is_not_read_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivetrain.bench.detect.series._LARGEST_BYTES", 1 << 20)
    with pytest.raises(DataError, match="larger than"):
        read_series(Path("/dev/zero"))


@settings(max_examples=60)
@given(st.binary(max_size=200))
def test_any_bytes_give_series_or_one_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.mktemp("any") / "any"
    file.write_bytes(content)
    with contextlib.suppress(DataError):
        assert all(any(map(math.isfinite, one.values)) for one in read_series(file))


@settings(max_examples=30)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=30))
def test_numbers_come_back_from_csv_and_json(tmp_path_factory: pytest.TempPathFactory, values: list[float]) -> None:
    file = tmp_path_factory.mktemp("numbers") / "any"
    for text in ("value\n" + "\n".join(map(repr, values)), json.dumps(values)):
        file.write_text(text)
        assert read_series(file)[0].values == tuple(values)
