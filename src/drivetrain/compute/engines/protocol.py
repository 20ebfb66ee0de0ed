"""What an engine can do, and the exact request made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from drivetrain.compute.controller.nodes import NodeRecord
from drivetrain.compute.controller.states import Why
from drivetrain.compute.policy.values import Share
from drivetrain.core.errors import StoreError


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRequest:
    """All that an engine is told to start one attempt; a plain value that can be printed.

    Attributes:
      attempt: its id, by which asking twice starts one thing.
      job_name: for people who look at the engine's own lists.
      pool: where.
      shares: one a member of the gang, in the order of their ranks.
      agent: program and arguments of the agent; the engine adds the member's number.
      env: variables of the agent, over the few of the server that it sees.
      secrets: further variables of the server, which the job named as where its secrets are.
      max_runtime_s: after which the engine may end it; None for never.
      grace_s: between being told to leave and being killed.
      takes_gpus: whether devices of `shares` are accelerators, rather than cores.
      leaves_cores: whether cores are the engine's to choose, as the job did not say how many; `shares` have the fewest.
      is_first: whether nobody can have asked for this attempt before, so that there is no need to look.
    """

    attempt: str
    job_name: str
    pool: str
    shares: tuple[Share, ...]
    agent: tuple[str, ...]
    env: Mapping[str, str]
    secrets: tuple[str, ...] = ()
    max_runtime_s: float | None = None
    grace_s: float = 30.0
    takes_gpus: bool = False
    leaves_cores: bool = False
    is_first: bool = False


class CannotStartError(StoreError):
    """An attempt can never start as it was asked for: its own fault, and asking again is vain."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How an engine itself ended an attempt that nobody here had told to leave.

    Attributes:
      why: `lost` where nodes were, `stopped` where a person cancelled it there, `preempted`, `over-time`.
      words: the same for people.
      nodes: those that are lost.
    """

    why: Why
    words: str
    nodes: tuple[str, ...] = ()


class Engine(Protocol):
    """Starts, watches and stops agents. Every call may be repeated: a controller that was killed asks again."""

    def nodes(self) -> Sequence[NodeRecord]:
        """The machines it has, as they are now. Raises: StoreError: it does not answer."""

    def start(self, request: StartRequest) -> None:
        """Start an agent for each member, unless that was done before.

        Raises: CannotStartError: it never can. StoreError: it would not now.
        """

    def living(self) -> Mapping[str, frozenset[int]]:
        """Attempt -> members whose agent lives, is about to, or has left something running.

        Raises: StoreError: it does not answer, which says nothing of who lives.
        """

    def known_as(self, attempt: str) -> str:
        """What the engine calls it, for people who look there, as `Slurm job 4711`; empty where it has no name yet."""

    def held_up(self, attempt: str) -> str:
        """What keeps an attempt that it has taken from beginning, in words; empty where nothing does.

        Raises: StoreError: it does not answer.
        """

    def ending(self, attempt: str) -> Ending | None:
        """How it ended an attempt by itself; None where it did not. Raises: StoreError: it does not say, or not yet."""

    def leave(self, attempt: str) -> None:
        """Tell its agents to save and leave; one that has not come so far hears it from the server."""

    def kill(self, attempt: str) -> None:
        """End its agents and all that they started."""

    def close(self) -> None:
        """The controller ends; agents go on. May be called twice."""
