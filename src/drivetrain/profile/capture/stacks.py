"""What all Python threads of a process do, sampled in the process itself: for steps that wait where no operator runs.

`py-spy` (0.4.3 was tried) sees the same from outside, but only where the kernel lets a user's processes trace each
other; with Yama's ptrace_scope of 1, which Ubuntu sets, that takes a privilege. A sample here holds the interpreter for
some tens of microseconds.
"""

from __future__ import annotations

import sys
import threading
from collections import Counter
from types import FrameType

INTERVAL_S = 0.005
_MOST_FRAMES = 200
_OURS = "drivetrain-stacks"
_LEFT_OUT = (_OURS, "drivetrain-profile-request", "drivetrain-lease", "drivetrain-control")  # they only listen


class Stacks:
    """Samples from `start` to `stop`, some 200 times a second."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, ...]] = Counter()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=_OURS, daemon=True)

    def start(self) -> None:
        """Sample in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """No more samples; returns when the thread has ended."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=5)

    def text(self) -> str:
        """One line a stack, outermost frame first, and how often it was seen: `thread;function (file:line);... 12`.

        Flame graph tools call this folded.
        """
        return "".join(f"{';'.join(stack)} {count}\n" for stack, count in sorted(self._counts.items()))

    def _run(self) -> None:
        while not self._stopped.wait(INTERVAL_S):
            names = {thread.ident: thread.name for thread in threading.enumerate()}
            for ident, frame in sys._current_frames().items():
                name = names.get(ident, "a thread that Python did not start")
                if name not in _LEFT_OUT:
                    self._counts[(name, *folded(frame))] += 1


def folded(frame: FrameType | None) -> tuple[str, ...]:
    """The frames of a stack, outermost first; of a deep one the innermost."""
    frames: list[str] = []
    while frame is not None and len(frames) < _MOST_FRAMES:
        code = frame.f_code
        frames.append(f"{code.co_qualname} ({code.co_filename}:{frame.f_lineno})".replace(";", ","))
        frame = frame.f_back
    return tuple(reversed(frames))
