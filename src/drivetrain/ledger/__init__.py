"""What happened to a run, and from it the account of where every device-nanosecond went.

Life of a value: a process tells its `Recorder` -> a line of its journal -> an `Event` -> placed on the common time axis
-> replayed rank by rank into spans and steps -> steps judged -> the `Account`. Timeline files join at `Event`, so that
one set of rules holds for both.

  events.py     the record kinds and the frozen `Event`
  record.py     `Recorder`, and `phase` for code that has none at hand
  journal.py    files: header and records, the tolerant reader, the follower
  timeline.py   timeline files -> events
  axis.py       events of several hosts -> one time axis (pure)
  replay.py     one rank's events -> spans of time and steps (pure)
  verdict.py    steps -> productive, lost, skipped (pure)
  accounting.py all of it together: `account_of`, `Account`, `Interval` (pure)
  recoveries.py events -> each recovery, phase by phase (pure)
  runs.py       the journals of a run folder -> its account and logged metrics
  text.py       an account as text
  fleet/        the account of all capacity, whole or by pool, team, user or job (pure)
"""

from drivetrain.ledger.accounting import Account, Interval, account_of
from drivetrain.ledger.events import Event
from drivetrain.ledger.journal import JournalTail
from drivetrain.ledger.record import Recorder, current, phase, set_current
from drivetrain.ledger.recoveries import Recovery, recoveries
from drivetrain.ledger.runs import account, read_history, scalars
from drivetrain.ledger.text import table
from drivetrain.ledger.timeline import Timeline, account_of_timeline, read_timeline, timeline_json

__all__ = [
    "Account",
    "Event",
    "Interval",
    "JournalTail",
    "Recorder",
    "Recovery",
    "Timeline",
    "account",
    "account_of",
    "account_of_timeline",
    "current",
    "phase",
    "read_history",
    "read_timeline",
    "recoveries",
    "scalars",
    "set_current",
    "table",
    "timeline_json",
]
