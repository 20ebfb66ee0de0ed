from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.core.errors import UsageError
from drivetrain.data import DataSet, Encoded, Slice, define_slice, write_dataset
from drivetrain.data.predicate import matching, names_in

TABLE = pa.table(
    {
        "key": ["a", "b", "c", "d"],
        "speed_m_per_s": [1.0, 2.0, None, 4.0],
        "num_pedestrians": pa.array([9, 0, 7, 6], pa.int8()),
        "tags": [["stop"], [], None, ["turn_left", "stop"]],
        "split": pa.array(["train", "held_out", "train", "train"]).dictionary_encode(),
        "image.jpg": [{"offset": 1, "bytes": 10}, {"offset": 2, "bytes": 20}, None, {"offset": 4, "bytes": 40}],
    }
)


@pytest.mark.parametrize(
    ("where", "keys"),
    [
        ("speed_m_per_s < 2 and num_pedestrians > 5", "a"),
        ("'stop' in tags", "ad"),
        ("list_contains(tags, 'turn_left') or len(tags) = 0", "bd"),
        ("split = 'train' and not (speed_m_per_s > 3)", "a"),
        ("speed_m_per_s is null", "c"),
        ("speed_m_per_s between 1.5 and 4 and key in ('b', 'c')", "b"),
        ("key like 'a%' or key similar to '[cd]'", "acd"),
        ('"image.jpg".bytes > 10', "bd"),
        ("case when num_pedestrians = 0 then true else speed_m_per_s::integer = 4 end", "bd"),
        ("SPEED_M_PER_S > 3", "d"),
        ("abs(-num_pedestrians) % 2 = 1", "ac"),
        ("true", "abcd"),
        ("null", ""),
        ("key = '--;' or key = 'it''s (' or key = 'd'", "d"),
    ],
)
def test_a_predicate_finds_rows(where: str, keys: str) -> None:
    found = np.asarray(TABLE["key"].to_pylist())[matching(TABLE, where)]
    assert "".join(found) == keys


@pytest.mark.parametrize(
    "where",
    [
        "key in (select 'a')",
        "exists (from samples)",
        "key = (select content from read_text('/etc/passwd'))",
        "read_text('/etc/passwd') = ''",
        "getenv('HOME') = ''",
        "current_setting('memory_limit') = ''",
        "key = 'a'; drop table samples",
        "true; install httpfs",
        "true) from samples; copy samples to '/tmp/x.csv'; select (true",
        "true) or (true",
        "true), (false",
        "true) union select (true",
        "true -- and more",
        "true /* and more",
        "key = $$a$$",
        "key = e'\\''",
        "key = 'a",
        "?",
        "$1 = 'a'",
        "#1 = 'a'",
        "*",
        "columns(*) = 'a'",
        "default",
        "sum(speed_m_per_s) > 1",
        "row_number() over () < 3",
        "list_filter(tags, x -> true) = []",
        "random() < 0.5",
        "now() > '2020-01-01'",
        "nextval('s') = 1",
        "repeat('a', 100000000000) = ''",
        "len(range(100000000000)) = 1",
        "key.lower() = 'a'",
        "system.main.lower(key) = 'a'",
        "num_pedestrians",
        "1",
        "",
        "   ",
        "num_pedestrians > ",
        "key > 3",
        "a" * 20_000,
        "\0",
        "\ud800",
        "not " * 1200 + "true",
        "(" * 4000 + "true" + ")" * 4000,
    ],
)
def test_all_but_an_expression_over_columns_is_refused(where: str) -> None:
    with pytest.raises(UsageError) as caught:
        matching(TABLE, where)
    assert caught.value.hint


def test_a_mistyped_column_is_told_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="no column or slice 'speed_m_per_sec'") as caught:
        matching(TABLE, "num_pedestrians > 5 and speed_m_per_sec < 2")
    assert caught.value.hint.startswith("did you mean speed_m_per_s")
    with pytest.raises(UsageError) as caught:
        matching(TABLE, "zzz < 2")
    assert caught.value.hint.startswith("there are key, speed_m_per_s, num_pedestrians")


def test_names_are_those_that_the_predicate_uses() -> None:
    assert names_in("slow and 'stop' in tags and \"image.jpg\".bytes > 1 and slow") == ["slow", "tags", "image.jpg"]


