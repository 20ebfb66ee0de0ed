from __future__ import annotations

import errno
import itertools
import json
import shutil
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drivetrain.core.errors import DataError, StoreError, UsageError
from drivetrain.data import (
    DataSet,
    Encoded,
    Slice,
    Step,
    add_column,
    append_samples,
    define_slice,
    delete_samples,
    list_versions,
    write_dataset,
)
from drivetrain.data.lock import only_writer
from drivetrain.data.manifest import all_versions

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "dataset-format-1.tar.gz"
FEW = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def _sample(number: int, **columns: object) -> Encoded:
    split = "held_out" if number % 4 == 0 else "train"
    return Encoded(f"s{number:03d}", {"x.bin": bytes([number] * 600)}, {"split": split, "n": number, **columns})


def _some(*numbers: int) -> Iterator[Encoded]:
    return (_sample(number) for number in numbers)


def _content(dataset: DataSet) -> list[tuple[str, Any, Any]]:
    found = [dataset.read_encoded(row) for row in range(len(dataset))]
    return [(sample.key, dict(sample.parts), dict(sample.columns)) for sample in found]


@pytest.fixture
def five(tmp_path: Path) -> DataSet:
    return write_dataset(tmp_path / "five", _some(0, 1, 2, 3, 4), inputs={"a": "1"}, steps=[Step("made", code="x 1")])


def test_a_name_alone_is_told_where_the_data_set_lies(own_home: Path) -> None:
    write_dataset(own_home / "datasets" / "street", _some(0, 1), inputs={"a": "1"}, steps=[])
    with pytest.raises(DataError, match="there is no data set at street") as caught:
        DataSet.open("street")
    assert caught.value.hint.startswith(f"did you mean {own_home / 'datasets' / 'street'}?")


def test_a_change_adds_files_and_leaves_the_version_before_as_it_was(five: DataSet) -> None:
    before = {file.name: file.read_bytes() for file in five.path.iterdir() if file.suffix in (".tar", ".arrow")}
    first = _content(five)
    more = append_samples(five, _some(7, 8), inputs={"b": "2"}, steps=[Step("drive b", code="x 2")])
    wider = add_column(more, "speed", np.arange(7) / 2)
    fewer = delete_samples(wider, "n = 8")
    named = define_slice(fewer, "slow", "speed < 2")
    assert [dataset.key(4) for dataset in (five, more, wider, fewer)] == ["s004"] * 4
    assert [len(dataset) for dataset in (five, more, wider, fewer, named)] == [5, 7, 7, 6, 6]
    assert named.rows("slow").tolist() == [0, 1, 2, 3]
    assert named.manifest.num_samples == {"held_out": 2, "train": 4}
    assert named.manifest.inputs == {"a": "1", "b": "2"}
    assert [step.op for step in named.manifest.steps] == ["made", "drive b", "add_column", "delete", "define_slice"]
    assert {name: (five.path / name).read_bytes() for name in before} == before
    chain = list_versions(five.path)
    assert [manifest.version for manifest in chain] == [d.manifest.version for d in (five, more, wider, fewer, named)]
    assert _content(DataSet.open(five.path, five.manifest.version, verify=True)) == first
    assert _content(DataSet.open(five.path, more.manifest.version[:6])) == _content(more)


OPS = ("append", "delete", "column")


def _apply(op: str, dataset: DataSet) -> DataSet:
    """Each may come before or after the others; whoever appends gives the columns that there are."""
    if op == "append":
        has_column = "double" in dataset.column_names
        return append_samples(dataset, (_sample(n, **({"double": 2 * n} if has_column else {})) for n in (5, 6, 7)))
    if op == "delete":
        return delete_samples(dataset, "n in (1, 3)")
    return add_column(dataset, "double", [2 * int(key[1:]) for key in dataset.index["key"].to_pylist()])


def test_changes_in_any_order_give_the_same_rows(five: DataSet, tmp_path: Path) -> None:
    results = []
    for number, order in enumerate(itertools.permutations(OPS)):
        dataset = DataSet.open(shutil.copytree(five.path, tmp_path / str(number)))
        for op in order:
            dataset = _apply(op, dataset)
        results.append(_content(DataSet.open(dataset.path, verify=True)))
        assert len(all_versions(dataset.path)) == 5
    assert results[0][-1][2] == {"split": "train", "n": 7, "double": 14}
    assert all(result == results[0] for result in results)


