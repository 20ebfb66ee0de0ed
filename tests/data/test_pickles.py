from __future__ import annotations

import gzip
import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest

from drivetrain.core.errors import SampleError, UnsafePickleError
from drivetrain.data.sources.pickles import read_table


class _RunsCode:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (self.command,)


def _packed(tmp_path: Path, data: bytes) -> Path:
    file = tmp_path / "00.pkl.gz"
    file.write_bytes(gzip.compress(data))
    return file


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_that_would_run_code_is_refused_and_runs_nothing(tmp_path: Path, protocol: int) -> None:
    trace = tmp_path / "trace"
    file = _packed(tmp_path, pickle.dumps(_RunsCode(f"touch {trace}"), protocol))
    with pytest.raises(UnsafePickleError, match=r"asks for (posix|os)\.system"):
        read_table(file)
    assert not trace.exists()


@pytest.mark.parametrize(
    "name",
    [
        "builtins eval",
        "builtins getattr",
        "numpy load",
        "numpy.f2py.crackfortran getlincoef",
        "pandas eval",
        "os system",
    ],
)
def test_names_that_tables_do_not_need_are_refused(tmp_path: Path, name: str) -> None:
    module, attribute = name.split()
    with pytest.raises(UnsafePickleError, match=f"{module}.{attribute}"):
        read_table(_packed(tmp_path, f"c{module}\n{attribute}\n.".encode()))


def test_a_name_reached_through_an_allowed_one_is_refused(tmp_path: Path) -> None:
    data = b"\x80\x04\x8c\x05numpy\x8c\x12ndarray.__class__\x93."
    with pytest.raises(UnsafePickleError):
        read_table(_packed(tmp_path, data.replace(b"\x12", bytes([len("ndarray.__class__")]))))


def test_a_pickle_cannot_change_the_stand_ins(tmp_path: Path) -> None:
    state = pickle.dumps((None, {"__setstate__": 1}), 2)[2:-1]
    for state_setter in (b"cpandas.core.frame\nDataFrame\n" + state + b"b.",):
        with pytest.raises((UnsafePickleError, SampleError)):
            read_table(_packed(tmp_path, state_setter))


def test_a_memo_of_gigabytes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsafePickleError, match="memo entry 4294967295"):
        read_table(_packed(tmp_path, b"\x80\x02Nr" + struct.pack("<I", 2**32 - 1) + b"."))


def test_an_outside_object_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsafePickleError, match="outside object"):
        read_table(_packed(tmp_path, b"Pdatabase\n."))


@pytest.mark.parametrize("data", [b"", b"\x80", b"garbage", pickle.dumps([1, 2]), pickle.dumps({"x": 1})])
def test_what_is_no_table_is_an_error_that_names_the_file(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(SampleError, match=r"00\.pkl\.gz"):
        read_table(_packed(tmp_path, data))


def test_a_file_that_is_cut_short_or_not_packed_is_an_error(tmp_path: Path, shared_data: Path) -> None:
    whole = (shared_data / "pandaset_002/as_published/semseg/00.pkl.gz").read_bytes()
    file = tmp_path / "00.pkl.gz"
    for data in (whole[: len(whole) // 2], b"plain", b""):
        file.write_bytes(data)
        with pytest.raises(SampleError, match=r"00\.pkl\.gz"):
            read_table(file)
    with pytest.raises(SampleError, match="cannot be unpacked"):
        read_table(tmp_path / "absent.pkl.gz")


def test_what_unpacks_to_too_much_is_refused_before_it_fills_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivetrain.data.sources.pickles._MOST_BYTES", 1000)
    with pytest.raises(SampleError, match="larger than 1000 B when unpacked"):
        read_table(_packed(tmp_path, bytes(5000)))


def test_damaged_bytes_never_raise_anything_else(tmp_path: Path, shared_data: Path) -> None:
    with gzip.open(shared_data / "pandaset_002/as_published/cuboids/00.pkl.gz") as file:
        data = file.read()
    rng = np.random.default_rng(0)
    num_refused = 0
    for _ in range(120):
        damaged = bytearray(data)
        for place in rng.integers(0, 700, 4):
            damaged[place] = rng.integers(256)
        try:
            read_table(_packed(tmp_path, bytes(damaged)))
        except (SampleError, UnsafePickleError):
            num_refused += 1
    assert num_refused > 60


def test_the_published_tables_read_as_columns(shared_data: Path) -> None:
    folder = shared_data / "pandaset_002/as_published"
    lidar = read_table(folder / "lidar/00.pkl.gz")
    assert list(lidar) == ["x", "y", "z", "i", "t", "d"]
    assert lidar["x"].shape == (166768,)
    boxes = read_table(folder / "cuboids/00.pkl.gz")
    assert boxes["label"][0] == "Car"
    assert boxes["dimensions.y"][0] == pytest.approx(4.747)
