from __future__ import annotations

import hashlib
import io
import tarfile
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from drivetrain.core.errors import DataError, SampleError, UsageError
from drivetrain.data import DataSet, Encoded, write_dataset
from drivetrain.data.codec import codec_of, decode, encode
from drivetrain.data.shards import ShardWriter
from drivetrain.data.versions import write_first_manifest

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "dataset-format-1.tar.gz"
KINDS = arrays.scalar_dtypes() | arrays.unicode_string_dtypes() | arrays.byte_string_dtypes()
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


def _track(number: int) -> Encoded:
    history = np.full((4, 2), number, np.float32)
    parts = {"history.npy": encode("history.npy", history), "lanes.json": encode("lanes.json", {"n": number})}
    split = "train" if number % 3 else "held_out"
    columns = {"split": split, "speed_m_per_s": number / 2, "manoeuvre": "stop", "tags": ["a"] * number}
    return Encoded(f"US101-{number:03d}", parts, columns)


@pytest.fixture
def tracks(tmp_path: Path) -> DataSet:
    return write_dataset(tmp_path / "tracks", (_track(n) for n in range(7)), columns={"lane_id": pa.int16()})


def test_samples_of_any_parts_and_columns_come_back_as_they_were(tracks: DataSet) -> None:
    assert tracks.manifest.parts == {"history.npy": "npy", "lanes.json": "json"}
    assert tracks.rows("held_out").tolist() == [0, 3, 6]
    sample = tracks.read(4)
    assert sample.key == "US101-004"
    np.testing.assert_array_equal(sample.parts["history.npy"], np.full((4, 2), 4, np.float32))  # type: ignore[arg-type]
    assert sample.parts["lanes.json"] == {"n": 4}
    assert dict(sample.columns) == {
        "split": "train",
        "lane_id": None,
        "speed_m_per_s": 2.0,
        "manoeuvre": "stop",
        "tags": ["a"] * 4,
    }
    encoded = tracks.read_encoded(4)
    assert encoded.parts == _track(4).parts
    with pytest.raises(DataError, match=r"US101-004 has no part image\.jpg"):
        _ = sample.image


def test_a_place_tells_any_reader_where_the_bytes_of_a_part_are(tracks: DataSet) -> None:
    place = tracks.locate(2)["history.npy"]
    data = (tracks.path / place.shard).read_bytes()[place.offset :][: place.size_bytes]
    assert data == _track(2).parts["history.npy"]
    assert zlib.crc32(data) == place.crc32
    with tarfile.open(tracks.path / place.shard) as tar:
        assert tar.extractfile("US101-002.history.npy").read() == data  # type: ignore[union-attr]


def test_a_sample_may_lack_a_part(tmp_path: Path) -> None:
    samples = [Encoded("a", {"x.bin": b"1", "y.bin": b"2"}), Encoded("b", {"y.bin": b"3"}), Encoded("c", {})]
    dataset = write_dataset(tmp_path / "some", samples)
    assert [dict(dataset.read(row).parts) for row in range(3)] == [s.parts for s in samples]
    assert dataset.manifest.num_samples == {"train": 3}


def test_samples_fill_shards_one_after_the_other(tmp_path: Path) -> None:
    with ShardWriter(tmp_path, shard_bytes=4000) as writer:
        for number in range(10):
            writer.add(_track(number))
        written = writer.finish()
    assert written.num_samples == {"held_out": 4, "train": 6}
    write_first_manifest(tmp_path, written, inputs={}, steps=(), facts={})
    dataset = DataSet.open(tmp_path, verify=True)
    assert {dataset.locate(row)["lanes.json"].shard for row in range(10)} == set(written.files) - {written.fragment}
    assert [dataset.read(row).parts["lanes.json"] for row in range(10)] == [{"n": n} for n in range(10)]


def test_a_data_set_over_many_batches_reads_like_one_of_one_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = write_dataset(tmp_path / "whole", map(_track, range(10)))
    monkeypatch.setattr("drivetrain.data.fragment._ROWS_PER_BATCH", 3)
    cut = write_dataset(tmp_path / "cut", map(_track, range(10)))
    assert cut.table["key"].num_chunks == 4
    for row in range(10):
        assert cut.read_encoded(row) == whole.read_encoded(row)
    assert cut.rows("train").tolist() == whole.rows("train").tolist()


