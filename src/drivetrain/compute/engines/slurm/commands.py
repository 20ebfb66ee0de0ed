"""Slurm's commands: their arguments, and what they print -> values. Pure, but for `run`."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from functools import lru_cache

from drivetrain.compute.agent.main import BEGIN
from drivetrain.compute.controller.nodes import NodeRecord
from drivetrain.compute.engines.protocol import CannotStartError, StartRequest
from drivetrain.compute.engines.slurm.amounts import MIB, asked_of
from drivetrain.compute.engines.slurm.queue import COMMENT
from drivetrain.compute.engines.surroundings import surroundings
from drivetrain.compute.policy.values import CORES
from drivetrain.core.errors import StoreError

_TIMEOUT_S = 20.0
_GRES = re.compile(r"gpu(?::(\(null\)|[A-Za-z0-9_.-]+))?:([0-9]+)")
_DOWN = ("DOWN", "FAIL", "UNKNOWN", "REBOOT")
_SILENT = ("NO_RESPOND", "NOT_RESPONDING")
_DRAINING = ("DRAIN", "DRAINING", "DRAINED", "MAINT", "RESERVED", "POWERING_DOWN", "POWER_DOWN")
_ASLEEP = "POWERED_DOWN"
_NOT_YET = (_ASLEEP, "POWERING_UP", "POWER_UP")
"""Such a node says nothing, and Slurm gives it to jobs: it wakes for them."""
_REASON = re.compile(r" Reason=(.*?)(?: \[[^\[\] ]+@[^\[\] ]+\]|$)")
"""Of a node: words of an operator or of Slurm, and then who said them when."""
_NEVER = re.compile(r"[Ii]nvalid |[Rr]equested node configuration is not available|not permitted|[Pp]ermission denied")
"""In what `sbatch` says where the request is at fault; anything else may pass."""
_MOST_LISTS = 4096
NODES = ("scontrol", "show", "nodes", "--details", "--oneliner")
ENDED = ".ended"
"""Of the file that says that a member's agent is over, after the member's number."""


def run(arguments: Sequence[str], *, text: str = "", env: Mapping[str, str] | None = None) -> str:
    """What a command prints.

    Args:
      text: for it to read.
      env: its variables, where they are not ours.
    Raises: StoreError: it is not there, fails or does not answer.
    """
    try:
        done = subprocess.run(
            list(arguments),
            input=text,
            env=None if env is None else dict(env),
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError as exc:
        raise StoreError(f"there is no {arguments[0]} here", hint="are Slurm's commands installed?") from exc
    except subprocess.TimeoutExpired as exc:
        raise StoreError(f"{arguments[0]} has not answered within {_TIMEOUT_S:g} s") from exc
    except OSError as exc:
        raise StoreError(f"{arguments[0]} does not answer: {exc}") from exc
    if done.returncode:
        said = " ".join(line.strip().removeprefix(f"{arguments[0]}: ") for line in done.stderr.splitlines())
        raise StoreError(f"{arguments[0]}: {said[:500] or done.returncode}")
    return done.stdout


def submit(arguments: Sequence[str], request: StartRequest) -> str:
    """Submit a batch job, and give its number.

    Raises: CannotStartError: Slurm will never take it. StoreError: it does not now.
    """
    env = {**_of_sbatch(), **surroundings(request.secrets), **request.env}
    try:
        told = run(arguments, text=script(request), env=env)
    except StoreError as exc:
        if _NEVER.search(exc.message):
            raise CannotStartError(exc.message) from exc
        raise
    last = told.strip().rpartition("\n")[2]  # what a site's wrapper has to say comes before
    return last.partition(";")[0]  # of several clusters, the name of this one follows


def _of_sbatch() -> dict[str, str]:
    """What a site has told `sbatch` by variables."""
    return {name: value for name, value in os.environ.items() if name.startswith("SBATCH_")}


def batch_arguments(request: StartRequest, partition: str, log: str) -> list[str]:
    """Of `sbatch`, for a script on its standard input; it has the request's variables in its environment.

    Were any of them named in `--export`, the node would first load the user's login environment, as `--get-user-env`
    does: 1.6 s here, and up to minutes where home folders are slow.
    """
    nodes, asked = [share.node for share in request.shares], asked_of(request)
    arguments = [
        "sbatch",
        "--parsable",
        f"--job-name={safe_name(request.job_name)}",
        f"--comment={COMMENT}{request.attempt}{asked.words}",
        f"--nodes={len(nodes)}",
        f"--ntasks={len(nodes)}",
        "--ntasks-per-node=1",
        f"--nodelist={','.join(nodes)}",
        "--no-requeue",
        "--no-kill",
        "--propagate=NONE",  # limits of the server's process are not the job's
        f"--output={log}",
        "--export=ALL",
    ]
    if partition:
        arguments.append(f"--partition={partition}")
    num_gpus = max((len(share.milli) for share in request.shares), default=0)
    if num_gpus and request.takes_gpus:
        arguments.append(f"--gpus-per-node={num_gpus}")
    arguments += _cores(request)
    if asked.memory_bytes:
        arguments.append(f"--mem={asked.memory_mib}M")
    if request.max_runtime_s is not None:
        arguments.append(f"--time={round((request.max_runtime_s + request.grace_s) / 60) + 1}")
    return arguments


def _cores(request: StartRequest) -> list[str]:
    """As many as the job says, else as many as the site gives with each GPU."""
    num_cores = asked_of(request).num_cores
    return [f"--cpus-per-task={num_cores}"] if num_cores and not request.leaves_cores else []


def script(request: StartRequest) -> str:
    """Of the batch job: an agent on each node, each told its number by Slurm. Its text holds nothing of a user's.

    The agent of a single node is the batch job itself: a step costs time, and waits for half a minute and more when
    Slurm's controller has just been started. Of several, each leaves a file when it has ended, whatever ended it, since
    Slurm says only when all have: also where nobody is left to read what its shell says, as `slurmstepd` was killed.
    Unless it is told, Slurm numbers tasks in an order of nodes of its own, and `srun` gives a task one core of those
    that its job asked for.
    """
    words = " ".join(_quoted(word) for word in request.agent)
    if len(request.shares) == 1:
        return f"#!/bin/sh\nexec {words} 0\n"
    ended = f'{words.rpartition(" ")[2]}/"$SLURM_PROCID"{ENDED}'
    each = f'trap : TERM PIPE; {words} "$SLURM_PROCID"; touch {ended}'
    nodes = ",".join(_quoted(share.node) for share in request.shares)
    where = " ".join(["--distribution=arbitrary", f"--nodelist={nodes}", *_cores(request)])
    return f"#!/bin/sh\nexec srun {where} --kill-on-bad-exit=0 --no-kill sh -c '{each}'\n"


def nodes_of(text: str, pool: str, *, partition: str) -> list[NodeRecord]:
    """What `NODES` prints -> nodes, those of a partition alone where one is named, or several as `a,b`."""
    found = []
    for line in text.splitlines():
        fields = dict(re.findall(r"(\w+)=(\S*)", line))
        why = _REASON.search(line)
        if "NodeName" not in fields or not is_of(fields.get("Partitions", ""), partition):
            continue
        num_cores = int(fields.get("CPUEfctv") or fields.get("CPUTot") or 0)
        kind, num_gpus = devices_of(fields.get("Gres", ""))
        state, evidence = state_of(fields.get("State", ""), why[1] if why else "")
        found.append(
            NodeRecord(
                name=fields["NodeName"],
                pool=pool,
                gpu=kind,
                num_gpus=num_cores if kind == CORES else num_gpus,
                cpus=num_cores,
                memory_bytes=(int(fields.get("RealMemory") or 0) - int(fields.get("MemSpecLimit") or 0)) * MIB,
                rack=fields.get("ActiveFeatures", "").partition(",")[0].replace("(null)", ""),
                state=state,
                evidence=evidence,
                is_asleep=_ASLEEP in _parts(fields.get("State", "")) and state == "up",
            )
        )
    return found


def is_of(partitions: str, partition: str) -> bool:
    """Whether one of a list is one that is meant, which all are where none is named."""
    return not partition or not set(partition.split(",")).isdisjoint(partitions.split(","))


def devices_of(gres: str) -> tuple[str, int]:
    """Kind and number of accelerators in what Slurm calls a node's generic resources; `cpu` and none without any."""
    found = _GRES.search(gres)
    return (found[1] or "gpu", int(found[2])) if found else (CORES, 0)


