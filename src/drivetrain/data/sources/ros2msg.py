"""The text of a ROS 2 message definition -> its fields, types resolved, sizes known.

    std_msgs/Header header        a struct, here of another package
    float64[9] covariance         a fixed array; `[]` and `[<=9]` are sequences
    uint8 STATUS_OK=0             a constant: no field

The text of a schema holds the definition of the message, then after a line of `=` those of the structs in it, each
headed `MSG: package/Name`. Source: https://docs.ros.org/en/rolling/Concepts/Basic/About-Interfaces.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from drivetrain.core.errors import DataError

PRIMITIVES: Mapping[str, str] = {
    "bool": "u1",
    "byte": "u1",
    "char": "u1",
    "int8": "i1",
    "uint8": "u1",
    "int16": "i2",
    "uint16": "u2",
    "int32": "i4",
    "uint32": "u4",
    "int64": "i8",
    "uint64": "u8",
    "float32": "f4",
    "float64": "f8",
}
"""Numbers by name -> NumPy's code for them."""

_TEXT = "string"
_TYPE = re.compile(r"(?:(\w+)/(?:msg/|srv/|action/)?)?(\w+)(?:<=\d+)?(\[(?:<=)?\d*\])?")
_FIELD = re.compile(r"\s*(\S+)\s+(\w+)\s*(=?)")
_TIME = "int32 sec\nuint32 nanosec"
_INFO = "uint8 event_type\nbuiltin_interfaces/Time stamp\nchar[16] client_gid\nint64 sequence_number"
_KNOWN = {
    "builtin_interfaces/Time": _TIME,
    "builtin_interfaces/Duration": _TIME,
    "service_msgs/ServiceEventInfo": _INFO,
}
_EVENT = "_Event"  # of a service: what is recorded is the service's definition, `request --- response`
_TIMES = {"time": "builtin_interfaces/Time", "duration": "builtin_interfaces/Duration"}
_MOST_BYTES = 1 << 20  # of a definition's text


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a struct.

    Attributes:
      type: a name in `PRIMITIVES`, `string`, or the struct's `package/Name`.
      length: None for one value, 0 for a sequence of any length, else of a fixed array.
    """

    name: str
    type: str
    length: int | None = None


@dataclass(frozen=True)
class Definition:
    """A message type.

    Attributes:
      name: `package/Name`, without the `msg/` in between.
      structs: fields of it and of all structs in it, by `package/Name`.
      least_bytes: of a value of each struct, padding left out; at least 1.
    """

    name: str
    structs: Mapping[str, tuple[Field, ...]]
    least_bytes: Mapping[str, int]

    @property
    def fields(self) -> tuple[Field, ...]:
        """Of the message itself."""
        return self.structs[self.name]


def short_name(schema: str) -> str:
    """`package/Name` of a schema's name such as `package/msg/Name`."""
    package, _, rest = schema.partition("/")
    return f"{package}/{rest.rpartition('/')[2]}" if rest else package


def parse(schema: str, text: str) -> Definition:
    """What a schema's text says.

    Raises: DataError: a line is no field, a type has no definition, a struct is inside itself, or a type is one that we
      do not read (wstring).
    """
    if len(text) > _MOST_BYTES:
        raise DataError(f"the definition of {schema} has {len(text):,} bytes, expected a page of text")
    texts = {**_KNOWN, **_sections(short_name(schema), text)}
    structs: dict[str, tuple[Field, ...]] = {}
    wanted = [short_name(schema)]
    while wanted:
        name = wanted.pop()
        if name in structs:
            continue
        if name not in texts:
            raise DataError(f"the definition of {schema} lacks the one of {name}")
        structs[name] = _fields(name, texts[name], texts)
        wanted += [field.type for field in structs[name] if _is_struct(field)]
    return Definition(short_name(schema), structs, _least_bytes(schema, structs))


def _is_struct(field: Field) -> bool:
    return field.type not in PRIMITIVES and field.type != _TEXT


def _sections(first: str, text: str) -> dict[str, str]:
    """The text of each struct by its `package/Name`."""
    found: dict[str, str] = {}
    for number, section in enumerate(re.split(r"^={3,}[ \t\r]*$", text, flags=re.MULTILINE)):
        head = re.match(r"\s*MSG:[ \t]*(\S+)[^\n]*", section)
        if head or number == 0:
            found[short_name(head[1]) if head else first] = section[head.end() if head else 0 :]
    parts = re.split(r"^---[ \t\r]*$", found[first], flags=re.MULTILINE)
    if first.endswith(_EVENT) and len(parts) == 2:
        found |= _event(first.removesuffix(_EVENT), *parts)
    return found


def _event(service: str, request: str, response: str) -> dict[str, str]:
    """The structs of a call to a service that was recorded. Source: https://www.ros.org/reps/rep-2012.html"""
    fields = f"{service}_Request[<=1] request\n{service}_Response[<=1] response"
    return {
        f"{service}{_EVENT}": f"service_msgs/ServiceEventInfo info\n{fields}",
        f"{service}_Request": request,
        f"{service}_Response": response,
    }


def _fields(struct: str, text: str, texts: Mapping[str, str]) -> tuple[Field, ...]:
    found = []
    for line in text.splitlines():
        code = line.partition("#")[0]
        if not code.strip():
            continue
        match = _FIELD.match(code)
        if match is None:
            raise DataError(f"the definition of {struct} has a line that is no field: {line.strip()[:80]!r}")
        if not match[3]:
            found.append(_field(struct, match[1], match[2], texts))
    if len({field.name for field in found}) < len(found):
        raise DataError(f"the definition of {struct} names a field twice")
    return tuple(found)


def _field(struct: str, written: str, name: str, texts: Mapping[str, str]) -> Field:
    match = _TYPE.fullmatch(written)
    if match is None or match[2] == "wstring":
        raise DataError(f"field {name} of {struct} has a type that is not read: {written[:80]!r}")
    package, base, brackets = match.groups()
    kind = base if package or base not in _TIMES else _TIMES[base]
    if package or (kind == base and base not in PRIMITIVES and base != _TEXT):
        kind = f"{package or struct.partition('/')[0]}/{base}"
        if kind not in texts and base == "Header":
            kind = "std_msgs/Header"
    digits = (brackets or "").strip("[]")
    fixed = digits.isdecimal()
    if fixed and not 0 < int(digits[:12]) < 1 << 31:
        raise DataError(f"field {name} of {struct} is an array of {digits[:12]}")
    return Field(name, kind, None if brackets is None else int(digits) if fixed else 0)


def _least_bytes(schema: str, structs: Mapping[str, tuple[Field, ...]]) -> dict[str, int]:
    """Of each struct; a sequence or a string is at least its length of four bytes."""
    known: dict[str, int] = {}

    def least(name: str, inside: tuple[str, ...]) -> int:
        if name in inside:
            raise DataError(f"the definition of {schema} has {name} inside itself")
        if name not in known:
            known[name] = max(1, sum(_least(field, (*inside, name)) for field in structs[name]))
        return known[name]

    def _least(field: Field, inside: tuple[str, ...]) -> int:
        if field.length == 0 or field.type == _TEXT:
            return 4 * (field.length or 1)
        one = int(PRIMITIVES[field.type][1]) if field.type in PRIMITIVES else least(field.type, inside)
        return one * (field.length or 1)

    try:
        for name in structs:
            least(name, ())
    except RecursionError:
        raise DataError(f"the definition of {schema} is nested too deeply") from None
    return known
