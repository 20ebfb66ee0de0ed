"""A sync table as a picture: its streams on a time line, with what each row was joined to."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from drivetrain.core.units import NS_PER_S, count_text, duration_text
from drivetrain.data.arrays import Ints
from drivetrain.data.log import Log
from drivetrain.data.sync.table import missed, spec_of
from drivetrain.figures import Markup, MatchRow, match_chart

_NUM_ROWS = 24  # of the table in one picture: more lines would run together


def sync_figure(log: Log, table: pa.Table, *, start: int = 0) -> Markup:
    """A stretch of a sync table as an SVG figure.

    Args:
      log: that the table was made of.
      table: from `sync_table`.
      start: the first of the 24 rows that are shown.
    """
    spec, num_missed = spec_of(table), missed(table)
    rows_ns = table["t_ns"].to_numpy()[start : start + _NUM_ROWS]
    first_ns = int(rows_ns[0]) if len(rows_ns) else 0
    period_ns = int(np.median(np.diff(rows_ns))) if len(rows_ns) > 1 else NS_PER_S // 10
    low, high = first_ns - period_ns, (int(rows_ns[-1]) if len(rows_ns) else 0) + period_ns

    def seconds(t_ns: int) -> float:
        return (t_ns - first_ns) / NS_PER_S

    rows = []
    for name, match in spec.streams.items():
        t_ns = log.streams[name].t_ns
        near = t_ns[(t_ns >= low) & (t_ns <= high)]
        share = f"{table.num_rows - num_missed[name]:,} of {table.num_rows:,}"
        note = f"{share} {match.method.replace('_', ' ')}, within {duration_text(match.tolerance_ns)}"
        found = _found_ns(table.slice(start, _NUM_ROWS), name, rows_ns)
        rows.append(MatchRow(name, note, [seconds(t) for t in near.tolist()], [t and seconds(t) for t in found]))
    own = MatchRow(spec.reference, count_text(table.num_rows, "row"), [seconds(t) for t in rows_ns.tolist()], [])
    return match_chart(own, rows, key="sync", title=f"{log.name}: streams joined to {spec.reference}")


def _found_ns(rows: pa.Table, name: str, rows_ns: Ints) -> list[int | None]:
    """The stamp that each row was joined to; its own where values were interpolated, None where nothing was found."""
    columns = [column for column in rows.column_names if column.startswith(f"{name}.")]
    if f"{name}.offset_ns" in columns:
        offsets = rows[f"{name}.offset_ns"].to_pylist()
        return [None if offset is None else int(t) + offset for t, offset in zip(rows_ns, offsets, strict=True)]
    values = zip(*(rows[column].to_pylist() for column in columns), strict=True)
    return [
        int(t) if any(value not in (None, []) for value in row) else None
        for t, row in zip(rows_ns, values, strict=False)
    ]
