from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drivetrain.core.errors import StoreError
from drivetrain.core.protocols import BlobStore
from drivetrain.store import LocalBlobs

NAMES = st.text(alphabet="abcXYZ019 -_é", min_size=1, max_size=12).filter(str.strip)
KEYS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return LocalBlobs(tmp_path / "root")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(key=KEYS, data=st.binary(max_size=64))
def test_what_is_put_can_be_got_listed_and_deleted(
    tmp_path_factory: pytest.TempPathFactory, key: str, data: bytes
) -> None:
    blobs: BlobStore = LocalBlobs(tmp_path_factory.mktemp("root"))
    blobs.put(key, b"old")
    blobs.put(key, data)
    assert blobs.get(key) == data
    assert blobs.list("") == [key]
    blobs.delete(key)
    blobs.delete(key)
    assert blobs.list("") == []
    with pytest.raises(StoreError, match="cannot read"):
        blobs.get(key)


@pytest.mark.parametrize("key", ["", "/etc/passwd", "../x", "a/../../x", "a.incomplete"])
def test_a_key_that_leaves_the_root_or_hides_is_refused(blobs: BlobStore, key: str) -> None:
    with pytest.raises(ValueError, match="is no key"):
        blobs.put(key, b"")


def test_a_list_begins_at_a_folder(blobs: BlobStore) -> None:
    for key in ("runs/a/run.json", "runs/b/run.json", "runsheet"):
        blobs.put(key, b"{}")
    assert blobs.list("runs") == ["runs/a/run.json", "runs/b/run.json"]


def test_what_cannot_be_written_leaves_the_old_value(blobs: BlobStore, tmp_path: Path) -> None:
    blobs.put("a", b"old")
    with pytest.raises(StoreError, match="cannot write"):
        blobs.put("a/b", b"new")
    assert blobs.get("a") == b"old"
