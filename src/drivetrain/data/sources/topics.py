"""What recordings of messages have in common, whatever file they are in: topics become streams of a log.

A topic has bytes, an encoding and maybe a schema. CDR by a ROS 2 definition, protobuf and JSON are decoded; types that
say what they mean become streams of that kind (meanings.py), all others messages. Nothing is read before it is asked
for but the first message of a topic, which says in which frame it speaks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, overload

import msgspec
import numpy as np
from numpy.typing import NDArray

from drivetrain.core.errors import DataError, SampleError
from drivetrain.data.arrays import Floats, Ints
from drivetrain.data.log import Intrinsics, Message, Stream
from drivetrain.data.sources import cdr, meanings, protobuf, ros2msg, standard
from drivetrain.data.sources.meanings import View
from drivetrain.data.sources.ros2msg import Definition

Decoded = dict[str, Any]
_TRIES = 4  # a damaged first message does not make a topic bytes


@dataclass(frozen=True)
class Schema:
    """The type of a topic's messages as recorded; all empty where the recording does not say."""

    name: str = ""
    encoding: str = ""
    definition: bytes = b""


@dataclass(frozen=True, eq=False)
class Topic:
    """One topic's messages.

    Attributes:
      encoding: of the messages, such as `cdr` or `json`.
      t_ns: when each was recorded, int64, in the order of the recording.
      num_listed: messages that the recording's own count promises.
      data: message number i as recorded. Raises SampleError.
      metadata: what the recorder said about the topic.
    """

    name: str
    schema: Schema
    encoding: str
    t_ns: Ints
    num_listed: int
    data: Callable[[int], bytes]
    metadata: Mapping[str, str] = field(default_factory=dict)


class Numbers(Sequence[str]):
    """Labels of messages that have only their number; made when asked for."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[str, ...]: ...
    def __getitem__(self, index: int | slice) -> str | tuple[str, ...]:
        numbers = range(self._count)[index]
        return f"{numbers:06d}" if isinstance(numbers, int) else tuple(f"{n:06d}" for n in numbers)


NO_ROWS: Ints = np.empty(0, np.int64)


def rows_by(number_M: NDArray[np.integer[Any]]) -> dict[int, Ints]:
    """Which messages have each number, in their order."""
    order = np.argsort(number_M, kind="stable")
    numbers, starts = np.unique(number_M[order], return_index=True)
    return dict(zip(numbers.tolist(), np.split(order, starts[1:]), strict=True)) if len(order) else {}


def join(topics: Iterable[Topic]) -> list[Topic]:
    """One topic for all of the same name, schema and encoding, in the order given; names are unique afterwards."""
    same: dict[tuple[str, Schema, str], list[Topic]] = {}
    for topic in topics:
        same.setdefault((topic.name, topic.schema, topic.encoding), []).append(topic)
    taken: dict[str, int] = {}
    found = []
    for (name, _, _), parts in same.items():
        taken[name] = taken.get(name, 0) + 1
        found.append(replace(_joined(parts), name=name if taken[name] == 1 else f"{name}@{taken[name]}"))
    return found


def _joined(parts: list[Topic]) -> Topic:
    if len(parts) == 1:
        return parts[0]
    starts = np.cumsum([0, *(len(part.t_ns) for part in parts)])

    def data(i: int) -> bytes:
        at = int(np.searchsorted(starts, i, side="right")) - 1
        return parts[at].data(i - int(starts[at]))

    t_ns = np.concatenate([part.t_ns for part in parts])
    return replace(parts[0], t_ns=t_ns, data=data, num_listed=sum(part.num_listed for part in parts))


def decoder_of(topic: Topic) -> Callable[[bytes], Decoded] | None:
    """What makes plain values of a topic's bytes (raises SampleError); None where its type is not one we decode."""
    if topic.encoding == "json":
        return _decode_json
    if topic.encoding == topic.schema.encoding == "protobuf":
        return protobuf.decoder_of(topic.schema.name, topic.schema.definition)
    definition = _definition(topic)
    return (lambda data: cdr.decode(definition, data)) if definition else None


def _definition(topic: Topic) -> Definition | None:
    """The ROS 2 type of a topic's messages: as recorded, or a standard one where the recording has none, or IDL."""
    schema = topic.schema
    is_text = schema.encoding == "ros2msg" and schema.definition
    text = schema.definition.decode(errors="replace") if is_text else standard.definition_text(schema.name)
    return _parsed(schema.name, text) if topic.encoding == "cdr" and text else None


@lru_cache(maxsize=64)  # many topics share a type
def _parsed(name: str, text: str) -> Definition | None:
    try:
        return ros2msg.parse(name, text)
    except DataError:
        return None


def _decode_json(data: bytes) -> Decoded:
    try:
        decoded = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise SampleError(f"{len(data)} bytes are no JSON: {exc}") from exc
    if not isinstance(decoded, dict):
        raise SampleError(f"the JSON is no object but {type(decoded).__name__}")
    return decoded


