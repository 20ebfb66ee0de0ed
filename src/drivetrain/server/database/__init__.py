"""The tables, and how they are opened: SQLite in the store's root by default, PostgreSQL for many.

tables.py   what is kept
opening.py  a URL -> an engine whose tables are of this version
records.py  frozen records <-> rows
books.py    the fleet's books as rows
migrations/ from each version of the tables to the next
"""

from drivetrain.server.database.opening import engine_at, in_turn, open_database, reading
from drivetrain.server.database.records import Records

__all__ = ["Records", "engine_at", "in_turn", "open_database", "reading"]
