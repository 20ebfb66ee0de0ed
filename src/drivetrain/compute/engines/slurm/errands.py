"""Commands of Slurm's that may take long, each in a thread: a controller that asks for one does not wait for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from drivetrain.core.errors import StoreError

T = TypeVar("T")

_PATIENCE_S = 1.0
_MOST_AT_ONCE = 8


class Errands:
    """Each has a name, and is begun once until whoever asked has heard its end."""

    def __init__(self) -> None:
        self._known: dict[str, _Errand[Any]] = {}
        self._slots = threading.BoundedSemaphore(_MOST_AT_ONCE)

    def run(self, name: str, do: Callable[[], T]) -> T:
        """What it gives, of this call or of the one that began it; waits a moment, but not where others take long.

        Raises: StoreError: it has not ended yet, or what it raised.
        """
        errand, patience_s = self._known.get(name), 0.0
        if errand is None:
            patience_s = 0.0 if self.running else _PATIENCE_S
            errand = self._known[name] = _Errand(do, self._slots, name)
        if not errand.is_over_within(patience_s):
            raise StoreError("Slurm has not answered yet")
        del self._known[name]
        answer: T = errand.outcome()
        return answer

    @property
    def running(self) -> list[str]:
        """Names of those that have not ended."""
        return [name for name, errand in self._known.items() if errand.is_running]


class _Errand(Generic[T]):
    def __init__(self, do: Callable[[], T], slots: threading.Semaphore, name: str) -> None:
        self._do, self._slots = do, slots
        self._answer: list[T] = []
        self._error: Exception | None = None
        self._over = threading.Event()
        threading.Thread(target=self._run, name=f"drivetrain Slurm {name}", daemon=True).start()

    @property
    def is_running(self) -> bool:
        return not self._over.is_set()

    def is_over_within(self, patience_s: float) -> bool:
        return self._over.wait(patience_s)

    def outcome(self) -> T:
        if self._error is not None:
            raise self._error
        return self._answer[0]

    def _run(self) -> None:
        try:
            with self._slots:
                self._answer.append(self._do())
        except Exception as exc:  # noqa: BLE001 - for whoever asks
            self._error = exc
        finally:
            self._over.set()
