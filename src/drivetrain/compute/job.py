"""`Job`: what somebody asks to be run, as a frozen value; the same from flags, `job.toml` and Python."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

from drivetrain.core import config
from drivetrain.core.errors import ConfigError, UsageError
from drivetrain.core.units import NS_PER_S, parse_bytes, parse_duration_ns

PRIORITIES: Mapping[str, int] = {"low": 50, "normal": 100, "high": 200, "urgent": 300}
MILLI_PER_GPU = 1000
MOST_TASKS = 1_000_000
MOST_WORKERS = 1000
"""Of an array; each is a job of its own to the scheduler."""
MOST_COMMAND_BYTES, MOST_WORD_BYTES = 1 << 20, (1 << 17) - 1
"""Of a command with its variables, and of each word: Linux starts no program with more."""
_MOST_PRIORITY = 1_000_000
_MOST_OF_A_NODE = 1_000_000
_LONGEST_S = 3650 * 86400.0
_LAST_TASK = (1 << 31) - 2
_MOST_DIGITS = 10
_NAME = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]{0,200}")
"""None that a terminal obeys, and none that turns around what stands beside it."""
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_TEAM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,62}")
"""As users: who is in no team is one of their own."""
_VARIABLE = re.compile(r"[!-<>-~]{1,200}")
_TOPOLOGIES = ("any", "rack", "fabric", "node")
_WAS_ACCEPTED = ContextVar("was_accepted", default=False)


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
      min_runtime: how long it is left alone once it runs; never less than the 30 s that another start is taken to cost.
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
        if _WAS_ACCEPTED.get():
            return
        _check_words(self.command, self.env)
        if not self.array:
            _check_launcher(self.command)
        _check_names(self)
        _check_numbers(self)
        if self.image:
            raise UsageError(
                f"image {self.image[:60]!r}: no engine runs containers yet", hint="an environment: --venv or --lock"
            )
        if self.lock and (self.venv or self.lock.startswith("/") or ".." in self.lock.split("/")):
            raise UsageError(f"lock {self.lock[:60]!r}: expected a path within the code, and no venv beside it")
        for what, path in (("lock", self.lock), ("venv", self.venv)):
            if not is_text(path):
                raise UsageError(f"{what} {path[:60]!r} is no path")
        for variable, source in self.secrets.items():
            kind, _, place = source.partition(":")
            if not _VARIABLE.fullmatch(variable):
                raise UsageError(f"secret {variable[:40]!r} cannot be set: no variable can have that name")
            if kind not in ("env", "file") or not place or not is_text(place):
                raise UsageError(
                    f"secret {variable[:40]!r}: {source[:20]!r} is no place of one", hint="env:NAME or file:PATH"
                )

    @property
    def nodes_range(self) -> tuple[int, int]:
        """The fewest and the most nodes."""
        least, colon, most = str(self.nodes).partition(":")
        if not _is_whole(least) or (colon and not _is_whole(most)):
            raise UsageError(f"nodes is {str(self.nodes)[:40]!r}, expected a number or a range such as 2:4")
        found = int(least), int(most or least)
        if not 1 <= found[0] <= found[1] <= 100_000:
            raise UsageError(f"nodes is {self.nodes!r}, expected 1 to 100,000, the smaller number first")
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
        except (ValueError, OverflowError) as exc:
            raise UsageError(f"memory: {_short(exc)}") from exc

    @property
    def priority_value(self) -> int:
        """The higher goes first."""
        if isinstance(self.priority, int):
            return self.priority
        digits = self.priority.removeprefix("-")
        if _is_whole(digits):
            return int(self.priority)
        if digits.isascii() and digits.isdecimal():
            raise _no_priority(self.priority)
        if self.priority not in PRIORITIES:
            guess = config.nearest(self.priority[:40], list(PRIORITIES))
            numbers = f"a number from {-_MOST_PRIORITY:,} to {_MOST_PRIORITY:,}"
            hint = f"did you mean {guess}?" if guess else f"one of {', '.join(PRIORITIES)}, or {numbers}"
            raise UsageError(f"priority {self.priority[:40]!r} is not known", hint=hint)
        return PRIORITIES[self.priority]

    @property
    def tasks(self) -> range:
        """Numbers of the tasks of an array; empty where it is none."""
        if not self.array:
            return range(0)
        first, dash, last = self.array.partition("-")
        if not _is_whole(first) or (dash and not _is_whole(last)) or int(last or first) > _LAST_TASK:
            raise UsageError(f"array is {self.array[:40]!r}, expected numbers such as 0-99999")
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
        except (ValueError, OverflowError) as exc:
            raise UsageError(f"{what}: {_short(exc)}") from exc


@contextmanager
def accepted_before() -> Iterator[None]:
    """Jobs that are read within were accepted once, and are not judged again, though this version is stricter."""
    token = _WAS_ACCEPTED.set(True)
    try:
        yield
    finally:
        _WAS_ACCEPTED.reset(token)


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


def is_text(text: str) -> bool:
    """Whether it can be a path, a variable or an argument: it can be encoded, and has no zero byte."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def _check_words(command: Sequence[str], env: Mapping[str, str]) -> None:
    """What the kernel would refuse when it starts, is refused now."""
    if not command or not command[0]:
        raise UsageError("a job has no command", hint="drivetrain submit -- python train.py")
    for variable, value in env.items():
        if not _VARIABLE.fullmatch(variable) or not is_text(value):
            raise UsageError(f"variable {variable[:40]!r} cannot be set: its name or its value is none")
    if not all(map(is_text, command)):
        raise UsageError("a command with a zero byte, or one that is no UTF-8, cannot be started")
    words = [*command, *(f"{variable}={value}" for variable, value in env.items())]
    sizes = [len(word.encode()) for word in words]
    if max(sizes) > MOST_WORD_BYTES or sum(sizes) > MOST_COMMAND_BYTES:
        raise UsageError(
            f"a command with its variables may have {MOST_COMMAND_BYTES} bytes, and {MOST_WORD_BYTES} in one word",
            hint="put what is long into a file of the code",
        )


