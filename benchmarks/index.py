"""An index of 10 million samples: the first batch, going on from anywhere, memory; and single samples at random.

The index is made, not real: ten million rows of one shard whose 4,096 small arrays are named again and again. Each
figure comes from a process of its own, whose time counts from before the interpreter starts. Random reads go over
PandaSet-sized blobs (250 kB) in one tar, against a plain seek and read of the member, which checks nothing.
"""

from __future__ import annotations

import os
import random
import re
import statistics
import subprocess
import sys
import tarfile
import time
import zlib
from pathlib import Path

NUM_SAMPLES = 5
LIMIT_S = 300
NUM_CORES = 0
NUM_ROWS = 10_000_000
NUM_BLOBS, ROWS_PER_PIECE = 4096, 1 << 18
NUM_READS, READS_A_TURN, READ_BYTES = 4000, 100, 250_000


def bench_first_batch(shuffle=("full", "blocks")) -> dict[str, float]:
    """From a process's start to its first batch, going on from elsewhere, peak memory. Later samples find the index."""
    folder = Path("ten_million").absolute()
    if not folder.exists():
        make(folder, NUM_ROWS)
    found = _child(shuffle, folder)
    return {"first_s": found["first_s"], "resume_s": found["resume_s"], "resident_bytes": 1e6 * found["rss_mb"]}


def bench_reads() -> dict[str, float]:
    """One sample of 250 kB at random, in several ways."""
    folder = Path("reads").absolute()
    if not folder.exists():
        _make_reads(folder)
    return {f"{name.removesuffix('_us')}_s": value / 1e6 for name, value in _child("reads", folder).items()}


def make(folder: Path, num_samples: int) -> None:
    """A data set with so many rows, of parts `x.npy` with 16 numbers each."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    from drivetrain.data.codec import encode
    from drivetrain.data.index import PLACE, WORD
    from drivetrain.data.manifest import Manifest, with_id, write_manifest
    from drivetrain.store import StoredFile

    folder.mkdir(parents=True)
    blobs = [encode("x.npy", np.full(16, number, np.int32)) for number in range(NUM_BLOBS)]
    offsets = np.cumsum([0, *map(len, blobs)])
    (folder / "shard-00000.tar").write_bytes(b"".join(blobs))
    crcs = np.array([zlib.crc32(blob) for blob in blobs], np.uint32)
    schema = pa.schema({"key": pa.string(), "shard": WORD, "split": WORD, "x.npy": PLACE})
    with pa.OSFile(str(folder / "index-00000.arrow"), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        for first in range(0, num_samples, ROWS_PER_PIECE):
            rows = np.arange(first, min(first + ROWS_PER_PIECE, num_samples))
            blob = rows % NUM_BLOBS
            zeros = pa.array(np.zeros(len(rows), np.int32))
            place = [pa.array(offsets[blob]), pa.array(np.diff(offsets)[blob]), pa.array(crcs[blob])]
            arrays = [
                pc.binary_join_element_wise("sample", pa.array(rows).cast(pa.string()), "-"),
                pa.DictionaryArray.from_arrays(zeros, pa.array(["shard-00000.tar"])),
                pa.DictionaryArray.from_arrays(zeros, pa.array(["train"])),
                pa.StructArray.from_arrays(place, fields=list(PLACE)),
            ]
            writer.write_batch(pa.record_batch(arrays, schema=schema))
    write_manifest(
        folder,
        with_id(
            Manifest(
                version="",
                parent="",
                num_samples={"train": num_samples},
                parts={"x.npy": "npy"},
                fragments=("index-00000.arrow",),
                columns={},
                deleted="",
                slices={},
                inputs={},
                steps=(),
                facts={},
                files={file.name: StoredFile.of(file) for file in sorted(folder.iterdir())},
            )
        ),
    )


def _make_reads(folder: Path) -> None:
    from drivetrain.data import Encoded, write_dataset

    blob = random.Random(0).randbytes(READ_BYTES)
    write_dataset(folder, (Encoded(f"s{number}", {"x.bin": blob}) for number in range(200)))


def _child(way: str, folder: Path) -> dict[str, float]:
    began_ns = time.monotonic_ns()
    done = subprocess.run(
        [sys.executable, __file__, way, str(folder), str(began_ns)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return {name: float(value) for name, value in re.findall(r"(\w+)=([0-9.]+)", done.stdout)}


def _load(folder: Path, began_ns: int, *, in_blocks: bool) -> None:
    from drivetrain.data import Blocks, Loader

    loader = Loader(folder, global_batch=256, shuffle=Blocks() if in_blocks else None)
    first = next(iter(loader))
    assert first["x"].shape == (256, 16)
    first_s = (time.monotonic_ns() - began_ns) / 1e9
    again_ns = time.monotonic_ns()
    loader.load_state_dict({"epoch": 5, "consumed": 256 * 31_337 - 5 * loader.num_samples % 256})
    next(iter(loader))
    resume_s = (time.monotonic_ns() - again_ns) / 1e9
    loader.close()
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert peak
    print(f"first_s={first_s:.3f} resume_s={resume_s:.3f} rss_mb={int(peak[1]) / 1000:.0f}")


def _read(folder: Path) -> None:
    from drivetrain.data import DataSet
    from drivetrain.data.checksum import crc32

    dataset = DataSet.open(folder)
    chosen = random.Random(1).choices(range(len(dataset)), k=NUM_READS)
    shards = {name: (folder / name).open("rb", buffering=0) for name in dataset.manifest.files if name.endswith(".tar")}
    places = [(shards[p.shard], p.offset, p.size_bytes) for row in chosen for p in dataset.locate(row).values()]
    tars = [tarfile.open(fileobj=file) for file in shards.values()]  # noqa: SIM115 - ends with the process
    members = {member.name: (tar, member) for tar in tars for member in tar.getmembers()}
    names = [f"{dataset.key(row)}.x.bin" for row in chosen]

    def plain(at: int) -> bytes:
        file, offset, size = places[at]
        file.seek(offset)
        return file.read(size)

    def by_tar(at: int) -> bytes:
        tar, member = members[names[at]]
        found = tar.extractfile(member)
        assert found is not None
        return found.read()

    def ours(at: int) -> bytes:
        return dataset.stored_parts(chosen[at])["x.bin"]

    data = plain(0)
    ways = {
        "ours_us": ours,
        "checked_tar_us": lambda at: crc32(by_tar(at)),
        "tar_us": by_tar,
        "plain_us": plain,
        "crc_us": lambda _: crc32(data),
    }
    assert ours(3) == plain(3) == by_tar(3)
    times_us: dict[str, list[float]] = {name: [] for name in ways}
    for begin in range(0, NUM_READS, READS_A_TURN):
        for name, way in ways.items():
            began_ns = time.perf_counter_ns()
            for at in range(begin, begin + READS_A_TURN):
                way(at)
            times_us[name].append((time.perf_counter_ns() - began_ns) / READS_A_TURN / 1e3)
    for name, found in times_us.items():
        print(f"{name}={statistics.median(found):.2f}", end=" ")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(Path(sys.argv[2]), int(sys.argv[3]))
    elif sys.argv[1] == "reads":
        _read(Path(sys.argv[2]))
    else:
        _load(Path(sys.argv[2]), int(sys.argv[3]), in_blocks=sys.argv[1] == "blocks")
