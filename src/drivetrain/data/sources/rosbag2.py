"""A ROS 2 bag: a folder with metadata.yaml and its files in order, MCAP or SQLite; or one .db3 file alone.

Without metadata.yaml (the recorder was killed) the files of the folder are taken by number, if their names differ in
nothing else. A file that is listed but absent or damaged is said in the log's notes, and the others are read.
Source: https://github.com/ros2/rosbag2
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from drivetrain.core.errors import DataError, SampleError
from drivetrain.data.log import Log
from drivetrain.data.sources import bag_db3, mcap
from drivetrain.data.sources.cache import Cache
from drivetrain.data.sources.mcap_chunk import unzstd
from drivetrain.data.sources.topics import Topic

_METADATA = "metadata.yaml"
_ENDINGS = (".mcap", ".db3")
_A_FEW = 6
_MOST_METADATA_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class _TopicName:
    name: str


@dataclass(frozen=True, slots=True)
class _TopicCount:
    topic_metadata: _TopicName
    message_count: int


@dataclass(frozen=True, slots=True)
class _Info:
    """What we use of metadata.yaml, by its own names."""

    relative_file_paths: list[str] = field(default_factory=list)
    compression_format: str = ""
    compression_mode: str = ""
    topics_with_message_count: list[_TopicCount] = field(default_factory=list)


def recognise(path: Path) -> str:
    """Why this is no ROS 2 bag, or an empty string."""
    if path.is_file():
        return "" if path.suffix == ".db3" else "it is a file that does not end in .db3"
    if not path.is_dir():
        return "there is no such folder"
    if (path / _METADATA).is_file() or _files(path):
        return ""
    return f"it has no {_METADATA}, and no .mcap or .db3 files"


def open_log(path: Path) -> Log:
    """Open a bag; lists are read now, messages when asked for.

    Raises: DataError: metadata.yaml is damaged, a file is compressed as a whole, or no file can be read.
    """
    info = _info(path / _METADATA) if (path / _METADATA).is_file() else None
    files, notes = _listed(path, info) if info else ([path] if path.is_file() else _one_recording(path), [])
    topics, read = _topics(files, notes)
    if not read:
        raise DataError(f"no file of the bag {path} can be read: {notes[0] if notes else 'it has none'}")
    if info:
        topics = [_unpacked(_counted(topic, topics, info), info) for topic in topics]
    hashed = [*files, path / _METADATA] if info else files
    return mcap.log_of("rosbag2", path, [file for file in hashed if file.is_file()], topics, notes)


def _one_recording(folder: Path) -> list[Path]:
    """The folder's files. Raises DataError: they are several recordings, as far as names tell."""
    files = _files(folder)
    if len({(re.sub(r"_?[0-9]+$", "", file.stem), file.suffix) for file in files}) > 1:
        names = ", ".join(file.name for file in files[:_A_FEW]) + (", ..." if len(files) > _A_FEW else "")
        raise DataError(
            f"{folder} holds several recordings, and no {_METADATA} says that they are one: {names}",
            hint=f"open one of them, such as {files[0]}",
        )
    return files


def _files(folder: Path) -> list[Path]:
    """The folder's recordings; `bag_10` after `bag_9`."""
    found = [file for file in folder.iterdir() if file.suffix in _ENDINGS and file.is_file()]
    return sorted(found, key=lambda file: [int(part) if part.isdecimal() else part for part in _parts(file.name)])


def _parts(name: str) -> list[str]:
    return re.split(r"([0-9]+)", name)


def _info(file: Path) -> _Info:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same in C, where it was built
    try:
        if file.stat().st_size > _MOST_METADATA_BYTES:
            raise DataError(f"{file} has {file.stat().st_size:,} bytes, expected a page of text")
        text = file.read_text(encoding="utf-8")
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=loader)):
            raise DataError(f"{file} has YAML aliases, which rosbag2 never writes")
        listed = yaml.load(text, Loader=yaml.CSafeLoader)
        return msgspec.convert(listed, dict[str, _Info])["rosbag2_bagfile_information"]
    except OSError as exc:
        raise DataError(f"cannot read {file}: {exc.strerror}") from exc
    except (yaml.YAMLError, msgspec.ValidationError, KeyError, ValueError, RecursionError) as exc:
        what = " ".join(str(exc).split())
        raise DataError(f"{file} is not what rosbag2 writes: {what}", hint="remove it to read the files alone") from exc


def _listed(folder: Path, info: _Info) -> tuple[list[Path], list[str]]:
    """The files that metadata.yaml names, never outside the folder, and notes on those that are not there."""
    files, notes = [], []
    for listed in info.relative_file_paths:
        name = Path(listed).name  # bags before version 4 put the folder's name before it
        file = folder / name
        if name.endswith((".db3.zstd", ".mcap.zstd")) and not file.with_suffix("").is_file():
            raise DataError(f"{file} is compressed as a whole", hint=f"unpack it first: zstd -d {file}")
        file = file.with_suffix("") if file.suffix == ".zstd" else file
        if file.is_file() and file.suffix in _ENDINGS:
            files.append(file)
        else:
            notes.append(f"{name}: listed in {_METADATA}, but not in the folder")
    return files, notes


def _topics(files: Sequence[Path], notes: list[str]) -> tuple[list[Topic], int]:
    """Topics of all files, and how many files could be read; notes are added to."""
    chunks: Cache[bytes] = Cache(len)
    blocks: Cache[dict[int, bytes]] = Cache(bag_db3.num_bytes)
    topics: list[Topic] = []
    num_read = 0
    for file in files:
        try:
            if file.suffix == ".db3":
                topics += bag_db3.topics_of(file, blocks)
            else:
                found, said = mcap.topics_of(file, chunks)
                topics += found
                notes += said
        except DataError as exc:
            if len(files) == 1:
                raise
            notes.append(f"{file.name} is left out: {exc.message}")
        else:
            num_read += 1
    return topics, num_read


def _counted(topic: Topic, topics: Sequence[Topic], info: _Info) -> Topic:
    """A topic with what metadata.yaml promises of it; the first file's part takes up what no file has."""
    same = [other for other in topics if other.name == topic.name]
    if topic is not same[0]:
        return topic
    promised = sum(c.message_count for c in info.topics_with_message_count if c.topic_metadata.name == topic.name)
    missing = promised - sum(other.num_listed for other in same)
    return replace(topic, num_listed=topic.num_listed + max(0, missing))


def _unpacked(topic: Topic, info: _Info) -> Topic:
    """A topic whose messages are decompressed one by one, where the bag was recorded so."""
    if info.compression_mode.upper() != "MESSAGE":
        return topic
    if info.compression_format != "zstd":
        raise DataError(f"messages are compressed with {info.compression_format!r}; zstd is read")
    return replace(topic, data=_unpacking(topic.data))


def _unpacking(data: Callable[[int], bytes]) -> Callable[[int], bytes]:
    def unpacked(i: int) -> bytes:
        try:
            return unzstd(data(i), None)
        except SampleError as exc:
            raise SampleError(f"the message {exc.message}") from exc

    return unpacked
