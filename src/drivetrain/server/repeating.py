"""What a server does beside answering, again and again in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def repeating(do: Callable[[], None], *, every_s: float, name: str) -> Iterator[None]:
    """While the block runs, first after a while; the block's end waits for what is being done.

    Args:
      do: once.
      name: of the thread.
    """
    over = threading.Event()

    def run() -> None:
        while not over.wait(every_s):
            do()

    thread = threading.Thread(target=run, name=f"drivetrain {name}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