def _check_launcher(command: Sequence[str]) -> None:
    """A run that the command itself makes is another than the job's, and no later attempt goes on from it."""
    words = list(command[2:] if list(command[1:3]) == ["-m", "drivetrain"] else command)
    if words[0].rpartition("/")[2] != "drivetrain" or words[1:2] != ["run"]:
        return
    given, left = {}, words[2:]
    while left and left[0].startswith("-") and left[0] != "--":
        option, equals, value = left.pop(0).partition("=")
        given[option] = value if equals or not left else left.pop(0)
    if "--run" in given:  # it goes on from that one whenever it is started
        return
    ours = {"--ranks": given.get("--ranks", "").rpartition(":")[2], "--retries": given.get("--restarts", "")}
    options = [f"{option} {value} " for option, value in ours.items() if value]
    program = shlex.join(left[1:] if left[:1] == ["--"] else left)
    raise UsageError(
        "a job starts its ranks itself; a `drivetrain run` as its command would begin anew whenever the job does",
        hint=f"drivetrain submit {''.join(options)}-- {program or 'COMMAND'}",
    )


def _check_names(job: Job) -> None:
    if not _NAME.fullmatch(job.name) or not is_text(job.name):
        raise UsageError(f"name {job.name[:40]!r}: expected up to 200 characters, without control characters")
    for what, label in (("pool", job.pool), ("gpu", job.gpu)):
        if label and not _LABEL.fullmatch(label):
            raise UsageError(f"{what} {label[:70]!r}: expected up to 63 letters, digits, '.', '_' and '-'")
    if job.team and not _TEAM.fullmatch(job.team):
        raise UsageError(f"team {job.team[:70]!r}: expected up to 63 letters, digits, '.', '_', '@' and '-'")
    if job.topology not in _TOPOLOGIES:
        raise UsageError(f"topology is {job.topology[:40]!r}, expected one of {', '.join(_TOPOLOGIES)}")


def _check_numbers(job: Job) -> None:
    counts = {"gpus": job.gpus, "cpus": job.cpus, "ranks": job.ranks, "retries": job.retries}
    for what, number in counts.items():
        if not 0 <= number <= _MOST_OF_A_NODE:
            raise UsageError(f"{what} is {str(number)[:40]}, expected 0 to {_MOST_OF_A_NODE:,}")
    if 0 < job.gpus < 1 / MILLI_PER_GPU:
        raise UsageError(f"gpus is {job.gpus:g}, expected 0, or {1 / MILLI_PER_GPU:g} or more")
    if job.gpus > 1 and job.gpus != int(job.gpus):
        raise UsageError(f"gpus is {job.gpus:g}, expected whole ones, or a part of one")
    if abs(job.priority_value) > _MOST_PRIORITY:
        raise _no_priority(str(job.priority_value))
    (_, most_nodes), _ = job.nodes_range, job.memory_bytes
    if job.tasks and most_nodes > MOST_WORKERS:
        raise UsageError(f"nodes is {job.nodes!r}: an array has up to {MOST_WORKERS} workers")
    for what in ("min_runtime", "max_runtime", "deadline", "grace", "idle_after"):
        seconds = job._seconds(what)
        if seconds is not None and seconds > _LONGEST_S:
            raise UsageError(f"{what} is {getattr(job, what)[:40]!r}, expected at most {_LONGEST_S / 86400:g}d")
        if seconds == 0 and what in ("max_runtime", "deadline", "idle_after"):
            raise UsageError(f"{what} is {getattr(job, what)[:40]!r}, expected more than nothing, or leave it out")


def _no_priority(number: str) -> UsageError:
    return UsageError(f"priority is {number[:40]}, expected {-_MOST_PRIORITY:,} to {_MOST_PRIORITY:,}")


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS


def _short(exc: Exception) -> str:
    """What is wrong, though somebody wrote a megabyte."""
    return "the number is too large" if isinstance(exc, OverflowError) else str(exc)[:200]
