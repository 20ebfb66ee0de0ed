"""Where a fleet's capacity went: events of nodes, allocations and accounts in, any window's account out.

Life of a value: an engine, a controller and the runs' ledgers tell -> `FleetEvent`s, kept as JSON Lines -> `fleet_of`
puts them in order: what each attempt held, what nobody held, who waited -> `explained` lays each attempt's account over
what it held -> `statement` sums up a window, whole or by pool, team, user or job -> text and JSON.

  events.py    what is told, as frozen values
  history.py   files of events, and `FleetSource`
  demand.py    who waits, and what of free accelerators is a fragment to all of them (pure)
  node.py      one node: who holds how much of it (pure)
  pool.py      one pool: what nobody held, over time (pure)
  sweep.py     all events in order (pure)
  explain.py   what an attempt did with what it held (pure)
  account.py   a window's account (pure)
"""

from drivetrain.ledger.fleet.account import FleetAccount, Statement, statement
from drivetrain.ledger.fleet.events import (
    Alloc,
    FleetEvent,
    Free,
    Leave,
    NodeEvent,
    PriceEvent,
    RankTold,
    Stretch,
    Told,
    Wait,
)
from drivetrain.ledger.fleet.history import FleetFiles, FleetHistory, FleetSource, append_history
from drivetrain.ledger.fleet.sweep import Fleet, fleet_of

__all__ = [
    "Alloc",
    "Fleet",
    "FleetAccount",
    "FleetEvent",
    "FleetFiles",
    "FleetHistory",
    "FleetSource",
    "Free",
    "Leave",
    "NodeEvent",
    "PriceEvent",
    "RankTold",
    "Statement",
    "Stretch",
    "Told",
    "Wait",
    "append_history",
    "fleet_of",
    "statement",
]
