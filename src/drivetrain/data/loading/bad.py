"""Samples that cannot be read: counted, named, and at some number too many."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from drivetrain.core.errors import DataError


@dataclass
class BadSamples:
    """By key, with the reason; shared by the threads of a loader.

    Attributes:
      limit: most of them.
    """

    limit: int
    _reasons: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, key: str, reason: str) -> None:
        """Count one, once. Raises DataError: there are more than may be; it names them."""
        with self._lock:
            if len(self._reasons) <= self.limit:
                self._reasons[key] = reason
            if len(self._reasons) > self.limit:
                raise DataError(
                    f"{len(self._reasons)} samples cannot be read (at most {self.limit} may be bad): "
                    + ", ".join(sorted(self._reasons)),
                    hint=f"for one: {reason}",
                )

    def reasons(self) -> dict[str, str]:
        """So far."""
        with self._lock:
            return dict(self._reasons)
