"""Which kernels multiply matrices, and whether they do it on the units that devices have for that."""

from __future__ import annotations

import re
from dataclasses import dataclass

from drivetrain.profile.analyse.steps import begun_within
from drivetrain.profile.analyse.words import flags
from drivetrain.profile.trace import Ints, Kind, Trace

MATRIX = re.compile(
    r"gemm(?!v)|conv(?!ert|_depthwise)|wgrad|dgrad|fprop|xmma|scudnn|winograd|nvjet|matmul|flash_(fwd|bwd)|fmha|Cijk_",
    re.IGNORECASE,
)
"""Products of matrices and convolutions as cuBLAS, cuDNN, CUTLASS, Tensile and attention kernels name them. Those with
a vector, and of each channel by itself, are left out: no unit for matrices helps them."""

UNITS = re.compile(
    r"[hsi]884|[hsi]1688|[hisd]?16816|i8816|i16832|tensorop|wmma|hmma|imma|xmma|nvjet|wgmma|sm(90|100)_"
    r"|dgrad_1x1_stride_2x2|first_layer_wgrad_kernel|conv1x1|conv2d_c1_k1|direct_group|c1688"
    r"|flash_(fwd|bwd)|fmha|_MT\d+.*MI\d",
    re.IGNORECASE,
)
"""Kernels that run on tensor (or matrix) cores, by name. Source: torch-tb-profiler 0.4, `tensor_core.py`; the names of
CUTLASS, cuBLAS since Hopper (`nvjet`), flash attention and Tensile (`MI`) are added."""

_WITH_UNITS = re.compile(
    r"\b(V100|T4|A100|A800|A10G?|A2|A16|A30|A40|L4|L40S?|L20|H100|H800|H200|H20|GH200|B100|B200|GB200)\b"
    r"|RTX|TITAN (V|RTX)|\bMI(100|2\d\d|3\d\d)",
    re.IGNORECASE,
)
"""Devices that have such units: NVIDIA's since Volta but GTX, AMD's since CDNA. Source: the vendors' data sheets."""


@dataclass(frozen=True, slots=True)
class MatrixTime:
    """Durations of kernels, summed over streams.

    Attributes:
      matrix_ns: of products and convolutions.
      plain_ns: of those, by their names not on matrix units.
      has_units: whether the device that worked is known to have such units.
    """

    matrix_ns: int
    plain_ns: int
    has_units: bool


def matrix_time(trace: Trace, begin_ns: Ints, end_ns: Ints) -> MatrixTime:
    """How long matrices were multiplied, and how long of it off the units for that; told by the kernels' names.

    Kernels that begin within windows count; these do not overlap, shape (W,).
    """
    rows = begun_within(trace, trace.rows(Kind.KERNEL), begin_ns, end_ns)
    rows = rows[flags(trace, rows, MATRIX.search)]
    on_units = flags(trace, rows, UNITS.search)
    used = set(trace.device[rows].tolist())
    names = [device.name for device in trace.origin.devices if device.index in used]
    return MatrixTime(
        matrix_ns=int(trace.dur_ns[rows].sum()),
        plain_ns=int(trace.dur_ns[rows[~on_units]].sum()),
        has_units=any(has_matrix_units(name) for name in names),
    )


def has_matrix_units(device: str) -> bool:
    """Whether a device of this name is known to have units for products of matrices."""
    return _WITH_UNITS.search(device.replace("-", " ")) is not None
