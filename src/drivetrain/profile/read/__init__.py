"""Trace files -> `Trace`.

Life of a file: `source` gives its bytes, unpacked -> `blocks` cuts them where events end -> of a large file, `scan`
makes columns of them; what it refuses, and any block of a small file, is decoded, strictly by `decode` or, where a
block is odd, as far as it goes -> `gather` appends columns -> `Trace`, in order of time.

source.py     bytes of a file, plain or gzipped, a piece at a time
blocks.py     text -> blocks of events, and what stands around them
structure.py  where JSON divides, exactly
scan/         the text of events -> columns, by machine code
decode.py     the text of events -> events
loose.py      events with fields of other types
mend.py       JSON as it should have been written
events.py     one event, typed, and which `Kind` it is
gather.py     events -> columns
details.py    the `args` of one kind of event -> columns
pairs.py      a begin and an end -> a span
columns.py    columns while they grow
times.py      microseconds -> nanoseconds
intern.py     names and texts as numbers
metadata.py   what stands beside the events -> `Origin`
helpers.py    other processes that decode blocks of the same file
reader.py     a file -> a trace
ranks.py      several files at once
"""

from drivetrain.profile.read.ranks import map_traces, read_traces
from drivetrain.profile.read.reader import read_trace, trace_of

__all__ = ["map_traces", "read_trace", "read_traces", "trace_of"]
