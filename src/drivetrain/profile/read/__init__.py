"""Trace files -> `Trace`.

events.py    one event of the file, decoded, and which `Kind` it is
gather.py    events -> columns
reader.py    a file, plain or gzipped, -> a trace
"""

from drivetrain.profile.read.reader import read_trace, trace_of

__all__ = ["read_trace", "trace_of"]
