"""How much of what is free the typical shapes cannot use."""

from __future__ import annotations

from drivetrain.compute.compiled import compiled
from drivetrain.compute.policy.packing.kernels.state import Array, Free, Shapes, fits


@compiled
def fragment(typical: Shapes, frequency: Array, free: Free, node: int) -> float:
    """Milli that are of no use to a shape drawn from the typical ones, expected.

    Args:
      typical: the shapes, [K].
      frequency: of each; float64 [K], 1 in all.
    Source: FGD (ATC'23), as its simulator computes it (`NodeGpuShareFragAmount`): all that is free where the shape does
      not fit, else what lies on devices with less than it asks of each.
    """
    total = free.gpu[node].sum()
    if total == 0:
        return 0.0
    lost = 0.0
    for k in range(len(frequency)):
        if typical.num_gpus[k] > 0 and fits(typical, free, k, node):
            for device in range(free.gpu.shape[1]):
                if free.gpu[node, device] < typical.milli[k]:
                    lost += frequency[k] * free.gpu[node, device]
        else:
            lost += frequency[k] * total
    return lost


@compiled
def copies_fragment(typical: Shapes, frequency: Array, free: Free, node: int) -> float:
    """Milli that are left over when a node is filled with copies of one typical shape, expected.

    Unlike `fragment` it sees that the cores of a node run out before its devices do.
    """
    total = free.gpu[node].sum()
    if total == 0:
        return 0.0
    lost = 0.0
    for k in range(len(frequency)):
        lost += frequency[k] * (total - _used(typical, free, k, node))
    return lost


@compiled
def _used(typical: Shapes, free: Free, k: int, node: int) -> int:
    """Milli that copies of one shape could use."""
    wanted, milli = typical.num_gpus[k], typical.milli[k]
    if wanted == 0 or not typical.allowed[k, free.model[node]]:
        return 0
    slots = 0
    for device in range(free.gpu.shape[1]):
        if wanted == 1:
            slots += free.gpu[node, device] // milli
        elif free.gpu[node, device] >= milli:
            slots += 1
    copies = slots // wanted
    if typical.cpu[k] > 0:
        copies = min(copies, free.cpu[node] // typical.cpu[k])
    if typical.memory[k] > 0:
        copies = min(copies, free.memory[node] // typical.memory[k])
    used: int = copies * wanted * milli
    return used
