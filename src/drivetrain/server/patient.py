"""Asking again while no server answers: for who waits for a job, which goes on meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from drivetrain.core.errors import StoreError, UsageError
from drivetrain.server.addresses import in_path
from drivetrain.server.client import Client, NotTrustedError, connect, pieces

_PATIENCE_S = 24 * 3600.0
_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 10.0


class PatientClient:
    """Asks until a server answers, for a day; where it is this machine's, also one that has taken over.

    Args:
      client: of the server that answered last.
      on_away: told once each time that none does, and why.
    """

    def __init__(self, client: Client, on_away: Callable[[str], None]) -> None:
        self._client, self._on_away = client, on_away

    def job(self, name: str) -> dict[str, Any]:
        """A job with its attempts and events."""
        return self.ask("GET", f"/api/jobs/{in_path('job', name)}")  # type: ignore[no-any-return]

    def logs(self, name: str, *, rank: int | None, last: int | None = None) -> Iterator[dict[str, Any]]:
        """Pieces of what ranks print, to the end of the job; as `Client.logs`."""
        return pieces(self.ask, name, rank=rank, follow=True, last=last)

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """A request with JSON in and out.

        Raises: StoreError: none has answered for a day. UsageError: it is refused.
        """
        until_s, pause_s = time.monotonic() + _PATIENCE_S, _PAUSE_S
        while True:
            try:
                return self._client.ask(method, path, body)
            except NotTrustedError:
                raise
            except StoreError as exc:
                if time.monotonic() > until_s:
                    raise
                if pause_s == _PAUSE_S:
                    self._on_away(exc.message)
            time.sleep(pause_s)
            pause_s = min(_LONGEST_PAUSE_S, 2 * pause_s)
            self._find()

    def _find(self) -> None:
        with suppress(StoreError, UsageError):  # the old one may come back
            self._client = connect()
