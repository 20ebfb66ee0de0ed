"""`Job`: what somebody asks to be run, as a frozen value; the same from flags, `job.toml` and Python."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from drivetrain.core import config
from drivetrain.core.errors import ConfigError, UsageError
from drivetrain.core.units import NS_PER_S, parse_bytes, parse_duration_ns

PRIORITIES: Mapping[str, int] = {"low": 50, "normal": 100, "high": 200, "urgent": 300}
MILLI_PER_GPU = 1000
MOST_TASKS = 1_000_000
MOST_COMMAND_BYTES = 1 << 20
_NAME = re.compile(r"[^\x00-\x1f\x7f]{0,200}")
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_TOPOLOGIES = ("any", "rack", "fabric", "node")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What to run and what it needs. All texts are as a person writes them; properties give them as numbers.

    Attributes:
      command: program and arguments; never a line for a shell.
      name: what people call it; any text without control characters.
      pool: where; empty for the cheapest that can.
      nodes: machines, `4`, or how few and how many: `2:4`.
      gpus: accelerators of each node; a part of one as a fraction.
      gpu: which kind, such as `H100`; empty for any.
      cpus: cores of each node.
      memory: of each node, such as `64GB`.
      ranks: processes on each node; 0 for one a whole accelerator, and at least one.
      topology: which nodes may be together: `any`, one `rack`, one `fabric`.
      topology_required: whether it waits until it can have that.
      team: whose quota it takes; the user's first team by default.
      priority: `low`, `normal`, `high`, `urgent` or a number.
      preemptible: whether others of higher priority may take its place; it is asked to save first.
      min_runtime: how long it is left alone once it runs.
      max_runtime: after which it is stopped; empty for none.
      deadline: how long from now it should be done; empty for none.
      retries: how often ranks that failed are started again, in place.
      grace: how long it has to save and leave when it must go.
      idle_after: without a step and without use of its devices for so long, it is stopped; empty for never.
      array: tasks of an array, such as `0-99999`; the command sees DRIVETRAIN_TASK.
      env: variables for the command.
      secrets: variable -> where its value is found when it starts: `env:NAME` or `file:PATH` of the node.
      venv: folder of the environment on the nodes; empty for that of the agent.
      image: container image; refused, as no engine has them yet.
      lock: lock file, from where the job runs, that its environment is made of, once a node.
    Raises: UsageError: a value is out of range or cannot be understood.
    """

    command: tuple[str, ...]
    name: str = ""
    pool: str = ""
    nodes: int | str = 1
    gpus: float = 0
    gpu: str = ""
    cpus: float = 0
    memory: str = ""
    ranks: int = 0
    topology: str = "any"
    topology_required: bool = False
    team: str = ""
    priority: int | str = "normal"
    preemptible: bool = False
    min_runtime: str = ""
    max_runtime: str = ""
    deadline: str = ""
    retries: int = 3
    grace: str = "30s"
    idle_after: str = ""
    array: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    venv: str = ""
    image: str = ""
    lock: str = ""

    def __post_init__(self) -> None:
        if not self.command or not self.command[0]:
            raise UsageError("a job has no command", hint="drivetrain submit -- python train.py")
        if sum(map(len, self.command)) > MOST_COMMAND_BYTES or any("\0" in word for word in self.command):
            raise UsageError(
                f"a command of over {MOST_COMMAND_BYTES} characters, or with a zero byte, cannot be started"
            )
        if not _NAME.fullmatch(self.name):
            raise UsageError(f"name {self.name[:40]!r}: expected up to 200 characters, without control characters")
        for what, label in (("pool", self.pool), ("team", self.team), ("gpu", self.gpu)):
            if label and not _LABEL.fullmatch(label):
                raise UsageError(f"{what} {label[:70]!r}: expected letters, digits, '.', '_' and '-'")
        for what, number in (
            ("gpus", self.gpus),
            ("cpus", self.cpus),
            ("ranks", self.ranks),
            ("retries", self.retries),
        ):
            if not 0 <= number <= 1_000_000:
                raise UsageError(f"{what} is {number}, expected 0 or more")
        if self.image:
            raise UsageError(
                f"image {self.image[:60]!r}: no engine runs containers yet", hint="an environment: --venv or --lock"
            )
        if self.lock and (self.venv or self.lock.startswith("/") or ".." in self.lock.split("/")):
            raise UsageError(f"lock {self.lock[:60]!r}: expected a path within the code, and no venv beside it")
        if self.topology not in _TOPOLOGIES:
            raise UsageError(f"topology is {self.topology!r}, expected one of {', '.join(_TOPOLOGIES)}")
        if self.gpus > 1 and self.gpus != int(self.gpus):
            raise UsageError(f"gpus is {self.gpus:g}, expected whole ones, or a part of one")
        _ = (self.nodes_range, self.priority_value, self.memory_bytes, self.tasks)
        for what in ("min_runtime", "max_runtime", "deadline", "grace", "idle_after"):
            self._seconds(what)
        for variable, source in self.secrets.items():
            if source.partition(":")[0] not in ("env", "file"):
                raise UsageError(f"secret {variable}: {source[:20]!r} is no place of one", hint="env:NAME or file:PATH")

    @property
    def nodes_range(self) -> tuple[int, int]:
        """The fewest and the most nodes."""
        least, colon, most = str(self.nodes).partition(":")
        if not least.isdecimal() or (colon and not most.isdecimal()):
            raise UsageError(f"nodes is {self.nodes!r}, expected a number or a range such as 2:4")
        found = int(least), int(most or least)
        if not 1 <= found[0] <= found[1] <= 100_000:
            raise UsageError(f"nodes is {self.nodes!r}, expected 1 or more, the smaller number first")
        return found

    @property
    def gpu_milli(self) -> int:
        """Thousandths of accelerators of each node."""
        return round(self.gpus * MILLI_PER_GPU)

    @property
    def num_ranks(self) -> int:
        """Processes on each node."""
        return self.ranks or max(1, int(self.gpus))

    @property
    def memory_bytes(self) -> int:
        """Of each node; 0 where it does not say."""
        try:
            return parse_bytes(self.memory) if self.memory else 0
        except ValueError as exc:
            raise UsageError(f"memory: {exc}") from exc

    @property
    def priority_value(self) -> int:
        """The higher goes first."""
        if isinstance(self.priority, int):
            return self.priority
        if self.priority.lstrip("-").isdecimal():
            return int(self.priority)
        if self.priority not in PRIORITIES:
            guess = config.nearest(self.priority, list(PRIORITIES))
            hint = f"did you mean {guess}?" if guess else f"one of {', '.join(PRIORITIES)}, or a number"
            raise UsageError(f"priority {self.priority!r} is not known", hint=hint)
        return PRIORITIES[self.priority]

    @property
    def tasks(self) -> range:
        """Numbers of the tasks of an array; empty where it is none."""
        if not self.array:
            return range(0)
        first, dash, last = self.array.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise UsageError(f"array is {self.array!r}, expected numbers such as 0-99999")
        found = range(int(first), int(last or first) + 1)
        if not 1 <= len(found) <= MOST_TASKS:
            raise UsageError(f"array {self.array} has {max(len(found), 0)} tasks, expected 1 to {MOST_TASKS}")
        return found

    @property
    def grace_s(self) -> float:
        """How long it has to save and leave."""
        return self._seconds("grace") or 0.0

    @property
    def min_runtime_s(self) -> float:
        """How long it is left alone once it runs."""
        return self._seconds("min_runtime") or 0.0

    @property
    def max_runtime_s(self) -> float | None:
        """After which it is stopped."""
        return self._seconds("max_runtime")

    @property
    def deadline_s(self) -> float | None:
        """From its submission on."""
        return self._seconds("deadline")

    @property
    def idle_after_s(self) -> float | None:
        """Idle for so long, it is stopped."""
        return self._seconds("idle_after")

    def _seconds(self, what: str) -> float | None:
        text = getattr(self, what)
        try:
            return parse_duration_ns(text) / NS_PER_S if text else None
        except ValueError as exc:
            raise UsageError(f"{what}: {exc}") from exc


def job_values(path: Path) -> dict[str, object]:
    """What a `job.toml` says, for `job_of`. Raises: ConfigError: there is none, or it is no TOML."""
    return config.read_toml(path)


def job_of(values: Mapping[str, object], *, where: str = "job") -> Job:
    """The job that these values describe. Raises: ConfigError."""
    try:
        return config.load(Job, values, where=where)
    except ConfigError:
        raise
    except UsageError as exc:
        raise ConfigError(f"{where}: {exc.message}", hint=exc.hint) from exc
