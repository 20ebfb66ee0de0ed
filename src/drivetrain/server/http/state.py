"""What routes share: plain values of one server."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Engine

from drivetrain.server.services.agents import AgentDesk
from drivetrain.server.services.snapshots import SnapshotShelf


@dataclass(frozen=True, slots=True)
class Server:
    """One server process.

    Attributes:
      database: that all servers share.
      folder: of the server, in the store's root.
      key: for the tokens of attempts.
      wake: tells the controller that there is something to do.
      clock: seconds since the epoch.
    """

    database: Engine
    folder: Path
    key: bytes
    shelf: SnapshotShelf
    wake: Callable[[], None]
    clock: Callable[[], float] = time.time
    desk: AgentDesk = field(default_factory=AgentDesk)
