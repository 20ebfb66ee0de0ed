"""The fleet's books as rows: pages are added, and the place where they end moves with them or not at all."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import TypeVar

import msgspec
from sqlalchemy import ColumnElement, Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from drivetrain.ledger.fleet import AttemptState, Details, Page, Past, Stretch, Summary, SweepState
from drivetrain.server.database import tables

T = TypeVar("T")
_NAME = "fleet"
_FEW = 100


class Books(msgspec.Struct, frozen=True):
    """Where the last page ended.

    Attributes:
      seq: number of the last event on it; 0 where there is no page.
      sweep: as it goes on from there; None where there is no page.
      over_ns: when jobs ended of which an attempt is still to be closed.
    """

    seq: int = 0
    sweep: SweepState | None = None
    over_ns: dict[str, int] = {}


def read_books(connection: Connection) -> Books:
    """As they are."""
    data = connection.scalar(select(tables.fleet_books.c.record).where(tables.fleet_books.c.name == _NAME))
    return Books() if data is None else _unpacked(data, Books)


def newest_page(connection: Connection) -> int:
    """Number of the last event in them; 0 where there is no page."""
    return connection.scalar(select(tables.fleet_books.c.seq).where(tables.fleet_books.c.name == _NAME)) or 0


def turn_page(
    connection: Connection, before: Books, after: Books, page: Page, summary: Summary, details: Details
) -> bool:
    """Add a page; not where somebody else has added one since `before` was read. Whether it was added."""
    table, record = tables.fleet_books, _packed(after)
    if before.seq:
        move = update(table).where(table.c.name == _NAME, table.c.seq == before.seq)
        if not connection.execute(move.values(seq=after.seq, record=record)).rowcount:
            return False
    else:
        try:
            connection.execute(insert(table), {"name": _NAME, "seq": after.seq, "record": record})
        except IntegrityError:
            return False
    start_ns = before.sweep.now_ns if before.sweep is not None else 0
    row = {"seq": after.seq, "start_ns": start_ns, "end_ns": page.end_ns}
    parts = {"summary": _packed(summary), "details": _packed(details), "curves": _packed(page.curves)}
    connection.execute(insert(tables.fleet_pages), row | parts)
    rows = [
        {
            "id": f"{a.job}.{a.number}",
            "page": after.seq,
            "start_ns": a.claims[0].alloc.t,
            "end_ns": a.end_ns,
            "record": _packed(a),
        }
        for a in page.attempts
    ]
    if rows:
        connection.execute(insert(tables.fleet_attempts), rows)
    return True


def read_past(connection: Connection, since_ns: int, seq: int, names: Collection[str]) -> Past:
    """What pages say of a window that begins then.

    Args:
      seq: of the last page that there is for who asks.
      names: by which the window is told apart, or chosen.
    """
    pages, attempts = tables.fleet_pages, tables.fleet_attempts
    wanted = (pages.c.end_ns > since_ns) & (pages.c.seq <= seq)
    query = select(pages.c.start_ns, pages.c.end_ns, pages.c.curves).where(wanted).order_by(pages.c.seq).limit(1)
    first = connection.execute(query).first()
    past = Past(since_ns, names)
    if first is not None and first.start_ns < since_ns:
        past.first = _unpacked(first.curves, dict[str, Stretch]), first.end_ns
    ran = (attempts.c.end_ns > since_ns) & (attempts.c.start_ns < since_ns) & (attempts.c.page <= seq)
    decode = msgspec.json.Decoder(AttemptState).decode  # to make one for each takes as long as to use it
    past.cut = tuple(decode(zlib.decompress(data)) for data in connection.scalars(select(attempts.c.record).where(ran)))
    past.take(_pages(connection, wanted))
    return past


def _pages(connection: Connection, wanted: ColumnElement[bool]) -> Iterator[tuple[Summary, Callable[[], Details]]]:
    pages = tables.fleet_pages
    numbers = connection.scalars(select(pages.c.seq).where(wanted).order_by(pages.c.seq)).all()
    for begin in range(0, len(numbers), _FEW):
        part = numbers[begin : begin + _FEW]
        query = select(pages.c.seq, pages.c.summary).where(pages.c.seq.in_(part)).order_by(pages.c.seq)
        for number, summary in connection.execute(query).all():
            yield _unpacked(summary, Summary), partial(_details, connection, number)


def _details(connection: Connection, number: int) -> Details:
    pages = tables.fleet_pages
    return _unpacked(connection.scalar(select(pages.c.details).where(pages.c.seq == number)) or b"", Details)


def _packed(value: object) -> bytes:
    return zlib.compress(msgspec.json.encode(value), 1)


def _unpacked(data: bytes, of: type[T]) -> T:
    return msgspec.json.decode(zlib.decompress(data), type=of)
