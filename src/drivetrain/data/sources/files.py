"""What readers of folders share: files that are whole or named in one error, and names that stay in their folder."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import simplejpeg

from drivetrain.core.errors import DataError, SampleError
from drivetrain.core.units import NS_PER_S, bytes_text
from drivetrain.data.arrays import Bytes
from drivetrain.data.jpeg import decode_jpeg
from drivetrain.data.log import Intrinsics

T = TypeVar("T")
_MOST_BYTES = 4 << 30  # of one file that is read at once: the largest table of nuScenes is a third of it
_MOST_MESSAGE_BYTES = 1 << 30


def read_bytes(file: Path, *, most_bytes: int = _MOST_MESSAGE_BYTES) -> bytes:
    """All of a file. Raises SampleError: it is not there, cannot be read, or is larger than that."""
    try:
        with file.open("rb") as opened:
            found = opened.read(most_bytes + 1)
    except OSError as exc:
        raise SampleError(f"cannot read {file}: {exc.strerror}") from exc
    if len(found) > most_bytes:
        raise SampleError(f"{file} is larger than {bytes_text(most_bytes)}, the most that is read at once")
    return found


def read_json(file: Path, kind: type[T], *, publisher: str) -> T:
    """The values of a JSON file, as a type that says which there must be; more is passed over.

    Raises: DataError: it is not there, is no JSON, or is not of that type.
    """
    try:
        return msgspec.json.decode(read_bytes(file, most_bytes=_MOST_BYTES), type=kind)
    except SampleError as exc:
        raise DataError(exc.message, hint=f"{publisher} publishes it: fetch the log again") from exc
    except (ValueError, RecursionError) as exc:  # what msgspec finds, and bad UTF-8, are ValueErrors
        raise DataError(f"{file} is not what {publisher} publishes: {exc}") from exc


def read_parquet(file: Path, columns: Sequence[str]) -> pa.Table:
    """Columns of a parquet file. Raises SampleError naming the file and the columns it lacks."""
    return _table(file, columns, _parquet)


def read_feather(file: Path, columns: Sequence[str]) -> pa.Table:
    """Columns of a feather file. Raises SampleError naming the file and the columns it lacks."""
    return _table(file, columns, _feather)


def read_image(file: Path) -> Bytes:
    """Pixels of a JPEG file, HW3. Raises SampleError."""
    return decode_jpeg(read_bytes(file), where=str(file))


def image_size(files: Iterable[Path], *, folder: Path) -> tuple[int, int]:
    """Width and height by the first image whose header can be read. Raises DataError: none can."""
    for file in files:
        try:
            height, width, *_ = simplejpeg.decode_jpeg_header(file.read_bytes())
        except (OSError, ValueError):
            continue
        return width, height
    raise DataError(f"none of the images in {folder} can be read")


def pinhole(fx: float, fy: float, cx: float, cy: float, width: int, height: int, *, where: str) -> Intrinsics:
    """A calibration that can be used. Raises DataError: a number is not finite, or a focal length not above 0."""
    if not all(map(math.isfinite, (fx, fy, cx, cy))) or min(fx, fy) <= 0:
        values = f"fx {fx}, fy {fy}, cx {cx}, cy {cy}"
        raise DataError(f"{where} has {values}; all must be finite, focal lengths above 0")
    return Intrinsics(fx, fy, cx, cy, width, height)


def seconds_to_ns(seconds: Sequence[float], *, where: str) -> list[int]:
    """Stamps in nanoseconds. Raises DataError: one is not finite, or no time between 1970 and 2255."""
    for number, value in enumerate(seconds):
        if not math.isfinite(value) or not 0 <= value < 9e9:
            raise DataError(f"{where}: entry {number} is {value}, expected seconds since the epoch")
    return [round(value * NS_PER_S) for value in seconds]


def confined(folder: Path, name: str, *, where: Path) -> Path:
    """The file of this name in a folder. Raises DataError: a name in a log that leads out of its folder."""
    parts = Path(name).parts
    if not parts or Path(name).is_absolute() or ".." in parts or "\0" in name:
        raise DataError(f"{where} names a file {name!r}; a log's files are inside its folder")
    return folder / name


def content_hash(path: Path) -> str:
    """Of every file in a folder, with its name; or of one file."""
    digest = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]:
        digest.update(f"{file.relative_to(path).as_posix() if path.is_dir() else file.name}\0".encode())
        with file.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()[:16]


def _table(file: Path, columns: Sequence[str], read: Callable[[Path, Sequence[str]], pa.Table]) -> pa.Table:
    try:
        table = read(file, columns)
        table.validate(full=True)
    except (
        OSError,
        pa.ArrowException,
        MemoryError,
        ValueError,
        KeyError,
    ) as exc:  # names may be no text, or twice there
        raise SampleError(f"cannot read {file}: {exc}") from exc
    missing = [name for name in columns if name not in table.schema.names]
    if missing:
        raise SampleError(f"{file} has no column {', '.join(missing)}")
    return table


def _parquet(file: Path, columns: Sequence[str]) -> pa.Table:
    with pq.ParquetFile(file) as opened:
        there = [name for name in columns if name in opened.schema_arrow.names]
        return opened.read(columns=there, use_threads=False)


def _feather(file: Path, columns: Sequence[str]) -> pa.Table:
    with pa.OSFile(str(file), "rb") as opened, pa.ipc.open_file(opened) as batches:
        there = [name for name in columns if name in batches.schema.names]
        return batches.read_all().select(there)
