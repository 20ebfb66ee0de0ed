"""A predicate over columns: one SQL expression, run by DuckDB with nothing else in reach.

What is allowed is listed, not what is forbidden: comparisons, and/or/not, in, between, like, case, casts, arithmetic,
and functions of a row alone. So the same samples always match, in time and memory that grow with their number only; no
file, network, setting or clock can be reached.
"""

from __future__ import annotations

import difflib
import json
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pyarrow as pa

from drivetrain.core.errors import UsageError
from drivetrain.data.arrays import Mask

if TYPE_CHECKING:
    import duckdb

_EXAMPLE = "speed_m_per_s < 2 and num_pedestrians > 5"
_MOST_CHARACTERS, _MOST_SECONDS, _MOST_MEMORY = 10_000, 60.0, "2GB"
# ruff: noqa: SIM905 - words in a row, not a word a line
_CLASSES = frozenset("COLUMN_REF CONSTANT COMPARISON CONJUNCTION OPERATOR FUNCTION BETWEEN CASE CAST TYPE".split())
_FUNCTIONS = frozenset(
    "+ - * / // % ** ^ @ ~~ !~~ ~~* !~~* ~~~ like_escape not_like_escape abs sign ceil ceiling floor round trunc sqrt "
    "exp ln log log2 log10 pow power sin cos tan asin acos atan atan2 radians degrees pi greatest least isnan isinf "
    "isfinite if ifnull nullif lower upper length len strlen starts_with ends_with prefix suffix contains "
    "list_contains list_has list_has_any list_has_all list_value array_length regexp_matches regexp_full_match "
    "trim ltrim rtrim row struct_extract struct_pack date_part year month day hour minute second epoch "
    "epoch_ns make_timestamp to_days "
    "make_timestamp_ns to_hours to_minutes to_seconds list_min list_max list_sum list_avg".split()
)
_WORDS = tuple(sorted(filter(str.isidentifier, _FUNCTIONS)))
_LOCKED = {
    "enable_external_access": "false",
    "autoload_known_extensions": "false",
    "autoinstall_known_extensions": "false",
    "python_enable_replacements": "false",
    "memory_limit": _MOST_MEMORY,
    "max_temp_directory_size": "0B",
    "threads": "2",
    "lock_configuration": "true",
}


def matching(table: pa.Table, where: str, slices: Mapping[str, str] | None = None) -> Mask:
    """Which rows match; where a predicate is unknown, for want of a value, a row does not.

    Args:
      table: its columns may be named, those of structs as `column.field`.
      where: one expression.
      slices: predicates by name, which `where` may name like columns that are true or false.
    Raises: UsageError: not one expression of what is allowed, a column that is not there (the nearest are named),
      slices that name each other in a circle, or it takes too long or too much memory.
    """
    named: dict[str, str] = {}
    with _connection() as connection:
        columns = _resolve(connection, where, table.column_names, slices or {}, named, ())
        source = "samples"
        for name, predicate in named.items():
            source = f'(SELECT *, {_as_bool(predicate)} AS "{name}" FROM {source})'  # noqa: S608 - parsed by _resolve
        used = table.select(sorted(columns) or table.column_names[:1])
        query = f"SELECT {_as_bool(where)} AS matches FROM {source}"  # noqa: S608 - parsed by _resolve
        return _run(connection, query, used, where)


def names_in(where: str) -> list[str]:
    """Columns and slices that a predicate names, in order. Raises UsageError: it is not one allowed expression."""
    with _connection() as connection:
        return _parse(connection, where)


def _resolve(
    connection: duckdb.DuckDBPyConnection,
    where: str,
    columns: Sequence[str],
    slices: Mapping[str, str],
    named: dict[str, str],
    inside: tuple[str, ...],
) -> set[str]:
    """Columns that a predicate needs; adds the slices that it needs to `named`, each after those that it needs."""
    by_name = {column.lower(): column for column in columns}
    needed = set()
    for name in _parse(connection, where):
        if name.lower() in by_name:
            needed.add(by_name[name.lower()])
        elif name not in slices:
            raise UsageError(f"there is no column or slice {name!r}", hint=_near(name, [*columns, *slices]))
        elif name in inside:
            raise UsageError(f"slices name each other in a circle: {' -> '.join((*inside, name))}")
        else:
            needed |= _resolve(connection, slices[name], columns, slices, named, (*inside, name))
            named.setdefault(name, slices[name])
    return needed


