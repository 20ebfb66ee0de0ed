"""Streams at native rates meet by time, never by index, within a stated tolerance; what found nothing is counted.

join.py         nearest, and the last one before
interpolate.py  numbers and poses between two messages
windows.py      all messages from so long before to so long after
table.py        a SyncSpec and a log -> an Arrow table, one row per message of a reference stream
picture.py      a sync table -> its streams on a time line
"""

from drivetrain.data.sync.interpolate import Interpolated, interpolate, interpolate_poses, slerp
from drivetrain.data.sync.join import Joined, as_of, nearest
from drivetrain.data.sync.table import Match, SyncSpec, missed, read_sync_table, sync_table, write_sync_table
from drivetrain.data.sync.windows import Windows, windows

__all__ = [
    "Interpolated",
    "Joined",
    "Match",
    "SyncSpec",
    "Windows",
    "as_of",
    "interpolate",
    "interpolate_poses",
    "missed",
    "nearest",
    "read_sync_table",
    "slerp",
    "sync_table",
    "windows",
    "write_sync_table",
]
