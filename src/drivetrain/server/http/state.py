"""What routes share: plain values of one server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Engine

from drivetrain.compute.snapshot import CodeShelf
from drivetrain.server.foresee import Foresight
from drivetrain.server.http.together import Together
from drivetrain.server.services.agents import AgentDesk
from drivetrain.server.services.fitting import Fitting
from drivetrain.server.services.fleet import FleetMemory
from drivetrain.server.services.following import Printed, Reader
from drivetrain.server.services.people import Bearers
from drivetrain.server.steady import SteadyClock


@dataclass(frozen=True, slots=True)
class Server:
    """One server process.

    Attributes:
      database: that all servers share.
      folder: of the server, in the store's root.
      key: for the tokens of attempts.
      shelf: the code that jobs travel with.
      wake: tells the controller that there is something to do.
      foresight: plays forward what is now.
      descriptions: of jobs, by a name of theirs.
      printed: what jobs printed that readers of their logs have not seen.
      identity: what it says who it is, so that nobody tells a token to another one at its port.
      clock: of the server.
      desk, bearers, fitting, past: what this process remembers of agents, of tokens, of what there is, and was.
    """

    database: Engine
    folder: Path
    key: bytes
    shelf: CodeShelf
    wake: Callable[[], None]
    foresight: Foresight
    descriptions: Together[str, bytes]
    printed: Together[Reader, Printed]
    identity: str = ""
    clock: SteadyClock = field(default_factory=SteadyClock)
    desk: AgentDesk = field(default_factory=AgentDesk)
    bearers: Bearers = field(default_factory=Bearers)
    fitting: Fitting = field(default_factory=Fitting)
    past: FleetMemory = field(default_factory=FleetMemory)
