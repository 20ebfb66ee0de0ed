"""Where a step's time goes: traces are captured, read as columns, and analysed. Only capturing needs torch.

Life of a trace: a run's profiler (`capture/`) writes a file -> `read/` streams it into a `Trace`, typed columns in
NumPy -> `analyse/` has pure functions from traces to figures, each with its definition -> `report` makes a page.

  trace.py     the columns, and what words in them mean
  read/        files -> traces
  analyse/     traces -> figures
  perfetto.py  traces with tracks of our own -> a file for Perfetto
"""

from drivetrain.profile.read import map_traces, read_trace, read_traces, trace_of
from drivetrain.profile.trace import DEVICE_KINDS, NONE, Kind, Trace

__all__ = ["DEVICE_KINDS", "NONE", "Kind", "Trace", "map_traces", "read_trace", "read_traces", "trace_of"]
