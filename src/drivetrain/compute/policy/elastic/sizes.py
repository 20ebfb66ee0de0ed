"""The sizes that a policy chooses among."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from drivetrain.compute.policy.elastic.values import Cluster

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@lru_cache(maxsize=64)
def sizes_of(cluster: Cluster) -> Ints:
    """GPUs a job may get: none, powers of two within a node, whole nodes; ascending, int64 [S]."""
    within = [2**k for k in range(cluster.gpus_per_node.bit_length()) if 2**k < cluster.gpus_per_node]
    whole = [n * cluster.gpus_per_node for n in range(1, cluster.num_nodes + 1)]
    sizes_S = np.array([0, *within, *whole], dtype=np.int64)
    sizes_S.setflags(write=False)
    return sizes_S