@FEW
@given(
    changes=st.lists(
        st.one_of(
            st.tuples(st.just("append"), st.integers(1, 3)),
            st.tuples(st.just("delete"), st.lists(st.integers(0, 20), max_size=3)),
            st.tuples(st.just("column"), st.integers(0, 99)),
        ),
        max_size=5,
    )
)
def test_every_version_keeps_its_rows_whatever_comes_after(
    five: DataSet, tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[str, Any]]
) -> None:
    dataset = DataSet.open(shutil.copytree(five.path, tmp_path_factory.mktemp("law") / "five"))
    model = _content(dataset)
    versions = {dataset.manifest.version: model}
    for number, (change, value) in enumerate(changes):
        if change == "append":
            samples = [_sample(20 * (number + 1) + i) for i in range(value)]
            dataset = append_samples(dataset, samples)
            absent = dict.fromkeys(dataset.column_names)
            model = model + [(s.key, dict(s.parts), {**absent, **s.columns}) for s in samples]
        elif change == "delete":
            rows = sorted({row % len(dataset) for row in value}) if len(dataset) else []
            dataset = delete_samples(dataset, np.array(rows, np.int64))
            model = [row for at, row in enumerate(model) if at not in rows]
        else:
            dataset = add_column(dataset, f"c{number}", [value + at for at in range(len(dataset))])
            model = [(k, p, {**c, f"c{number}": value + at}) for at, (k, p, c) in enumerate(model)]
        versions[dataset.manifest.version] = model
    for version, rows in versions.items():
        assert _content(DataSet.open(dataset.path, version)) == rows


def test_equal_columns_slices_and_deletions_are_one_version_in_whatever_order_they_came(
    five: DataSet, tmp_path: Path
) -> None:
    one, two = five, DataSet.open(shutil.copytree(five.path, tmp_path / "two"))
    one = define_slice(add_column(add_column(one, "a", [1] * 5), "b", [2] * 5), "x", "a > 0")
    one = delete_samples(delete_samples(one, [1]), "n = 3")
    two = add_column(define_slice(add_column(two, "a", [1] * 5), "x", "a > 0"), "b", [2] * 5)
    two = delete_samples(two, "n = 3 or n = 1")
    assert one.manifest.version == two.manifest.version
    assert one.manifest.version != five.manifest.version


def test_a_change_that_changes_nothing_makes_no_version(five: DataSet) -> None:
    assert delete_samples(five, "n > 99").manifest == five.manifest
    sliced = define_slice(five, "big", "n > 2")
    assert define_slice(sliced, "big", Slice("n > 2")).manifest == sliced.manifest
    other = define_slice(sliced, "big", "n > 3")
    back = define_slice(other, "big", "n > 2")
    assert back.manifest == sliced.manifest
    assert len(list_versions(five.path)) == 2
    assert len(append_samples(back, _some(9))) == 6


def test_a_sample_that_was_deleted_may_come_again_and_one_that_is_there_may_not(five: DataSet) -> None:
    with pytest.raises(DataError, match=r"1 of 2 samples are in .*five already, such as s003"):
        append_samples(five, _some(9, 3))
    assert [file.name for file in five.path.glob("*.tar")] == ["shard-00000.tar"]
    again = append_samples(delete_samples(five, "n = 3"), _some(3))
    assert [again.key(row) for row in range(5)] == ["s000", "s001", "s002", "s004", "s003"]


def test_a_data_set_of_the_first_format_takes_changes_and_stays_readable(tmp_path: Path) -> None:
    with tarfile.open(GOLDEN) as tar:
        tar.extractall(tmp_path, filter="data")
    old = DataSet.open(tmp_path / "dataset-format-1")
    new = delete_samples(
        append_samples(add_column(old, "speed", range(5)), [Encoded("x", {"y.npy": b""})]), "speed < 2"
    )
    assert [new.key(row) for row in range(4)] == ["front-002", "front-003", "front-004", "x"]
    assert new.read(0).image.shape == (18, 32, 3)
    assert new.read_encoded(3).columns["speed"] is None
    assert len(DataSet.open(old.path, old.manifest.version)) == 5


def test_a_second_writer_is_told_and_changes_nothing(five: DataSet) -> None:
    told: list[Exception] = []

    def second() -> None:
        try:
            define_slice(five, "x", "n > 1")
        except StoreError as exc:
            told.append(exc)

    def samples() -> Iterator[Encoded]:
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
        yield _sample(9)

    assert len(append_samples(five, samples())) == 6
    assert "is being written by process" in str(told[0])
    with only_writer(five.path), pytest.raises(StoreError, match="is being written by"), only_writer(five.path):
        pass


def test_a_writer_whose_data_set_is_no_longer_current_is_told(five: DataSet) -> None:
    newer = define_slice(five, "x", "n > 1")
    with pytest.raises(StoreError, match=f"is at version {newer.manifest.version} now"):
        append_samples(five, _some(9))


@pytest.mark.parametrize("num_flushed", [0, 2, 4, 5])
def test_a_full_disk_leaves_the_data_set_as_it_was(
    five: DataSet, monkeypatch: pytest.MonkeyPatch, num_flushed: int
) -> None:
    before = _content(five)
    calls = itertools.count()

    def fsync(_descriptor: int) -> None:
        if next(calls) >= num_flushed:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", fsync)
    with pytest.raises(StoreError, match="No space left on device"):
        append_samples(five, _some(9))
    monkeypatch.undo()
    again = DataSet.open(five.path, verify=True)
    assert again.manifest == five.manifest
    assert _content(again) == before
    assert len(append_samples(again, _some(9))) == 6


