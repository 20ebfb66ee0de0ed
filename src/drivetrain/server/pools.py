"""`server.toml`: pools and what is in them; without one, this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drivetrain.compute.controller.nodes import NodeRecord
from drivetrain.compute.engines import Engine
from drivetrain.compute.policy.values import CORES, Pool
from drivetrain.core import config
from drivetrain.core.errors import ConfigError, StoreError

_NUM_NODES = 4
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolConfig:
    """One pool.

    Attributes:
      engine: one of `ENGINES`.
      kind, price_per_gpu_h, interruptions_per_h: as in `policy.values.Pool`; the price in whole units of money.
      nodes: of a local pool: how many nodes this machine counts as.
      gpus: of each of them; 0 for as many as the machine has, divided.
      gpu: their kind; `cpu` where cores count as devices.
      partition: of Slurm.
    """

    name: str
    engine: str = "local"
    kind: str = "reserved"
    price_per_gpu_h: float = 0.0
    interruptions_per_h: float = 0.0
    nodes: int = _NUM_NODES
    gpus: int = 0
    gpu: str = ""
    partition: str = ""

    def __post_init__(self) -> None:
        if not _LABEL.fullmatch(self.name):
            raise ConfigError(f"pool {self.name[:70]!r}: expected letters, digits, '.', '_' and '-'")
        if self.engine not in ENGINES:
            guess = config.nearest(self.engine, list(ENGINES))
            hint = f"did you mean {guess}?" if guess else f"one of {', '.join(ENGINES)}"
            raise ConfigError(f"pool {self.name}: engine {self.engine!r} is not known", hint=hint)
        if self.kind not in ("reserved", "on-demand", "spot"):
            raise ConfigError(f"pool {self.name}: kind {self.kind!r}, expected reserved, on-demand or spot")
        if not 1 <= self.nodes <= 10_000:
            raise ConfigError(f"pool {self.name}: {self.nodes} nodes, expected 1 to 10,000")
        if not 0 <= self.gpus <= 1000:
            raise ConfigError(f"pool {self.name}: {self.gpus} gpus of each node, expected 0 to 1000")
        for what in ("price_per_gpu_h", "interruptions_per_h"):
            if not 0 <= getattr(self, what) <= 1e6:
                raise ConfigError(f"pool {self.name}: {what} is {getattr(self, what)}, expected 0 to 1,000,000")

    @property
    def pool(self) -> Pool:
        """As a policy sees it."""
        return Pool(self.name, self.kind, round(self.price_per_gpu_h * 1e6), self.interruptions_per_h)


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """The file. Attributes: pools: each of its own name."""

    pools: tuple[PoolConfig, ...] = field(default_factory=lambda: (PoolConfig(name="local"),))


def read_config(path: Path | None) -> ServerConfig:
    """Read it; without a path, one local pool. Raises: ConfigError."""
    found = ServerConfig() if path is None else config.load_file(ServerConfig, path)
    if path is not None and "pools" not in config.read_toml(path):
        raise ConfigError(f"{path} names no pool", hint='[[pools]], and below it name = "local", engine = "local"')
    names = [pool.name for pool in found.pools]
    if len(set(names)) < len(names) or not names:
        raise ConfigError(f"pools are called {', '.join(names) or 'nothing'}: expected one or more, of different names")
    return found


def engine_of(pool: PoolConfig, agents: Path) -> Engine:
    """The engine of a pool. Args: agents: folder where agents find what they are told."""
    return ENGINES[pool.engine](pool, agents)


def unknown_partitions(found: ServerConfig) -> Iterator[str]:
    """What is to be said of pools whose partition Slurm does not have; nothing where Slurm does not answer."""
    wanted = [pool for pool in found.pools if pool.engine == "slurm" and pool.partition]
    if not wanted:
        return
    from drivetrain.compute.engines.slurm.commands import run

    try:
        known = run(["sinfo", "--noheader", "--all", "--format=%R"]).split()
    except StoreError:
        return
    for pool in wanted:
        if missing := [name for name in pool.partition.split(",") if name not in known]:
            guess = config.nearest(missing[0], known)
            hint = f"did you mean {guess}?" if guess else f"it has {', '.join(known[:10]) or 'none'}"
            yield f"pool {pool.name}: Slurm has no partition {missing[0]!r}; {hint}"


def _slurm(pool: PoolConfig, agents: Path) -> Engine:
    from drivetrain.compute.engines.slurm import SlurmEngine

    return SlurmEngine(pool.name, partition=pool.partition, folder=agents)


def _local(pool: PoolConfig, agents: Path) -> Engine:
    from drivetrain.compute.engines.local import LocalEngine

    nodes = local_nodes(pool, os.sched_getaffinity(0), accelerators())
    return LocalEngine(agents, nodes, first_device=first_devices(nodes), is_warm=True)


ENGINES: Mapping[str, Callable[[PoolConfig, Path], Engine]] = {"local": _local, "slurm": _slurm}
"""Name in server.toml -> what makes it. Another one is a folder in `compute/engines` that keeps the Protocol there, a
line here, and one in `tests/compute/test_engines.py`, whose tests it has to pass."""


def local_nodes(pool: PoolConfig, cores: set[int], found: Mapping[str, int]) -> list[NodeRecord]:
    """What this machine is divided into: nodes with its accelerators, and with its cores where these do not suffice."""
    kind, count = next(iter(found.items()), ("", 0))
    num_cores = max(1, len(cores))
    shared: dict[str, Any] = {"pool": pool.name, "cpus": num_cores, "rack": "local", "fabric": "local"}
    nodes = []
    for number in range(pool.nodes):
        num_gpus = pool.gpus or count // pool.nodes + (number < count % pool.nodes)
        gpus = (pool.gpu or kind or "gpu", num_gpus) if num_gpus else (CORES, num_cores)
        nodes.append(NodeRecord(name=f"{pool.name}-{number}", gpu=gpus[0], num_gpus=gpus[1], **shared))
    return nodes


def first_devices(nodes: Sequence[NodeRecord]) -> dict[str, int]:
    """Of each node with accelerators, the machine's number of its first one."""
    found: dict[str, int] = {}
    for node in nodes:
        if node.gpu != CORES:
            found[node.name] = sum(other.num_gpus for other in nodes if other.name in found)
    return found


def accelerators() -> dict[str, int]:
    """Kinds of this machine's accelerators and how many there are."""
    if shutil.which("nvidia-smi") is None:
        return {}
    asked = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        lines = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=10).stdout.split("\n")
    except (OSError, subprocess.SubprocessError):
        return {}
    kinds = [line.strip().replace(" ", "-") for line in lines if line.strip()]
    return {kind: kinds.count(kind) for kind in kinds}
