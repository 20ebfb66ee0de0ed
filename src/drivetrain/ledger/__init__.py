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
  recovering.py events -> each recovery, phase by phase (pure)
  restarts.py   ranks that were started again in place, from supervisors' journals alone
  runs.py       the journals of a run folder -> its account and logged metrics
  text.py       an account as text
  fleet/        the account of all capacity, whole or by pool, team, user or job (pure)
"""

from __future__ import annotations

from drivetrain.core.lazily import lazily

TYPE_CHECKING = False
if TYPE_CHECKING:
    from drivetrain.ledger.accounting import Account as Account
    from drivetrain.ledger.accounting import Interval as Interval
    from drivetrain.ledger.accounting import account_of as account_of
    from drivetrain.ledger.events import Event as Event
    from drivetrain.ledger.journal import JournalTail as JournalTail
    from drivetrain.ledger.record import Recorder as Recorder
    from drivetrain.ledger.record import current as current
    from drivetrain.ledger.record import phase as phase
    from drivetrain.ledger.record import set_current as set_current
    from drivetrain.ledger.recovering import Recovery as Recovery
    from drivetrain.ledger.recovering import recoveries as recoveries
    from drivetrain.ledger.restarts import Restart as Restart
    from drivetrain.ledger.restarts import read_restarts as read_restarts
    from drivetrain.ledger.runs import account as account
    from drivetrain.ledger.runs import read_history as read_history
    from drivetrain.ledger.runs import scalars as scalars
    from drivetrain.ledger.text import table as table
    from drivetrain.ledger.timeline import Timeline as Timeline
    from drivetrain.ledger.timeline import account_of_timeline as account_of_timeline
    from drivetrain.ledger.timeline import read_timeline as read_timeline
    from drivetrain.ledger.timeline import timeline_json as timeline_json

__getattr__ = lazily(
    __name__,
    {
        "Account": "accounting",
        "Interval": "accounting",
        "account_of": "accounting",
        "Event": "events",
        "JournalTail": "journal",
        "Recorder": "record",
        "current": "record",
        "phase": "record",
        "set_current": "record",
        "Recovery": "recovering",
        "recoveries": "recovering",
        "Restart": "restarts",
        "read_restarts": "restarts",
        "account": "runs",
        "read_history": "runs",
        "scalars": "runs",
        "table": "text",
        "Timeline": "timeline",
        "account_of_timeline": "timeline",
        "read_timeline": "timeline",
        "timeline_json": "timeline",
    },
)

__all__ = [
    "Account",
    "Event",
    "Interval",
    "JournalTail",
    "Recorder",
    "Recovery",
    "Restart",
    "Timeline",
    "account",
    "account_of",
    "account_of_timeline",
    "current",
    "phase",
    "read_history",
    "read_restarts",
    "read_timeline",
    "recoveries",
    "scalars",
    "set_current",
    "table",
    "timeline_json",
]
