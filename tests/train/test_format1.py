"""Torch's checkpoint index is read without running what a pickle asks for."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from torch.distributed.checkpoint import FileSystemWriter, save

from drivetrain.core.errors import UnsafePickleError
from drivetrain.train.format1 import read_metadata


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.filterwarnings("ignore:torch.distributed is disabled")
def test_a_real_index_reads_as_torch_reads_it(tmp_path: Path) -> None:
    tensors = {f"t/{dtype}": torch.zeros(3, 2).to(dtype) for dtype in (torch.float32, torch.bfloat16, torch.int64)}
    tensors["channels"] = torch.zeros(1, 3, 4, 4).to(memory_format=torch.channels_last)
    save(tensors, storage_writer=FileSystemWriter(str(tmp_path)))
    expected = pickle.loads((tmp_path / ".metadata").read_bytes())
    assert read_metadata(tmp_path) == expected


def test_a_pickle_that_would_run_code_is_refused_before_it_does(tmp_path: Path) -> None:
    (tmp_path / ".metadata").write_bytes(pickle.dumps(Evil(tmp_path / "ran")))
    with pytest.raises(UnsafePickleError, match=r"\.metadata was not opened: it asks for"):
        read_metadata(tmp_path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"nonsense", pickle.dumps({"a": 1}), pickle.dumps([1])[:-2]])
def test_what_is_no_index_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / ".metadata").write_bytes(content)
    with pytest.raises(UnsafePickleError, match="is no checkpoint index"):
        read_metadata(tmp_path)
