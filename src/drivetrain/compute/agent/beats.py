"""Says that an agent lives and how far it is, and hears what it should do; in a thread of its own."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from drivetrain.compute.agent.client import GONE, AgentClient, ServerAwayError, ServerRefusedError

if TYPE_CHECKING:
    from drivetrain.compute.agent.shipping import Shipping
    from drivetrain.compute.agent.use import DeviceUse

EVERY_S = 2.0


class Beats:
    """While entered, beats, first after a while. Training never waits for it, and goes on while the server is away."""

    def __init__(
        self, client: AgentClient, how_far: Callable[[], tuple[int | None, int | None]], shipping: Shipping | None
    ) -> None:
        self._client, self._how_far, self._shipping = client, how_far, shipping
        self._over = threading.Event()
        self._was_told = False
        self._begun_s = time.monotonic()
        self._use: DeviceUse | None = None
        self._thread = threading.Thread(target=self._run, name="drivetrain beats", daemon=True)

    def __enter__(self) -> Beats:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        is_all = True
        while not self._over.wait(EVERY_S if is_all else 0):
            is_all = self._beat()

    def _beat(self) -> bool:
        """Once; whether all that ranks wrote has been sent."""
        step, saved_step = self._how_far()
        if self._use is None:
            from drivetrain.compute.agent.use import DeviceUse

            self._use = DeviceUse()  # it looks at all processes, for which there is no time before ranks have begun
        is_all = True
        try:
            begun_ago_s = time.monotonic() - self._begun_s
            is_busy = self._use.is_busy()
            self._obey(self._client.beat(step=step, saved_step=saved_step, is_busy=is_busy, begun_ago_s=begun_ago_s))
            if self._shipping is not None:
                is_all = self._shipping.send(self._client)
        except ServerAwayError:
            pass
        except ServerRefusedError as exc:
            self._obey(exc.message if exc.status in GONE else None)
        return is_all

    def _obey(self, leave: str | None) -> None:
        if leave is not None and not self._was_told:
            self._was_told = True
            with suppress(OSError):  # whoever read it may have been killed
                print(f"leaving: {leave}", flush=True)
            os.kill(os.getpid(), signal.SIGTERM)
