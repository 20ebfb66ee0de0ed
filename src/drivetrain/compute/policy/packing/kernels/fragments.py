"""How much of what is free the typical shapes cannot use."""

from __future__ import annotations

from drivetrain.compute.compiled import compiled
from drivetrain.compute.policy.packing.kernels.state import Array, Free, Shapes, fits


@compiled
def fragment(typical: Shapes, frequency: Array, free: Free, node: int) -> float:
    """Milli of a node that are of no use to a shape drawn from the typical ones, expected.

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
def fragments(typical: Shapes, frequency: Array, free: Free) -> float:
    """The same of all nodes together."""
    lost = 0.0
    for node in range(len(free.cpu)):
        lost += fragment(typical, frequency, free, node)
    return lost
