"""Measures suites: plain functions, each sample in a fresh process, two commits in turns.

A suite is a Python file. Each function `bench_NAME` in it is a case; a parameter whose default is a tuple or list is
tried at each of its values. A suite imports nothing of ours, so it measures any commit, and nothing else.

Life of a value: an address -> `Suite` (listed in a process of its own) -> for each pair two jobs -> for each a guard
process that runs a sample process -> they take turns, call by call -> reports -> `Metric` -> `results.Result`; what
goes wrong is a `Finding`.

  cases.py     addresses, suites, cases, settings
  code.py      the working tree, or a commit checked out aside
  session.py   all cases on both sides in turns
  sandbox.py   one job or two in fresh processes, and what came of them
  guard.py     the process that ends all that a sample leaves (stands alone)
  sample.py    the process that measures (stands alone)
  counters.py  instructions (stands alone)
  metrics.py   samples -> metrics and the noise floor (pure)
  machine.py   the environment of a session
  text.py      a session for people
"""

from drivetrain.bench.suites.cases import Case, Settings, Suite, read_suite, suite_files
from drivetrain.bench.suites.session import Bench, Finding, Session, opened

__all__ = ["Bench", "Case", "Finding", "Session", "Settings", "Suite", "opened", "read_suite", "suite_files"]