def test_samples_that_do_not_go_together_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="two samples are called 'a'"):
        write_dataset(tmp_path / "x", [Encoded("a", {}), Encoded("b", {}), Encoded("a", {})])
    mixed = [Encoded("a", {}, {"v": 1}), Encoded("b", {}, {"v": "word"}), Encoded("c", {}, {"v": 2})]
    with pytest.raises(DataError, match="column v of sample b is 'word'; expected values of one kind"):
        write_dataset(tmp_path / "x", mixed)
    with pytest.raises(DataError, match="column v of sample b is 'word'; expected int8"):
        write_dataset(tmp_path / "x", mixed, columns={"v": pa.int8()})
    monkeypatch.setattr("drivetrain.data.fragment._ROWS_PER_BATCH", 1)
    with pytest.raises(DataError, match=r"sample b has z\.bin, which none of the first 1 samples has"):
        write_dataset(tmp_path / "x", [Encoded("a", {}), Encoded("b", {"z.bin": b""})])
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("key", "parts", "columns", "words"),
    [
        ("../a", {}, {}, "key"),
        ("/a", {}, {}, "key"),
        ("a.b", {}, {}, "key"),
        ("", {}, {}, "key"),
        ("k" * 99, {"x.bin": b""}, {}, "more than 100 characters"),
        ("k", {"x": b""}, {}, "ending"),
        ("k", {"../x.bin": b""}, {}, "ending"),
        ("k", {}, {"shard": 1}, "other than key and shard"),
        ("k", {}, {"a b": 1}, "word of letters"),
        ("k", {}, {'x"; drop': 1}, "word of letters"),
    ],
)
def test_names_that_a_file_or_a_query_could_not_hold_are_refused(
    key: str, parts: dict[str, bytes], columns: dict[str, object], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        Encoded(key, parts, columns)


def test_rows_of_a_split_that_is_not_there_name_those_that_are(tracks: DataSet) -> None:
    with pytest.raises(UsageError, match="no split, slice or column 'test'") as caught:
        tracks.rows("test")
    assert "held_out, train" in caught.value.hint


@settings(max_examples=40, deadline=None)
@given(value=arrays.arrays(KINDS, arrays.array_shapes(min_dims=0, min_side=0, max_side=4)))
def test_any_array_without_objects_survives_npy(value: np.ndarray) -> None:  # type: ignore[type-arg]
    back = decode("x.npy", encode("x.npy", value), where="x")
    assert isinstance(back, np.ndarray)
    assert back.dtype == value.dtype
    assert back.shape == value.shape
    assert back.tobytes() == value.tobytes()


@settings(max_examples=40, deadline=None)
@given(value=PLAIN)
def test_plain_values_survive_json(value: object) -> None:
    assert decode("x.json", encode("x.json", value), where="x") == value


def test_the_ending_names_the_codec() -> None:
    assert [codec_of(p) for p in ("a.jpg", "a.png", "a.left.npy", "a.json", "a.pcd")] == [
        "jpg",
        "png",
        "npy",
        "json",
        "bytes",
    ]
    for wrong in ("a", ".jpg", "a/b.jpg", "a.", "a.JPG"):
        with pytest.raises(ValueError, match="such as image"):
            codec_of(wrong)


def test_an_array_of_objects_is_neither_written_nor_read() -> None:
    with pytest.raises(TypeError, match="holds Python objects"):
        encode("x.npy", np.array([{}]))
    out = io.BytesIO()
    np.save(out, np.array([{}], object), allow_pickle=True)
    with pytest.raises(SampleError, match="Python objects"):
        decode("x.npy", out.getvalue(), where="x")


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }",
        "__import__('os').system('true')",
    ],
)
def test_an_array_that_claims_more_than_is_there_is_refused_before_memory_is_asked_for(header: str) -> None:
    text = header.encode().ljust(117) + b"\n"
    data = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(8)
    with pytest.raises(SampleError, match=r"x is no NumPy array \(136 bytes\)"):
        decode("a.npy", data, where="x")


@settings(deadline=None)
@given(data=st.binary(max_size=60), part=st.sampled_from(["a.jpg", "a.png", "a.npy", "a.json"]))
def test_bytes_of_another_kind_are_a_sample_error_or_a_value(data: bytes, part: str) -> None:
    with suppress(SampleError):
        decode(part, data, where="x")


def test_data_sets_of_the_first_format_stay_readable(tmp_path: Path) -> None:
    with tarfile.open(GOLDEN) as tar:
        tar.extractall(tmp_path, filter="data")
    dataset = DataSet.open(tmp_path / "dataset-format-1", verify=True)
    assert dataset.manifest.version == "d73dbadc16718005"
    assert (dataset.manifest.width, dataset.manifest.height) == (32, 18)
    assert dataset.classes[0] == "road"
    samples = [dataset.read(row) for row in range(len(dataset))]
    assert [s.key for s in samples] == [f"front-{n:03d}" for n in range(5)]
    assert dataset.rows("held_out").tolist() == [4]
    assert (samples[2].t_ns, samples[2].lidar_offset_ns) == (1700000000200320211, 7392560)
    assert samples[3].intrinsics.width == 32
    assert samples[0].image.shape == (18, 32, 3)
    assert hashlib.sha256(samples[0].label.tobytes()).hexdigest()[:12] == "32df015e07bb"
