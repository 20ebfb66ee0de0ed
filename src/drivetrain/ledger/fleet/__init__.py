"""Where a fleet's capacity went: events of nodes, allocations and accounts in, any window's account out.

Life of a value: an engine, a controller and the runs' ledgers tell -> `FleetEvent`s, kept as JSON Lines -> `fleet_of`
puts them in order: what each attempt held, what nobody held, who waited -> `explained` lays each attempt's account over
what it held -> `statement` sums up a window, whole or by pool, team, user or job -> text and JSON.

  events.py    what is told, as frozen values
  history.py   files of events, and `FleetSource`
  demand.py    who waits, and what of free accelerators is a fragment to all of them (pure)
  rooms.py     what is free of a pool, and how much of it is fragmented, change by change
  node.py      one node: who holds how much of it (pure)
  pool.py      one pool: what nobody held, over time (pure)
  sweep.py     all events in order (pure)
  explain.py   what an attempt did with what it held (pure)
  account.py   a window's account, as values
  settled.py   an attempt that is over for good, summed up
  keeping.py   what is over leaves a sweep as pages; what is left is kept, and goes on (pure)
  past.py      pages -> what one window has of them (pure)
  statement.py how it is made, whole and row by row (pure)
  series.py    one account a window, over time (pure)
  now.py       a fleet at this moment (pure)
  text.py      both as tables of text
  plain.py     both as plain values for JSON
  carry.py     what a new file of history begins with, so that it stands by itself (pure)
  tell.py      a run's account -> what is told of an attempt (pure)
  meanwhile.py the same as of another moment, until it is told anew (pure)
"""

from drivetrain.ledger.fleet.account import FleetAccount, Statement
from drivetrain.ledger.fleet.carry import carried
from drivetrain.ledger.fleet.events import (
    Alloc,
    FleetEvent,
    Free,
    Leave,
    NodeEvent,
    PriceEvent,
    RankTold,
    Told,
    Wait,
)
from drivetrain.ledger.fleet.history import FleetFiles, FleetHistory, FleetSource, append_history
from drivetrain.ledger.fleet.keeping import AttemptState, Page, SweepState, close, kept, restored
from drivetrain.ledger.fleet.meanwhile import told_at
from drivetrain.ledger.fleet.now import WINDOW_NS, FleetNow, fleet_now
from drivetrain.ledger.fleet.past import Details, Past, Summary, summary_of, with_past
from drivetrain.ledger.fleet.plain import now_json, statement_json
from drivetrain.ledger.fleet.pool import Stretch
from drivetrain.ledger.fleet.series import leaves_over_time
from drivetrain.ledger.fleet.statement import BY, statement
from drivetrain.ledger.fleet.sweep import Attempt, Fleet, Sweep, fleet_of
from drivetrain.ledger.fleet.tell import rank_told, told_of
from drivetrain.ledger.fleet.text import cost_text, now_text

__all__ = [
    "BY",
    "WINDOW_NS",
    "Alloc",
    "Attempt",
    "AttemptState",
    "Details",
    "Fleet",
    "FleetAccount",
    "FleetEvent",
    "FleetFiles",
    "FleetHistory",
    "FleetNow",
    "FleetSource",
    "Free",
    "Leave",
    "NodeEvent",
    "Page",
    "Past",
    "PriceEvent",
    "RankTold",
    "Statement",
    "Stretch",
    "Summary",
    "Sweep",
    "SweepState",
    "Told",
    "Wait",
    "append_history",
    "carried",
    "close",
    "cost_text",
    "fleet_now",
    "fleet_of",
    "kept",
    "leaves_over_time",
    "now_json",
    "now_text",
    "rank_told",
    "restored",
    "statement",
    "statement_json",
    "summary_of",
    "told_at",
    "told_of",
    "with_past",
]