def streams_of(topics: Sequence[Topic]) -> dict[str, Stream[Any]]:
    """Streams by name; a topic gives one of its own name, and where its type has more meanings, more below it."""
    found: dict[str, Stream[Any]] = {}
    for topic in sorted(topics, key=lambda topic: topic.name):
        decode = decoder_of(topic)
        first = _first(topic, decode) if decode else None
        if first is None and len(topic.t_ns):
            decode = None  # not what the schema says: bytes
        views = _views(topic, first) if decode else ()
        if not views and topic.metadata.get(meanings.KIND) != meanings.CALIBRATION:
            _add(found, _messages(topic, decode))
        for view in views:
            assert decode is not None, "only what can be decoded has a meaning"
            _add(found, _stream(topic, view, decode))
    return found


def _add(found: dict[str, Stream[Any]], stream: Stream[Any]) -> None:
    name = stream.name
    while name in found:
        name += "'"
    found[name] = replace(stream, name=name)


def _first(topic: Topic, decode: Callable[[bytes], Decoded]) -> Decoded | None:
    """The first message that can be read of a few; None where none can."""
    for i in range(min(_TRIES, len(topic.t_ns))):
        with suppress(SampleError):
            return decode(topic.data(i))
    return None


def _views(topic: Topic, first: Decoded | None) -> Sequence[View]:
    return meanings.views_of(topic.schema.name, _definition(topic), topic.metadata, first)


def _stream(topic: Topic, view: View, decode: Callable[[bytes], Decoded]) -> Stream[Any]:
    def read(i: int) -> Any:
        return _meant(topic, i, view.read, decode)

    def values() -> Floats:
        table = np.empty((len(topic.t_ns), len(view.fields)), np.float64)
        for i in range(len(table)):
            table[i] = read(i)
        return table

    def jpeg(i: int) -> bytes:
        data: bytes = _meant(topic, i, meanings.compressed, decode)
        return data

    return Stream(
        name=topic.name + view.below,
        kind=view.kind,
        frame=view.frame,
        t_ns=topic.t_ns,
        read=read,
        labels=Numbers(len(topic.t_ns)),
        num_listed=_num_listed(topic),
        fields=view.fields,
        values=values if view.kind == "scalars" else None,
        jpeg=jpeg if view.is_jpeg else None,
    )


def _meant(topic: Topic, i: int, meaning: Callable[[Decoded], Any], decode: Callable[[bytes], Decoded]) -> Any:
    try:
        return meaning(decode(topic.data(i)))
    except SampleError as exc:
        raise SampleError(f"message {i} of {topic.name}: {exc.message}", hint=exc.hint) from exc
    except (LookupError, TypeError, ValueError, OverflowError, AttributeError) as exc:
        what = f"{type(exc).__name__}: {exc}"
        raise SampleError(
            f"message {i} of {topic.name} is not what its type {topic.schema.name} says ({what})"
        ) from exc


def _messages(topic: Topic, decode: Callable[[bytes], Decoded] | None) -> Stream[Message]:
    schema = topic.schema

    def read(i: int) -> Message:
        data = topic.data(i)
        decoded = _meant(topic, i, lambda decoded: decoded, decode) if decode else None
        return Message(schema.name, topic.encoding, data, decoded, schema.definition, schema.encoding)

    return Stream(
        name=topic.name,
        kind="message",
        frame="",
        t_ns=topic.t_ns,
        read=read,
        labels=Numbers(len(topic.t_ns)),
        num_listed=_num_listed(topic),
    )


def _num_listed(topic: Topic) -> int:
    """By the recording's own count, and by what Drivetrain knew when it wrote the file."""
    said = topic.metadata.get(meanings.NUM_LISTED, "")
    return max(len(topic.t_ns), topic.num_listed, int(said) if said.isdecimal() and len(said) < 16 else 0)


def intrinsics_of(
    topics: Sequence[Topic], streams: Mapping[str, Stream[Any]]
) -> tuple[dict[str, Intrinsics], list[str]]:
    """Cameras' intrinsics by the calibration beside them or below them, and notes on those that we cannot use.

    `/front/camera_info` belongs to `/front/image_raw`, `/front/image/compressed` and to `/front`.
    """
    found: dict[str, Intrinsics] = {}
    notes = []
    for topic in sorted(topics, key=lambda topic: len(topic.name)):  # of two, the deeper one is the nearer
        decode = decoder_of(topic)
        if not len(topic.t_ns) or decode is None or not meanings.is_calibration(topic.schema.name):
            continue
        place = topic.name.rpartition("/")[0]
        cameras = [n for n, s in streams.items() if s.kind == "camera" and (n == place or n.startswith(f"{place}/"))]
        if not place or not cameras:
            continue
        try:
            lens = _meant(topic, 0, meanings.intrinsics, decode)
        except SampleError as exc:
            notes.append(exc.message)
        else:
            found |= dict.fromkeys(cameras, lens)
    return found, notes