def test_slices_may_name_each_other_but_not_in_a_circle() -> None:
    slices = {"slow": "speed_m_per_s < 3", "crowd": "num_pedestrians > 5", "two": "slow and crowd", "x": "y", "y": "x"}
    assert matching(TABLE, "two", slices).tolist() == [True, False, False, False]
    assert matching(TABLE, "crowd and not slow", slices).tolist() == [False, False, True, True]
    with pytest.raises(UsageError, match="in a circle: x -> y -> x"):
        matching(TABLE, "x", slices)


VALUES = st.lists(st.none() | st.integers(-3, 3), min_size=1, max_size=12)


@settings(max_examples=5, deadline=None)
@given(values=VALUES, low=st.integers(-3, 3), high=st.integers(-3, 3))
def test_slices_compose_as_sets_do(values: list[int | None], low: int, high: int) -> None:
    table = pa.table({"v": pa.array(values, pa.int64())})
    a, b = Slice(f"v > {low}"), Slice(f"v < {high} or v is null")
    in_a, in_b = matching(table, a.where), matching(table, b.where)
    assert in_a.tolist() == [value is not None and value > low for value in values]
    np.testing.assert_array_equal(matching(table, (a & b).where), in_a & in_b)
    np.testing.assert_array_equal(matching(table, (a | b).where), in_a | in_b)
    np.testing.assert_array_equal(matching(table, (~a).where), ~in_a)
    np.testing.assert_array_equal(matching(table, (~(a & ~b)).where), ~(in_a & ~in_b))


def test_rows_of_many_chunks_stay_in_order() -> None:
    table = pa.concat_tables([pa.table({"n": range(i, i + 7)}) for i in range(0, 21_000, 7)])
    np.testing.assert_array_equal(np.flatnonzero(matching(table, "n % 3 = 1")), np.arange(1, 21_000, 3))


def test_a_query_that_takes_too_long_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivetrain.data.predicate._MOST_SECONDS", 0.01)
    table = pa.table({"s": ["a" * 2000] * 20_000})
    start = time.monotonic()
    with pytest.raises(UsageError, match="took longer than"):
        matching(table, " or ".join(f"s like '%{'a%' * 40}{i}'" for i in range(40)))
    assert time.monotonic() - start < 30


@pytest.fixture
def drive(tmp_path: Path) -> DataSet:
    columns = ({"speed_m_per_s": float(n), "split": "test" if n > 7 else "train"} for n in range(9))
    return write_dataset(tmp_path / "drive", (Encoded(f"s{n}", {}, row) for n, row in enumerate(columns)))


def test_rows_are_asked_for_by_split_slice_name_slice_or_predicate(drive: DataSet) -> None:
    sliced = define_slice(drive, "slow", "speed_m_per_s < 3")
    sliced = define_slice(sliced, "very_slow", "slow and speed_m_per_s < 1")
    assert sliced.rows("test").tolist() == [8]
    assert sliced.rows("slow").tolist() == [0, 1, 2]
    assert sliced.rows("slow and not very_slow").tolist() == [1, 2]
    assert sliced.rows(Slice("slow") & ~Slice("very_slow")).tolist() == [1, 2]
    assert [s.key for s in sliced.samples("split = 'train' and speed_m_per_s > 6")] == ["s7"]
    assert DataSet.open(drive.path, drive.manifest.version).slices == {}
    with pytest.raises(UsageError, match="no split, slice or column 'slowish'") as caught:
        sliced.rows("slowish")
    assert caught.value.hint == "its splits are train, test; its slices slow, very_slow"


def test_a_slice_that_could_not_be_run_is_not_kept(drive: DataSet) -> None:
    with pytest.raises(UsageError, match="no column or slice 'speed'"):
        define_slice(drive, "fast", "speed > 3")
    with pytest.raises(ValueError, match="a column or split is"):
        define_slice(drive, "train", "true")
    with pytest.raises(ValueError, match="word of letters"):
        define_slice(drive, 'x"; drop', "true")
    with pytest.raises(ValueError, match=r"both.*a meaning in SQL"):
        define_slice(drive, "both", "true")
    sliced = define_slice(drive, "a", "true")
    sliced = define_slice(sliced, "b", "a")
    with pytest.raises(UsageError, match="circle"):
        define_slice(sliced, "a", "b")