def test_a_writer_that_fails_in_the_middle_leaves_nothing(five: DataSet) -> None:
    def broken() -> Iterator[Encoded]:
        yield _sample(9)
        raise KeyboardInterrupt

    before = sorted(file.name for file in five.path.iterdir())
    with pytest.raises(KeyboardInterrupt):
        append_samples(five, broken())
    assert sorted(file.name for file in five.path.iterdir() if file.name != ".writer") == before
    (five.path / "shard-00001.tar").write_bytes(b"left behind by a killed writer")
    assert append_samples(five, _some(9)).locate(5)["x.bin"].shard == "shard-00001.tar"


@pytest.mark.parametrize("damage", ["missing", "altered"])
@pytest.mark.parametrize("kind", ["shard-00001.tar", "column-speed-*.arrow", "deleted-*.arrow", "index-00001.arrow"])
def test_a_missing_or_altered_file_is_named_by_its_hash_and_older_versions_do_not_need_it(
    five: DataSet, kind: str, damage: str
) -> None:
    dataset = delete_samples(add_column(append_samples(five, _some(9)), "speed", [1.0] * 6), [2])
    (file,) = dataset.path.glob(kind)
    data = file.read_bytes()
    file.unlink()
    if damage == "altered":
        file.write_bytes(data[:-9] + b"x" + data[-8:])
    digest = dataset.manifest.files[file.name].sha256[:16]
    with pytest.raises(DataError, match=rf"{file.name} .*{damage}.*\(SHA-256 {digest}"):
        DataSet.open(dataset.path, verify=True)
    assert len(DataSet.open(dataset.path, five.manifest.version, verify=True)) == 5


def test_an_altered_manifest_is_noticed(five: DataSet) -> None:
    file = five.path / "manifest.json"
    text = file.read_text()
    file.write_text(text.replace(five.manifest.files["shard-00000.tar"].sha256, "0" * 64))
    with pytest.raises(DataError, match="was altered"):
        DataSet.open(five.path)
    file.write_text(text.replace('"shard-00000.tar"', '"../shard-00000.tar"'))
    with pytest.raises(DataError, match="outside of the data set's folder"):
        DataSet.open(five.path)
    file.write_text("[" * 100_000)
    with pytest.raises(DataError, match="is not a data set's manifest"):
        DataSet.open(five.path)


def test_a_version_that_is_not_there_is_said(five: DataSet) -> None:
    for wrong in ("abcdef", "ab", "../../etc", ""):
        with pytest.raises(DataError, match="no version") as caught:
            DataSet.open(five.path, wrong)
        assert five.manifest.version in caught.value.hint


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("n", [0] * 5, "has a column, slice or split n already"),
        ("train", [0] * 5, "has a column, slice or split train already"),
        ("speed", [0] * 4, "has 4 values; data set .* has 5 samples"),
        ("speed", [1, "a", None, {}, []], "not of one kind"),
    ],
)
def test_columns_that_do_not_fit_are_refused(five: DataSet, name: str, values: list[object], words: str) -> None:
    with pytest.raises((UsageError, DataError), match=words):
        add_column(five, name, values)
    with pytest.raises(ValueError, match="word of letters"):
        add_column(five, "../x", [0] * 5)
    with pytest.raises(UsageError, match=r"not all in 0 \.\. 4"):
        delete_samples(five, [5])


def test_a_manifest_with_changed_bytes_is_refused_or_read_never_a_crash(five: DataSet) -> None:
    file, rng = five.path / "manifest.json", np.random.default_rng(0)
    text = file.read_bytes()
    num_refused = 0
    for _ in range(150):
        data = bytearray(text)
        for at in rng.integers(0, len(data), rng.integers(1, 4)).tolist():
            data[at] = int(rng.integers(256))
        file.write_bytes(data)
        try:
            dataset = DataSet.open(five.path)
            assert len(_content(dataset)) == 5
        except DataError:
            num_refused += 1
    assert num_refused > 50


@pytest.mark.parametrize("ordered", [False, True])
def test_a_column_of_categories_takes_appended_rows_too(five: DataSet, ordered: bool) -> None:
    kinds = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0, 1, 0], pa.int8()), ["dry", "wet"], ordered=ordered)
    wider = add_column(five, "weather", kinds)
    more = append_samples(wider, iter([_sample(9, weather="snow")]))
    assert DataSet.open(five.path).index["weather"].to_pylist() == ["dry", "wet", "dry", "wet", "dry", "snow"]
    assert more.rows("weather = 'snow'").tolist() == [5]


@pytest.mark.parametrize("name", ["../outside.tar", "/tmp/outside.tar"])
def test_a_manifest_of_the_first_format_names_no_file_outside_its_folder(tmp_path: Path, name: str) -> None:
    with tarfile.open(GOLDEN) as archive:
        archive.extractall(tmp_path, filter="data")
    (manifest,) = tmp_path.rglob("manifest.json")
    said = json.loads(manifest.read_bytes())
    said["files"][name] = {"size_bytes": 1, "sha256": "0" * 64}
    manifest.write_text(json.dumps(said))
    with pytest.raises(DataError, match="outside of the data set's folder"):
        DataSet.open(manifest.parent)
