"""Protobuf messages -> plain values, by the file descriptors that a recording carries."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from drivetrain.core.errors import SampleError


@lru_cache(maxsize=64)  # many topics share a type
def decoder_of(name: str, descriptors: bytes) -> Callable[[bytes], dict[str, Any]] | None:
    """What makes plain values of a message's bytes (raises SampleError); None where the descriptors do not give it.

    Numbers, str, bytes, lists and dicts by field; an enum is its number, a message that is absent is None.

    Args:
      name: of the type, such as `foxglove.CompressedImage`.
      descriptors: a serialised FileDescriptorSet.
    """
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    from google.protobuf.message import DecodeError

    try:
        files = descriptor_pb2.FileDescriptorSet.FromString(descriptors).file
        pool = descriptor_pool.DescriptorPool()
        for file in _in_order({file.name: file for file in files}):
            pool.Add(file)
        kind = message_factory.GetMessageClass(pool.FindMessageTypeByName(name))
    except (DecodeError, TypeError, KeyError, ValueError, RecursionError):
        return None

    def decode(data: bytes) -> dict[str, Any]:
        try:
            return _plain(kind.FromString(data))
        except (DecodeError, UnicodeDecodeError) as exc:
            raise SampleError(f"{len(data)} bytes are no {name}: {exc}") from exc

    return decode


def _in_order(files: dict[str, Any]) -> list[Any]:
    """Files after those that they import."""
    ordered: dict[str, Any] = {}

    def add(name: str, inside: tuple[str, ...]) -> None:
        if name in ordered or name in inside or name not in files:
            return
        for needed in files[name].dependency:
            add(needed, (*inside, name))
        ordered[name] = files[name]

    for name in files:
        add(name, ())
    return list(ordered.values())


def _plain(message: Any) -> dict[str, Any]:
    return {field.name: _value(message, field) for field in message.DESCRIPTOR.fields}


def _value(message: Any, field: Any) -> Any:
    value = getattr(message, field.name)
    if field.message_type is None:
        return list(value) if field.is_repeated else value
    if not field.is_repeated:
        return _plain(value) if message.HasField(field.name) else None
    if field.message_type.GetOptions().map_entry:
        is_plain = field.message_type.fields_by_name["value"].message_type is None
        return {str(key): value[key] if is_plain else _plain(value[key]) for key in value}
    return [_plain(item) for item in value]
