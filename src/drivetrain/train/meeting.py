"""Where ranks meet: a key-value store in a process of its own, that outlives every rank and every attempt.

Run as `python -m drivetrain.train.meeting PORT`. Torch's own habit, a store inside rank 0, has all ranks wait for a new
rank 0 to listen before they can begin to meet, 0.3 s where it comes a moment too late.
"""

from __future__ import annotations

import signal
import sys
from datetime import timedelta

from torch._C._distributed_c10d import TCPStore


def main() -> None:
    """Serve until told to end."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    store = TCPStore("0.0.0.0", int(sys.argv[1]), is_master=True, wait_for_workers=False, timeout=timedelta(days=365))  # noqa: S104 - ranks of other nodes meet here too
    while store is not None:
        signal.pause()


if __name__ == "__main__":
    main()