def _as_bool(where: str) -> str:
    return f"coalesce(({where}), false)"


def _parse(connection: duckdb.DuckDBPyConnection, where: str) -> list[str]:
    """Names in a predicate, if it is one; what is run later is the text that was parsed here."""
    _refuse_unbalanced(where)
    query = f"SELECT {_as_bool(where)} FROM samples"  # noqa: S608 - only parsed
    try:
        tree = json.loads(connection.execute("SELECT json_serialize_sql(?)", [query]).fetchall()[0][0])
    except RecursionError as exc:
        raise _wrong(where, "it is nested too deeply") from exc
    if tree["error"]:
        raise _wrong(where, tree.get("error_message", "it cannot be read"))
    (expression,) = _only(tree["statements"], where)["node"]["select_list"]
    children = expression.get("children", ())
    if expression.get("type") != "OPERATOR_COALESCE" or len(children) != 2:
        raise _wrong(where, "it is more than one expression")
    names = []
    for node in _nodes(children[0]):
        _refuse_forbidden(where, node)
        if node["class"] == "COLUMN_REF":
            names.append(node["column_names"][0])
    return list(dict.fromkeys(names))


def _refuse_unbalanced(where: str) -> None:
    """So that a predicate in brackets is one thing, whatever stands around it."""
    if not where.strip() or len(where) > _MOST_CHARACTERS or re.search(r"[\0\ud800-\udfff]", where):
        raise _wrong(where, f"it must have 1 to {_MOST_CHARACTERS} characters of text")
    bare = re.sub(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"", " ", where)
    if re.search(r"--|/\*|\$|;|['\"]", bare) or re.search(r"\b[eE]'", where):
        raise _wrong(where, "comments, ;, $, E'...' and open quotes are not allowed")
    depth = 0
    for character in bare:
        depth += (character == "(") - (character == ")")
        if depth < 0:
            break
    if depth:
        raise _wrong(where, "its brackets do not match")


def _refuse_forbidden(where: str, node: Mapping[str, Any]) -> None:
    if node["class"] not in _CLASSES:
        raise _wrong(where, f"{node['class'].lower().replace('_', ' ')} is not allowed")
    if node["class"] == "FUNCTION":
        name = node["function_name"].lower()
        if node.get("schema") or len(node.get("qualified_name", {}).get("path", [name])) > 1:
            raise _wrong(where, f"write {name}(x), not x.{name}()")
        if name not in _FUNCTIONS or node.get("filter") or node.get("distinct"):
            raise _wrong(
                where,
                f"the function {name} is not allowed",
                hint=_near(name, _WORDS),
            )


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    """All expressions in a tree, in order."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if "class" in value:
                yield value
            value = list(value.values())
        if isinstance(value, list):
            waiting += value[::-1]


def _only(statements: list[Any], where: str) -> Any:
    if len(statements) != 1:
        raise _wrong(where, "it is more than one statement")
    return statements[0]


def _run(connection: duckdb.DuckDBPyConnection, query: str, table: pa.Table, where: str) -> Mask:
    import duckdb

    timer = threading.Timer(_MOST_SECONDS, connection.interrupt)
    timer.name = "drivetrain-query"
    timer.start()
    try:
        connection.register("samples", table)
        found = connection.execute(query).fetchnumpy()["matches"]
    except duckdb.InterruptException as exc:
        raise _wrong(where, f"it took longer than {_MOST_SECONDS:.0f} s") from exc
    except duckdb.Error as exc:
        raise _wrong(where, str(exc).splitlines()[0]) from exc
    finally:
        timer.cancel()
        timer.join()
    if found.dtype != np.bool_:
        raise _wrong(where, f"it gives {found.dtype}, not true or false")
    return cast(Mask, np.asarray(found))


def _connection() -> duckdb.DuckDBPyConnection:
    """A data base of its own in memory, from which nothing else can be reached, and whose settings are locked."""
    import duckdb

    return duckdb.connect(":memory:", config=cast(dict[str, Any], _LOCKED))


def _near(name: str, known: Sequence[str]) -> str:
    found = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f"did you mean {', '.join(found)}?" if found else f"there are {', '.join(known)}"[:400]


def _wrong(where: str, why: str, hint: str = "") -> UsageError:
    return UsageError(f"predicate {where[:120]!r}: {why}", hint=hint or f"for example: {_EXAMPLE}")
