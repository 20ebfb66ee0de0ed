"""What a person wrote becomes a typed value, or an error that names the key, the value and the nearest right one."""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from drivetrain.core.errors import ConfigError

T = TypeVar("T")
_MOST_BYTES = 1 << 20
_WRONG = re.compile(r"Expected `([a-z| ]+)`, got `([a-z]+)`(?: - at `(?:key in )?\$\.?(.*)`)?")
_MISSING = re.compile(r"Object missing required field `(.+?)`(?: - at `\$\.?(.*)`)?")
_WORDS = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a table of keys",
    "null": "nothing",
}


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
        message, hint = _in_our_words(str(exc), values)
        raise ConfigError(f"{where}: {message}", hint=hint) from exc


def load_file(kind: type[T], path: Path) -> T:
    """Read a TOML file into `kind`; see `load`."""
    return load(kind, read_toml(path), where=str(path))


def read_toml(path: Path) -> dict[str, object]:
    """What a TOML file says. Raises: ConfigError: there is none, it is no TOML, or too large to be any."""
    try:
        if not path.is_file() and path.exists():
            raise ConfigError(f"{path} is no file, expected a TOML file")
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise ConfigError(f"{path} is larger than 1 MiB, expected a TOML file")
        return tomllib.loads(content.decode())
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise ConfigError(f"there is no configuration file {path}") from exc
    except OSError as exc:
        raise ConfigError(f"{path} cannot be read: {exc.strerror}") from exc
    except RecursionError as exc:
        raise ConfigError(f"{path} is not valid TOML: it is nested too deeply") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path} is not valid TOML: {exc}") from exc


def nearest(word: str, known: list[str]) -> str:
    """The known word most like `word`, or an empty string when none is near."""
    found = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return found[0] if found else ""


def _in_our_words(message: str, values: Mapping[str, object]) -> tuple[str, str]:
    """What msgspec found, and a hint: the key as it was written, and types as people call them."""
    if missing := _MISSING.fullmatch(message):
        return f"{missing[2]}.{missing[1]} is missing" if missing[2] else f"{missing[1]} is missing", ""
    wrong = _WRONG.fullmatch(message)
    if wrong is None:
        return message, ""
    expected, got = wrong[1].split(" | "), wrong[2]
    path, value = _written_at(wrong[3] or "", got, values)
    words = " or ".join(_WORDS.get(each, each) for each in expected)
    hint = ""
    if expected == ["array"] and isinstance(value, str) and re.fullmatch(r"\w+", path):
        hint = f"{path} = {json.dumps(value.split()[:8], ensure_ascii=False)[:200]}"
    return f"{path or 'it'} is {_WORDS.get(got, got)}, expected {words}", hint


def _written_at(path: str, got: str, values: Mapping[str, object]) -> tuple[str, object]:
    """A path with `[...]` named by the keys of tables that it stands for, and what was written there."""
    found: list[str] = []
    value: object = values
    for part in re.findall(r"[^.\[\]]+|\[\.\.\.\]|\[[0-9]+\]", path):
        if part == "[...]" and isinstance(value, Mapping):
            key = next((key for key in value if _kind_of(value[key]) == got), "")
            found.append(f".{str(key)[:60]}")
            value = value.get(key)
        elif part.startswith("["):
            found.append(part)
            if isinstance(value, Sequence) and part[1:-1].isdigit() and int(part[1:-1]) < len(value):
                value = value[int(part[1:-1])]
        else:
            found.append(f".{part}")
            value = value.get(part) if isinstance(value, Mapping) else None
    return "".join(found).removeprefix("."), value


def _kind_of(value: object) -> str:
    kinds = {bool: "bool", int: "int", float: "float", str: "str", list: "array", tuple: "array", dict: "object"}
    return kinds.get(type(value), "null")


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