def state_of(words: str, reason: str) -> tuple[str, str]:
    """Slurm's state of a node -> ours, and why."""
    parts = _parts(words)
    if parts & set(_DOWN) or (parts & set(_SILENT) and not parts & set(_NOT_YET)):
        return "down", reason or words
    if parts & set(_DRAINING):
        return "draining", reason or words
    return "up", ""


def _parts(words: str) -> set[str]:
    return set(re.split(r"[+*~#!%$@^-]", words.upper())) | ({"NOT_RESPONDING"} if "*" in words else set())


@lru_cache(_MOST_LISTS)
def names_of(nodes: str) -> frozenset[str]:
    """A list of nodes as Slurm writes it, such as `n[1-3,7]` -> their names."""
    if "[" not in nodes and "," not in nodes:
        return frozenset({nodes})
    return frozenset(run(["scontrol", "show", "hostnames", nodes]).split())


def safe_name(name: str) -> str:
    """A name with nothing in it that Slurm or a shell could take for more than a name."""
    return re.sub(r"[^A-Za-z0-9._ -]", "_", name)[:60] or "drivetrain"


def _quoted(word: str) -> str:
    if word == BEGIN[-1]:
        return f'"{word}"'  # it holds nothing that a shell would take for more than text
    if not re.fullmatch(r"[A-Za-z0-9/._:=@%+-]+", word):
        raise StoreError(f"Slurm cannot be told the path {word!r}", hint="use folders with plain names")
    return word
