"""What to start, as plain values: the description, each rank's environment, and the exact requests made of both."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct, field

from drivetrain.core import variables
from drivetrain.core.errors import UsageError
from drivetrain.core.units import NS_PER_S, duration_text
from drivetrain.launch.layout import Layout
from drivetrain.launch.program import Program, resolve
from drivetrain.store import RunFolder

LEASE_NS = 10 * NS_PER_S  # how long after its last beat a launcher is taken to live
_SAVING_NS = 20 * NS_PER_S  # most that a save takes before the run is stopped; Slurm and Kubernetes kill after 30 s
DEFAULT_PRELOAD = (
    "numpy",
    "torch",
    "torch._dynamo",
    "drivetrain.train",
    "drivetrain.train.saving",
    "drivetrain.train.ddp",
)
"""What the nursery imports for Python commands, where installed: torch._dynamo because the first DDP model or optimizer
of a process imports it, which takes as long as torch itself (1.0 s); late imports of `train` because a rank that takes
a dead one's place has no time for them (0.1 s of a recovery)."""


class LaunchSpec(Struct, frozen=True, kw_only=True):
    """What to start and how to look after it.

    Attributes:
      command: program and arguments; what they mean says `program.resolve`.
      num_ranks: processes to start with, and the most there will be.
        With several nodes, of each.
      min_ranks: the fewest that the run may go on with; None where their number is fixed.
      num_nodes: the most that there will be, each with its own launcher.
      min_nodes: the fewest that the run may go on with; None where all are needed.
      gather_ns: how long it waits after a node has come for another one, where enough are there; before the first
        attempt alone, since nodes that come later are taken in as the run goes on.
      restarts: attempts after the first one.
      hang_after_ns: the shortest silence that counts as a hang, see `hang`. A program that keeps no journal is never
        taken to hang.
      grace_ns: how long ranks that were told to end have until they are killed.
      leave_ns: how long the whole run has to save and end from the first signal that tells it to; for whoever kills
        then, and may say it twice. None where a person does, whose every further signal leaves a kindness out.
      env: variables for the ranks, over those of this process.
      preload: modules the nursery imports before it forks ranks; None means `DEFAULT_PRELOAD` for Python commands.
      cwd: where the ranks run; None is this process's own folder.
      faults: planned failures, see core.faults.
      profile: which steps are profiled, see core.profiling; empty for none.
    Raises: UsageError: a value is out of range.
    """

    command: tuple[str, ...]
    num_ranks: int = 1
    min_ranks: int | None = None
    num_nodes: int = 1
    min_nodes: int | None = None
    gather_ns: int = 0
    restarts: int = 3
    hang_after_ns: int = 30 * NS_PER_S
    grace_ns: int = 3 * NS_PER_S
    leave_ns: int | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    preload: tuple[str, ...] | None = None
    cwd: Path | None = None
    faults: tuple[str, ...] = ()
    profile: str = ""

    def __post_init__(self) -> None:
        if not self.command or not self.command[0]:
            raise UsageError("there is no command to run", hint="drivetrain run --ranks 2 -- python train.py")
        if self.num_ranks < 1:
            raise UsageError(f"{self.num_ranks} ranks cannot run anything", hint="ask for 1 or more: --ranks 1")
        if not 1 <= self.least_ranks <= self.num_ranks:
            raise UsageError(f"at least {self.least_ranks} ranks cannot be had of {self.num_ranks}")
        if not 1 <= self.least_nodes <= self.num_nodes:
            raise UsageError(f"at least {self.least_nodes} nodes cannot be had of {self.num_nodes}")
        if self.num_nodes > 1 and self.least_ranks < self.num_ranks:
            raise UsageError(
                f"{self.least_ranks} to {self.num_ranks} ranks on each of several nodes: only one number may change",
                hint=f"--ranks {self.num_ranks}",
            )
        if self.restarts < 0:
            raise UsageError(f"restarts is {self.restarts}, expected 0 or more", hint="0 never restarts: --restarts 0")
        if self.hang_after_ns <= 0:
            raise UsageError(f"hang_after is {duration_text(self.hang_after_ns)}, expected more than nothing")
        if self.profile:
            _check_profile(self.profile, self.num_ranks * self.num_nodes)
        if self.faults:
            _check_faults(self.faults, self.num_ranks * self.num_nodes)

    @property
    def least_ranks(self) -> int:
        """The fewest that the run may go on with."""
        return self.num_ranks if self.min_ranks is None else self.min_ranks

    @property
    def is_elastic(self) -> bool:
        """Whether the number of ranks may change."""
        return self.least_ranks < self.num_ranks or self.least_nodes < self.num_nodes

    @property
    def least_nodes(self) -> int:
        """The fewest nodes that the run may go on with."""
        return self.num_nodes if self.min_nodes is None else self.min_nodes

    def saving_ns(self, within_ns: int) -> int:
        """How long ranks have to reach a step, in so long, and to save there, before they are told to end."""
        if self.leave_ns is None:
            return within_ns + _SAVING_NS
        return max(self.leave_ns // 2, self.leave_ns - self.grace_ns)

    @property
    def folder(self) -> Path:
        """Where the ranks run; absolute."""
        return (self.cwd or Path()).absolute()

    def program(self) -> Program:
        """What the command is. Raises UsageError: there is no such program or script."""
        return resolve(self.command, cwd=self.folder, path=self.env.get("PATH"))


def _check_profile(text: str, num_ranks: int) -> None:
    from drivetrain.core.profiling import ProfileSpec

    profile = ProfileSpec.parse(text)
    if profile.ranks is not None and max(profile.ranks) >= num_ranks:
        raise UsageError(f"rank {max(profile.ranks)} cannot be profiled: there are {num_ranks} ranks, counted from 0")


def _check_faults(texts: tuple[str, ...], num_ranks: int) -> None:
    from drivetrain.core.faults import Fault

    for text in texts:
        if Fault.parse(text).rank >= num_ranks:
            raise UsageError(f"fault {text} can never strike: there are {num_ranks} ranks, counted from 0")


class RankRequest(Struct, frozen=True):
    """Everything that one rank's process is started with.

    Attributes:
      rank: from 0.
      program: what it runs.
      env: the variables that the launcher adds to its own.
      cwd: its folder.
    """

    rank: int
    program: Program
    env: dict[str, str]
    cwd: str


def rank_environment(
    spec: LaunchSpec,
    run: RunFolder,
    *,
    rank: int,
    attempt: int,
    port: int,
    num_cores: int,
    user: Mapping[str, str],
    layout: Layout | None = None,
) -> dict[str, str]:
    """The variables a rank is given, those of torchrun first.

    Args:
      layout: where the ranks of the attempt are; by default all that the spec asks for, on this node.
      port: where rank 0 will listen for the others.
      num_cores: cores to share among the ranks.
      user: the launcher's own environment; an OMP_NUM_THREADS in it stays.
    """
    env = {
        **(layout or Layout((spec.num_ranks,))).environment(rank),
        "MASTER_PORT": str(port),
        "TORCHELASTIC_RUN_ID": run.id,
        "TORCHELASTIC_RESTART_COUNT": str(attempt),
        "TORCHELASTIC_MAX_RESTARTS": str(spec.restarts),
        variables.HOME: str(run.path.parent.parent),
        variables.RUN: run.id,
        variables.ATTEMPT: str(attempt),
        variables.LEASE_NS: str(LEASE_NS),
    }
    if spec.is_elastic:
        env[variables.ELASTIC] = "1"
    if spec.faults:
        env[variables.FAULT] = ";".join(spec.faults)
    if spec.profile:
        env[variables.PROFILE] = spec.profile
    return {**env, **thread_environment(spec, num_cores=num_cores, user=user), **spec.env}


def thread_environment(spec: LaunchSpec, *, num_cores: int, user: Mapping[str, str]) -> dict[str, str]:
    """How many threads a rank's libraries use; the nursery needs it too, because they read it as they load."""
    return {} if "OMP_NUM_THREADS" in user else {"OMP_NUM_THREADS": str(max(1, num_cores // spec.num_ranks))}


def rank_requests(
    spec: LaunchSpec,
    program: Program,
    run: RunFolder,
    *,
    layout: Layout,
    attempt: int,
    port: int,
    num_cores: int,
    user: Mapping[str, str],
    finished: Mapping[int, int],
    gone: int | None,
    meeting: str,
) -> tuple[RankRequest, ...]:
    """One request per rank.

    Args:
      user: as in `rank_environment`.
      finished: by rank, as in `Watch`.
      gone: the same of all ranks that are gone, see `finished_after`.
      meeting: address of the store where ranks meet; empty when there is none.
    """
    requests = []
    for rank in range(layout.num_ranks):
        env = rank_environment(
            spec, run, rank=rank, attempt=attempt, port=port, num_cores=num_cores, user=user, layout=layout
        )
        if meeting:
            env[variables.MEETING] = meeting
        if rank in finished:
            env[variables.FINISHED_STEP] = str(finished[rank])
        if gone is not None:
            env[variables.GONE_STEP] = str(gone)
        requests.append(RankRequest(rank, program, env, str(spec.folder)))
    return tuple(requests)


def meeting_request(spec: LaunchSpec, program: Program, port: int) -> RankRequest | None:
    """The process where ranks meet; None where they are few, or may have no use for it."""
    if spec.num_ranks * spec.num_nodes < 2 or "drivetrain.train" not in preload_of(spec, program):
        return None
    return RankRequest(-1, Program("module", ("drivetrain.train.meeting", str(port))), {}, str(spec.folder))


def preload_of(spec: LaunchSpec, program: Program) -> tuple[str, ...]:
    """The modules that the nursery imports: none for a program that is executed, or has no use for torch."""
    if program.kind == "executable":
        return ()
    if spec.preload is not None:
        return spec.preload
    from drivetrain.launch.imports import may_want_torch

    is_light = program.kind == "script" and not may_want_torch(*_script(spec, program))
    return () if is_light else DEFAULT_PRELOAD


def _script(spec: LaunchSpec, program: Program) -> tuple[Path, Path]:
    path = spec.folder / program.argv[0]
    return path, path.resolve().parent


def requests_text(requests: tuple[RankRequest, ...]) -> str:
    """The requests as JSON for people; what `--dry-run` prints."""
    import json

    return json.dumps(
        [
            {
                "rank": request.rank,
                "how": request.program.kind,
                "argv": list(request.program.argv),
                "cwd": request.cwd,
                "env": request.env,
            }
            for request in requests
        ],
        indent=2,
    )
