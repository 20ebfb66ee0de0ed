"""Memory over time by device, and who holds it at its peak."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drivetrain.profile.analyse.blocks import Blocks, blocks_of
from drivetrain.profile.analyse.host_steps import host_steps
from drivetrain.profile.analyse.links import Rows
from drivetrain.profile.analyse.names import is_named
from drivetrain.profile.analyse.operators import HostTree, host_tree
from drivetrain.profile.analyse.pieces import Pieces, innermost
from drivetrain.profile.analyse.spans import Phase, phase_of, phase_pieces
from drivetrain.profile.trace import NONE, Indices, Ints, Trace


class Category(enum.StrEnum):
    """What memory is for, as far as who allocated it, and when it was freed, tell.

    A block is `temporary` if it was freed in the stretch of forward, backward, optimizer or else that allocated it.
    """

    EARLIER = "held before"  # allocated before the trace begins: parameters and the optimizer's state are, as a rule
    PARAMETERS = "parameters"  # allocated outside all steps and never freed
    GRADIENTS = "gradients"  # allocated in backward and kept
    OPTIMIZER = "optimizer"  # allocated by the optimizer and kept
    ACTIVATIONS = "activations"  # allocated in forward and kept
    TEMPORARY = "temporary"
    OTHER = "other"  # batches, metrics, whatever is allocated elsewhere and kept
    UNSEEN = "unseen"  # less than 0: blocks that count here though their end was not recorded


@dataclass(frozen=True, slots=True)
class MemoryOwner:
    """A share of the memory that was held at the peak.

    Attributes:
      operator: innermost one that allocated it; empty for none or not known.
    """

    category: Category
    operator: str
    num_blocks: int
    size_bytes: int


@dataclass(frozen=True, slots=True, eq=False)
class DeviceMemory:
    """The memory of one device, or of the host.

    Attributes:
      device: index of the accelerator, NONE for the host.
      ts_ns, held_bytes: after each change; shape (M,).
      is_whole: the allocator told totals; else what was held before the trace, and not freed in it, is missing.
      peak_bytes, peak_ns: the most that was held, and when first.
      owners: at the peak, largest first; they sum to `peak_bytes`; empty where the trace tells no addresses.
    """

    device: int
    ts_ns: Ints
    held_bytes: Ints
    is_whole: bool
    peak_bytes: int
    peak_ns: int
    owners: tuple[MemoryOwner, ...]


def memory(trace: Trace, *, tree: HostTree | None = None) -> tuple[DeviceMemory, ...]:
    """Timeline and peak of each device that the trace tells of, the host first.

    Source: `[memory]` of Kineto (`profile_memory`). Categories are after those of torch's memory profiler (`Category`
    in `torch.profiler._memory_profiler`), which has the tensors themselves to look at; here spans have to tell.
    """
    changes = trace.memory
    if not len(changes.ts_ns):
        return ()
    tree = tree or host_tree(trace)
    allocated = _Allocated(trace, tree)
    return tuple(
        _of_device(trace, np.flatnonzero(changes.device == device), allocated)
        for device in np.unique(changes.device).tolist()
    )


def _of_device(trace: Trace, rows: Rows, allocated: _Allocated) -> DeviceMemory:
    changes = trace.memory
    blocks = blocks_of(changes, rows)
    totals = changes.total_bytes[rows]
    is_whole = bool((totals != NONE).all() and totals.any())
    held = totals if is_whole else blocks.earlier_bytes + np.cumsum(changes.size_bytes[rows])
    peak = int(np.argmax(held))
    live = blocks.live_after(peak)
    owners = _owners(trace, rows, blocks, live, allocated)
    rest = int(held[peak]) - sum(owner.size_bytes for owner in owners)
    if len(blocks.size_bytes) and rest:
        owners.append(MemoryOwner(Category.EARLIER if rest > 0 else Category.UNSEEN, "", 0, rest))
    return DeviceMemory(
        device=int(changes.device[rows[0]]),
        ts_ns=changes.ts_ns[rows],
        held_bytes=held,
        is_whole=is_whole,
        peak_bytes=int(held[peak]),
        peak_ns=int(changes.ts_ns[rows[peak]]),
        owners=tuple(sorted(owners, key=lambda owner: (-owner.size_bytes, owner.category, owner.operator))),
    )


_ALLOCATES = r"^aten::(new_)?(empty|zeros|ones|full|resize)(_like|_strided|_)?$"


class _Allocated:
    """Who allocated at a time: made once for all devices."""

    def __init__(self, trace: Trace, tree: HostTree) -> None:
        self._trace = trace
        self._tree = tree
        steps = host_steps(trace)
        self._steps = steps.pieces()
        phases = phase_pieces(trace, tree.nesting, steps)
        owner = phase_of(phases.owner)
        self._phases = Pieces(phases.edges_ns, owner)
        self._runs = Pieces(phases.edges_ns, np.cumsum(np.diff(owner, prepend=NONE) != 0).astype(np.int32))

    def category(self, begin_ns: Ints, end_ns: Ints, is_freed: npt.NDArray[np.bool_]) -> list[Category]:
        """Of blocks by when they were allocated and freed; shape (B,) each."""
        phase = phase_of(self._phases.at(begin_ns))
        briefly = is_freed & (self._runs.at(begin_ns) == self._runs.at(end_ns))
        early = ~is_freed & (self._steps.at(begin_ns) == NONE) & bool(len(self._steps.owner))
        return [
            Category.TEMPORARY if brief else _KEPT.get(Phase(own), Category.PARAMETERS if before else Category.OTHER)
            for brief, own, before in zip(briefly.tolist(), phase.tolist(), early.tolist(), strict=True)
        ]

    def operator(self, threads: Indices, times_ns: Ints) -> Indices:
        """Names of the operators that allocated on these threads at these times, NONE for none; shape (B,).

        The innermost that does more than allocate; `aten::empty` and the like where there is no other.
        """
        trace, nesting = self._trace, self._tree.nesting
        only_allocates = self._tree.operator & is_named(trace, _ALLOCATES)
        own = np.full(len(trace), NONE)
        for wanted in (only_allocates, self._tree.operator & ~only_allocates):  # the better one is written last
            inside = np.where(wanted, np.arange(len(trace)), nesting.enclosing(wanted))
            own = np.where(inside == NONE, own, inside)
        named = np.append(np.where(own == NONE, NONE, trace.name[own]), NONE)
        found = np.full(len(threads), NONE, np.int32)
        for thread in np.unique(threads).tolist():
            here = threads == thread
            found[here] = named[innermost(trace, nesting, nesting.of_thread(trace, thread)).at(times_ns[here])]
        return found


_KEPT = {
    Phase.FORWARD: Category.ACTIVATIONS,
    Phase.BACKWARD: Category.GRADIENTS,
    Phase.OPTIMIZER: Category.OPTIMIZER,
}


def _owners(trace: Trace, rows: Rows, blocks: Blocks, live: Rows, allocated: _Allocated) -> list[MemoryOwner]:
    """Owners of the blocks that are alive, without those that nothing is known of."""
    begin, end = blocks.begin[live], blocks.end[live]
    seen, is_freed = begin != NONE, end != NONE
    times = np.append(trace.memory.ts_ns[rows], 0)
    category = allocated.category(times[begin], times[end], is_freed)
    operator = allocated.operator(trace.memory.thread[rows[begin]], times[begin])
    sums: dict[tuple[Category, str], list[int]] = {}
    for own, name, known, size in zip(
        category, operator.tolist(), seen.tolist(), blocks.size_bytes[live].tolist(), strict=True
    ):
        named = trace.names[name] if known and name != NONE else ""
        total = sums.setdefault((own if known else Category.EARLIER, named), [0, 0])
        total[0] += 1
        total[1] += size
    return [MemoryOwner(own, name, num, size) for (own, name), (num, size) in sums.items()]
