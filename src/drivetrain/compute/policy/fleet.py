"""The nodes of one pool as arrays, while a plan is made: what is free, and what is held for whom."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from drivetrain.compute.policy.shelves import Shelves
from drivetrain.compute.policy.values import CORES, MILLI, Node, Request, Share

Numbers = NDArray[np.float64]
Whole = NDArray[np.int32]
Mask = NDArray[np.bool_]
_COUNTS = ("cpus", "memory", "whole", "part", "fill")
_HELD = ("hold_s", "_unheld_whole", "_unheld_part", "_held_cpus", "_held_memory")


class Fleet:
    """What is free on each node of a pool.

    What is held is free, but a job that waits gets it at `hold_s` of its node: another may have it until then. Arrays
    have one entry a node, in the order of names.

    Attributes:
      worth: of a slice of a device, by its milli; empty where nothing is known of what is asked for.
      names: of the nodes.
      index: name -> where it is in the arrays.
      free_milli: of each device of each node.
      kind: a number for the kind of its accelerators, int32.
      whole, part: devices that are free as a whole, and the most milli free of another device; int32.
      fill: milli free of all devices but the parts that are not the largest, for best fit; int32.
      by_fill, by_part: the nodes by `fill` and `part`.
      cpus, memory: free; float64.
      up: whether the node takes new work.
      is_awaited: whether of any node something is free that jobs of nobody here still have.
      hold_s: from when on something of the node is awaited; infinite where nothing is.
      groups: topology -> a number for what the node shares, int32; -1 where it is unknown.
    """

    def __init__(self, nodes: Iterable[Node], worth: tuple[float, ...] = ()) -> None:
        nodes = sorted(nodes, key=lambda node: node.name)
        num = len(nodes)
        self.worth = worth
        self.names = [node.name for node in nodes]
        self.index = {name: at for at, name in enumerate(self.names)}
        self.free_milli = [list(node.free_milli) for node in nodes]
        self.kinds = sorted({node.gpu for node in nodes})
        self.kind = _numbered([node.gpu for node in nodes], self.kinds)
        self.cpus: Numbers = np.array([node.free_cpus for node in nodes], np.float64)
        self.memory: Numbers = np.array([node.free_memory_bytes for node in nodes], np.float64)
        self.up: Mask = np.array([node.state == "up" for node in nodes], np.bool_)
        self._awaited_whole: Whole = np.array([node.awaited_gpus for node in nodes], np.int32)
        self._awaited_cpus: Numbers = np.array([node.awaited_cpus for node in nodes], np.float64)
        self._awaited_memory: Numbers = np.array([node.awaited_memory_bytes for node in nodes], np.float64)
        self.is_awaited = bool(self._awaited_whole.any() or self._awaited_cpus.any() or self._awaited_memory.any())
        self.groups = {
            "rack": _numbered([node.rack for node in nodes]),
            "fabric": _numbered([node.fabric for node in nodes]),
        }
        self.whole: Whole = np.zeros(num, np.int32)
        self.part: Whole = np.zeros(num, np.int32)
        self.fill: Whole = np.zeros(num, np.int32)
        self._unheld_whole: Whole = np.zeros(num, np.int32)
        self._unheld_part: Whole = np.zeros(num, np.int32)
        self._held_cpus: Numbers = np.zeros(num)
        self._held_memory: Numbers = np.zeros(num)
        self._held: dict[int, set[int]] = {}
        self.hold_s: Numbers = np.full(num, math.inf)
        self.by_fill, self.by_part = Shelves(), Shelves()
        for at in range(num):
            self.by_fill.put(at, 0)
            self.by_part.put(at, 0)
        for at, free in enumerate(self.free_milli):
            if any(free):
                self._count(at)

    def copy(self) -> Fleet:
        """Another that changes by itself."""
        other = copy.copy(self)
        other.free_milli = [row.copy() for row in self.free_milli]
        other._held = {at: set(held) for at, held in self._held.items()}
        for name in ("by_fill", "by_part", *_COUNTS, *_HELD):
            setattr(other, name, getattr(self, name).copy())
        return other

    def where(self, shares: Iterable[Share]) -> set[int]:
        """Which nodes these are of; those of other pools and nodes that are gone left out."""
        return {self.index[share.node] for share in shares if share.node in self.index}

    def take(self, shares: Iterable[Share]) -> None:
        """Somebody has these now."""
        self._move(shares, -1)

    def give(self, shares: Iterable[Share]) -> None:
        """Somebody has these no longer."""
        self._move(shares, 1)

    def hold(self, shares: Iterable[Share], at_s: float, then: Fleet) -> None:
        """Keep these for a job that gets them at `at_s`. Args: then: what is free at that time, these taken."""
        for share in shares:
            at = self.index.get(share.node)
            if at is None:
                continue
            self._held.setdefault(at, set()).update(device for device, _ in share.milli)
            self.hold_s[at] = min(self.hold_s[at], at_s)
            self._held_cpus[at] = max(self._held_cpus[at], self.cpus[at] - then.cpus[at])
            self._held_memory[at] = max(self._held_memory[at], self.memory[at] - then.memory[at])
            self._count(at)

    def release_holds(self) -> None:
        """Nothing is held any longer."""
        self._held.clear()
        self.hold_s.fill(math.inf)
        self._held_cpus.fill(0.0)
        self._held_memory.fill(0.0)
        self._unheld_whole[:], self._unheld_part[:] = self.whole, self.part

    def feasible(self, request: Request, end_s: float, *, at_once: bool = False) -> Mask:
        """Which nodes have room for one member that ends at `end_s`: bool, one a node.

        Args:
          at_once: in what need not be awaited.
        """
        whole, part, cpus, memory = self.whole, self.part, self.cpus, self.memory
        if self._held:
            late = self.hold_s < end_s
            whole, part = np.where(late, self._unheld_whole, whole), np.where(late, self._unheld_part, part)
            cpus, memory = (
                np.where(late, cpus - self._held_cpus, cpus),
                np.where(late, memory - self._held_memory, memory),
            )
        if at_once:
            whole, cpus = whole - self._awaited_whole, cpus - self._awaited_cpus
            memory = memory - self._awaited_memory
        found = self.up & (cpus >= request.cpus)
        if request.memory_bytes:
            found &= memory >= request.memory_bytes
        if request.gpu_milli >= MILLI:
            found &= whole >= -(-request.gpu_milli // MILLI)
        elif request.gpu_milli:
            found &= (part >= request.gpu_milli) | (whole > 0)
        if request.gpu:
            found &= self.kind == (self.kinds.index(request.gpu) if request.gpu in self.kinds else -1)
        elif request.gpu_milli and CORES in self.kinds:
            found &= self.kind != self.kinds.index(CORES)
        return found

    def num_with_room(self, request: Request, *, held: bool) -> int:
        """How many nodes have room for one member; also of what is held, or not."""
        if self.by_fill.most < request.gpu_milli:
            return 0
        return int(self.feasible(request, -math.inf if held else math.inf).sum())

    def has_room(self, at: int, request: Request, end_s: float = math.inf) -> bool:
        """`feasible` of one node."""
        late = at in self._held and self.hold_s[at] < end_s
        cpus = self.cpus[at] - (self._held_cpus[at] if late else 0.0)
        memory = self.memory[at] - (self._held_memory[at] if late else 0.0)
        if not (self.up[at] and cpus >= request.cpus and memory >= request.memory_bytes):
            return False
        kind = self.kinds[self.kind[at]]
        if kind != request.gpu and (request.gpu or (request.gpu_milli and kind == CORES)):
            return False
        whole, part = (self._unheld_whole, self._unheld_part) if late else (self.whole, self.part)
        if request.gpu_milli >= MILLI:
            return bool(whole[at] * MILLI >= request.gpu_milli)
        return not request.gpu_milli or bool(whole[at] or part[at] >= request.gpu_milli)

    def unheld(self, at: int, end_s: float, *, at_once: bool = False) -> list[int]:
        """Milli of each device of a node that one that ends at `end_s` may have; `at_once`: without those awaited."""
        free = self.free_milli[at]
        held = self._held.get(at)
        if held and self.hold_s[at] < end_s:
            free = [0 if device in held else milli for device, milli in enumerate(free)]
        if at_once and (num := int(self._awaited_whole[at])):
            whole = [device for device, milli in enumerate(free) if milli == MILLI]
            free = [0 if device in whole[-num:] else milli for device, milli in enumerate(free)]
        return free

    def _move(self, shares: Iterable[Share], sign: int) -> None:
        for share in shares:
            at = self.index.get(share.node)
            if at is None:
                continue
            free = self.free_milli[at]
            for device, milli in share.milli:
                if device < len(free):
                    free[device] += sign * milli
            self.cpus[at] += sign * share.cpus
            self.memory[at] += sign * share.memory_bytes
            self._count(at)

    def _count(self, at: int) -> None:
        free = self.free_milli[at]
        whole, part = _counts(free)
        fill = whole * MILLI + part
        part_before, fill_before = int(self.part[at]), int(self.fill[at])
        if part != part_before:
            self.by_part.move(at, part_before, part)
            self.part[at] = part
        if fill != fill_before:
            self.by_fill.move(at, fill_before, fill)
            self.fill[at], self.whole[at] = fill, whole
        self._unheld_whole[at], self._unheld_part[at] = whole, part
        if at in self._held:
            self._unheld_whole[at], self._unheld_part[at] = _counts(self.unheld(at, math.inf))


def _counts(free: Sequence[int]) -> tuple[int, int]:
    """Whole devices, and the most of another."""
    whole = free.count(MILLI)
    if whole == len(free):
        return whole, 0
    return whole, max([milli for milli in free if milli < MILLI], default=0)


def _numbered(names: Sequence[str], known: Sequence[str] | None = None) -> Whole:
    order = {name: number for number, name in enumerate(known or sorted(set(names)))}
    return np.array([order[name] if name or known else -1 for name in names], np.int32)
