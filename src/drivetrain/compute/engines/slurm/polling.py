"""What Slurm says, asked again and again in a thread: a controller that is away takes ten seconds to say nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from drivetrain.core.errors import StoreError

T = TypeVar("T")
_FIRST_S = 2.0
_JOINED_S = 1.0


class Polling(Generic[T]):
    """The newest answer to a question that may take long; who wants it does not wait.

    Args:
      ask: the question. Raises: StoreError: there is no answer.
      every_s: how long after an answer it is asked again.
    """

    def __init__(self, ask: Callable[[], T], *, name: str, every_s: float) -> None:
        self._ask, self._name, self._every_s = ask, name, every_s
        self._thread: threading.Thread | None = None
        self._over = threading.Event()
        self._has_asked = threading.Event()
        self._answer: tuple[float, T] | StoreError = StoreError(f"{name} has not answered yet")

    def newest(self) -> tuple[float, T]:
        """When it was asked, monotonic, and the answer. Raises: StoreError: the last time, there was none."""
        if self._thread is None:
            self._over.clear()
            self._thread = threading.Thread(target=self._run, name=f"drivetrain {self._name}", daemon=True)
            self._thread.start()
        self._has_asked.wait(_FIRST_S)
        answer = self._answer
        if isinstance(answer, StoreError):
            raise StoreError(answer.message, hint=answer.hint)
        return answer

    def close(self) -> None:
        """Ask no more; what is being asked is not waited for."""
        thread, self._thread = self._thread, None
        self._over.set()
        if thread is not None:
            thread.join(_JOINED_S)

    def _run(self) -> None:
        while not self._over.is_set():
            begun_s = time.monotonic()
            try:
                self._answer = begun_s, self._ask()
            except StoreError as exc:
                self._answer = exc
            self._has_asked.set()
            self._over.wait(self._every_s)
