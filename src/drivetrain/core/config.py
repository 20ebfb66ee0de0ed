"""What a person wrote becomes a typed value, or an error that names the key, the value and the nearest right one."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from drivetrain.core.errors import ConfigError

T = TypeVar("T")


def load(kind: type[T], values: Mapping[str, object], *, where: str = "configuration") -> T:
    """Build `kind` (a dataclass or msgspec.Struct) from what a person wrote.

    Nested dataclasses are checked in the same way; strings stay strings, numbers stay numbers, no key is ignored.

    Args:
      kind: the type to build; its own `__post_init__` may refuse values.
      values: what was written.
      where: names the source in errors, such as a file's path.
    Raises: ConfigError: an unknown key, a missing one, or a value of the wrong type or out of range.
    """
    _refuse_unknown(kind, values, where, "")
    try:
        return msgspec.convert(dict(values), kind)
    except msgspec.ValidationError as exc:
        raise ConfigError(f"{where}: {exc}") from exc


def load_file(kind: type[T], path: Path) -> T:
    """Read a TOML file into `kind`; see `load`."""
    return load(kind, read_toml(path), where=str(path))


def read_toml(path: Path) -> dict[str, object]:
    """What a TOML file says. Raises: ConfigError: there is none, or it is no TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as exc:
        raise ConfigError(f"there is no configuration file {path}") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path} is not valid TOML: {exc}") from exc


def nearest(word: str, known: list[str]) -> str:
    """The known word most like `word`, or an empty string when none is near."""
    found = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return found[0] if found else ""


def _refuse_unknown(kind: object, values: Mapping[str, object], where: str, prefix: str) -> None:
    info = msgspec.inspect.type_info(kind)
    if not isinstance(info, msgspec.inspect.DataclassType | msgspec.inspect.StructType):
        return
    fields = {field.encode_name: field.type for field in info.fields}
    for key, value in values.items():
        if key not in fields:
            guess = nearest(str(key), list(fields))
            hint = f"did you mean {prefix}{guess}?" if guess else f"known keys: {', '.join(fields)}"
            raise ConfigError(f"{where}: unknown key {prefix}{key}", hint=hint)
        _refuse_within(fields[key], value, where, f"{prefix}{key}")


def _refuse_within(kind: msgspec.inspect.Type, value: object, where: str, path: str) -> None:
    if isinstance(value, Mapping) and isinstance(kind, msgspec.inspect.DataclassType | msgspec.inspect.StructType):
        _refuse_unknown(kind.cls, value, where, f"{path}.")
    elif isinstance(value, Sequence) and isinstance(kind, msgspec.inspect.VarTupleType | msgspec.inspect.ListType):
        for number, each in enumerate(value):
            _refuse_within(kind.item_type, each, where, f"{path}[{number}]")
