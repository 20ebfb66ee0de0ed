"""Threads that do what is asked, first come first served, and never stand in the way of a process that ends.

Contract:
1. Tasks must not raise; one that does is a bug of ours and is told by `threading.excepthook`.
2. `stop` may be called twice and from any thread. It forgets tasks that were not begun, and waits for those at hand,
   but for no more than a second in all: one may hang in a network that does not answer.
3. The threads are daemons and hold no reference to whoever started them: an owner that is forgotten, or a process that
   ends in the middle, stops them by `weakref.finalize(owner, crew.stop)`.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable

Task = Callable[[int], None]
"""`task(number)`: called by the thread of this number."""

_LEAVE_S = 1.0
_LOOK_S = 0.2  # how often whoever waits looks whether the crew was stopped


class Crew:
    """A fixed number of threads; with none, whoever waits does the work."""

    def __init__(self, num_threads: int, name: str, *, on_idle: Callable[[int, int], None] | None = None) -> None:
        """Starts the threads.

        Args:
          num_threads: 0 or more.
          name: of the threads, called `name-0` and so on.
          on_idle: told by each thread its number, and for how many nanoseconds it had nothing to do.
        """
        self._tasks: deque[Task] = deque()
        self._news = threading.Condition()
        self._stopped = False
        self._on_idle = on_idle
        self._threads = [
            threading.Thread(target=self._work, args=(number,), name=f"{name}-{number}", daemon=True)
            for number in range(num_threads)
        ]
        for thread in self._threads:
            thread.start()

    def do(self, tasks: Iterable[Task]) -> None:
        """Have these done after those asked for before; nothing happens once it is stopped."""
        with self._news:
            if not self._stopped:
                self._tasks.extend(tasks)
                self._news.notify_all()

    def wait(self, done: threading.Event) -> None:
        """Return when a task has set this, or when the crew was stopped and none ever will."""
        while not self._threads and not done.is_set():
            self._tasks.popleft()(0)
        while not done.wait(_LOOK_S) and not self._stopped:
            pass

    def stop(self) -> None:
        """Let the threads end, and wait for them."""
        with self._news:
            self._stopped = True
            self._tasks.clear()
            self._news.notify_all()
        end = time.monotonic() + _LEAVE_S
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, end - time.monotonic()))

    def _work(self, number: int) -> None:
        while (task := self._next(number)) is not None:
            task(number)

    def _next(self, number: int) -> Task | None:
        with self._news:
            if not self._tasks and not self._stopped:
                began_ns = time.perf_counter_ns()
                while not self._tasks and not self._stopped:
                    self._news.wait()
                if self._on_idle is not None:
                    self._on_idle(number, time.perf_counter_ns() - began_ns)
            return None if self._stopped else self._tasks.popleft()
