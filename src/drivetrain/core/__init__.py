"""The words every other room speaks: ids, time, units, leaves, errors, configuration, and the seams between rooms.

Map, each file one idea:
  ids.py          names that sort by the time they were made
  clock.py        UTC instants, monotonic durations, and the anchor that ties one to the other; all integer ns
  host.py         which host this is
  http.py         requests over one connection, quick to import; plain_json.py JSON likewise
  units.py        "10m", "50step" -> numbers, and numbers -> text for people
  columns.py      rows of text as lines whose columns line up
  leaves.py       the states a device can be in, in stacking order, and what they belong to
  errors.py       the exception tree and the exit code of each branch
  config.py       mapping -> typed value; an unknown key is refused with the nearest valid one
  environment.py  where a run ran: versions, machine, commit
  variables.py    the environment variables that a launcher and its ranks agree on
  lazily.py       names of a package that are loaded at first use; late.py modules that others import and hardly use
  extras.py       import an optional dependency or say how to install it
  faults.py       a planned failure, written as text, for tests and the demo
  trials.py       what a trial run does otherwise than its recipe says, as text
  profiling.py    what is to be profiled, as text and as a value
  protocols.py    what a loader and a blob store must offer

This room imports no other room and nothing heavier than msgspec.
"""
