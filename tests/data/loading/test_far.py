"""Data sets in buckets, the bucket being a real S3 server process."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drivetrain.core.errors import DataError, StoreError
from drivetrain.data import Blocks, DataSet, Loader, PieceCache, delete_samples, open_dataset
from drivetrain.store.objects import Bucket


@pytest.fixture
def far(s3: str, small_dataset: DataSet) -> str:
    """The small data set in a bucket."""
    bucket = Bucket(s3, 20)
    for file in sorted(small_dataset.path.rglob("*")):
        if file.is_file():
            bucket.put(str(file.relative_to(small_dataset.path)), file.read_bytes())
    return s3


@pytest.fixture
def cache(tmp_path: Path) -> PieceCache:
    return PieceCache(tmp_path / "cache", 64 << 20)


def taken(loader: Loader, num: int = 5) -> list[Any]:
    batches = list(islice(loader, num))
    loader.close()
    return [(batch["key"], batch["image"].tobytes(), batch["position"].tolist()) for batch in batches]


@pytest.mark.parametrize("threads", [0, 3])
def test_a_bucket_gives_the_batches_of_a_folder(
    far: str, cache: PieceCache, small_dataset: DataSet, threads: int
) -> None:
    found = taken(Loader(open_dataset(far, cache=cache), threads=threads, shuffle=Blocks(4, 2)))
    assert found == taken(Loader(small_dataset, threads=threads, shuffle=Blocks(4, 2)))


def test_what_is_cached_needs_no_bucket(far: str, cache: PieceCache, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = open_dataset(far, cache=cache)
    before = taken(Loader(dataset), 3)

    def refuse(*_: object) -> None:
        raise AssertionError("the bucket was asked")

    monkeypatch.setattr(Bucket, "get_range", refuse)
    assert taken(Loader(open_dataset(far, cache=cache)), 3) == before


def test_a_cache_smaller_than_the_data_set_holds_its_limit(far: str, tmp_path: Path, small_dataset: DataSet) -> None:
    shard = small_dataset.path / "shard-00000.tar"
    cache = PieceCache(tmp_path / "cache", shard.stat().st_size // 2)
    assert taken(Loader(open_dataset(far, cache=cache))) == taken(Loader(small_dataset))
    assert sum(file.stat().st_size for file in cache.folder.glob("*.piece")) <= cache.limit_bytes


def test_a_damaged_piece_in_the_cache_is_fetched_again(far: str, cache: PieceCache, small_dataset: DataSet) -> None:
    taken(Loader(open_dataset(far, cache=cache)))
    for file in cache.folder.glob("*.piece"):
        file.write_bytes(bytes(file.stat().st_size))
    loader = Loader(open_dataset(far, cache=cache), max_bad=0)
    assert taken(loader) == taken(Loader(small_dataset))


def test_a_shard_that_is_gone_is_bad_samples_and_then_an_error_that_names_them(far: str, cache: PieceCache) -> None:
    dataset = open_dataset(far, cache=cache)
    Bucket(far, 20).delete("shard-00000.tar")
    loader = Loader(dataset, max_bad=2)
    with pytest.raises(DataError, match=r"3 samples cannot be read \(at most 2 may be bad\)") as caught:
        next(iter(loader))
    assert "is missing" in caught.value.hint


def test_a_failure_that_passes_is_not_noticed(far: str, cache: PieceCache, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = open_dataset(far, cache=cache)
    bucket = dataset.far._bucket  # type: ignore[union-attr]
    get_range, failures = bucket._obstore.get_range, iter([ConnectionError("reset"), TimeoutError("slow")])

    class Flaky:
        def get_range(self, *arguments: Any, **named: Any) -> Any:
            for failure in failures:
                raise failure
            return get_range(*arguments, **named)

    monkeypatch.setattr(bucket, "_obstore", Flaky())
    loader = Loader(dataset, max_bad=0, threads=0)
    assert len(taken(loader, 1)) == 1
    assert not loader.bad_samples
    assert next(failures, None) is None


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An endpoint where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{probe.getsockname()[1]}")
        yield


def test_a_bucket_that_goes_away_is_an_error_of_its_own_and_no_bad_sample(
    far: str, cache: PieceCache, nobody: None
) -> None:
    with pytest.raises(StoreError, match="cannot read s3://") as caught:
        open_dataset(far, cache=cache, patience_s=0.3)
    assert "secret" not in str(caught.value)


def test_a_bucket_that_goes_away_in_mid_epoch_ends_it(
    far: str, cache: PieceCache, request: pytest.FixtureRequest
) -> None:
    open_dataset(far, cache=cache)  # the index is there now
    request.getfixturevalue("nobody")
    manifest = json.loads((next((cache.folder / "indexes").iterdir()) / "manifest.json").read_text())
    assert manifest["files"]
    from drivetrain.data.loading.far import FarShards
    from drivetrain.data.manifest import read_manifest

    folder = next((cache.folder / "indexes").iterdir())
    known = read_manifest(folder)
    loader = Loader(DataSet.over(folder, known, FarShards(Bucket(far, 0.2), known.files, cache)), threads=2)
    with pytest.raises(StoreError, match=r"cannot read s3://.*shard-00000\.tar"):
        next(iter(loader))
    assert not loader.bad_samples


def test_an_index_that_was_altered_in_the_bucket_is_refused(far: str, cache: PieceCache) -> None:
    bucket = Bucket(far, 20)
    (name,) = [name for name in bucket.names("") if name.endswith(".arrow")]
    data = bytearray(bucket.get(name) or b"")
    data[len(data) // 2] ^= 255
    bucket.put(name, bytes(data))
    with pytest.raises(DataError, match=f"{name}.*SHA-256|{name}"):
        open_dataset(far, cache=cache)


def test_no_data_set_there_is_said_so(s3: str, cache: PieceCache) -> None:
    with pytest.raises(DataError, match="there is no data set at s3://"):
        open_dataset(s3, cache=cache)


def test_single_samples_can_be_read_too(far: str, cache: PieceCache, small_dataset: DataSet) -> None:
    dataset = open_dataset(far, cache=cache)
    np.testing.assert_array_equal(dataset.read(3).image, small_dataset.read(3).image)


def test_an_earlier_version_in_a_bucket_is_found_by_its_beginning(
    s3: str, cache: PieceCache, small_dataset: DataSet, tmp_path: Path
) -> None:
    shutil.copytree(small_dataset.path, tmp_path / "copy")
    later = delete_samples(DataSet.open(tmp_path / "copy"), np.array([0], np.int64))
    bucket = Bucket(s3, 20)
    for file in sorted(later.path.rglob("*")):
        if file.is_file():
            bucket.put(str(file.relative_to(later.path)), file.read_bytes())
    found = open_dataset(s3, small_dataset.manifest.version[:6], cache=cache)
    assert (len(found), len(open_dataset(s3, cache=cache))) == (len(small_dataset), len(small_dataset) - 1)
