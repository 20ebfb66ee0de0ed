"""Results of all sessions, one line each, appended and never changed: in the repository or in a bucket.

Life of a value: `results.Result` -> a line of `SUITE.jsonl` -> read back, what is torn or newer counted -> a series for
each metric of each case -> its change points, named with the commits between.

  shelves.py  a folder or a bucket: read and append
  trends.py   results -> series and their change points (pure)
  commits.py  what lies between two results
  words.py    trends as text
"""

from drivetrain.bench.history.shelves import DEFAULT, History, open_history, skipped_text

__all__ = ["DEFAULT", "History", "open_history", "skipped_text"]
