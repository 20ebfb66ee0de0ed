"""The sizes that a policy chooses among."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from drivetrain.compute.policy.elastic.values import Cluster

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


FINE = 16
"""So many whole nodes are told apart; beyond, sizes that differ by less than a node in so many are not."""


@lru_cache(maxsize=64)
def sizes_of(cluster: Cluster) -> Ints:
    """GPUs a job may get: none, powers of two within a node, whole nodes; ascending, int64 [S], never very many."""
    sizes = [0, *(2**k for k in range(cluster.gpus_per_node.bit_length()) if 2**k < cluster.gpus_per_node)]
    num_nodes = 1
    while num_nodes <= cluster.num_nodes:
        sizes.append(num_nodes * cluster.gpus_per_node)
        num_nodes += max(1, num_nodes // FINE)
    sizes_S = np.array(sizes, dtype=np.int64)
    sizes_S.setflags(write=False)
    return sizes_S
