"""The most that accelerators can do: arithmetic by type of number, and bandwidth of their memory, from datasheets.

All figures are for dense arithmetic. Vendors also print some for "structured sparsity", twice as high; they are not
used here, since no model computes so that was not pruned for it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Peak:
    """What one accelerator can do at most.

    Attributes:
      name: as people call it.
      memory_bytes_per_s: bandwidth of its memory.
      source: the datasheet.
      tera_flops_per_s: dense, in the order of `DTYPES`; None where the datasheet says nothing.
    """

    name: str
    memory_bytes_per_s: float
    source: str
    tera_flops_per_s: tuple[float | None, ...]

    def flops_per_s(self, dtype: str) -> float | None:
        """Dense arithmetic on numbers of this type, one of `DTYPES`; None where it is not known."""
        rate = self.tera_flops_per_s[DTYPES.index(dtype)] if dtype in DTYPES else None
        return None if rate is None else rate * 1e12


DTYPES = ("float64", "float32", "tf32", "bfloat16", "float16", "float8", "int8")

_HALF = "the dense half of the sparse figures"

# fmt: off
_TABLE = (
    # name in the driver           name            TB/s    FP64   FP32   TF32   BF16    FP16    FP8     INT8
    (r"\bB200\b",              "B200",          8.0,   (37.0,  75.0,  1125.0, 2250.0, 2250.0, 4500.0, 4500.0),
     f"NVIDIA HGX B200 specifications, an eighth of the board, {_HALF}"),
    (r"\bH200\b(?!.*NVL)",     "H200 SXM",      4.8,   (67.0,  67.0,  494.7, 989.4,  989.4,  1978.9, 1978.9),
     f"NVIDIA H200 datasheet, {_HALF}"),
    (r"\bH100 PCIe\b",         "H100 PCIe",     2.0,   (51.2,  51.2,  378.0, 756.0,  756.0,  1513.0, 1513.0),
     f"NVIDIA H100 datasheet of 2022, {_HALF}"),
    (r"\bH100\b(?!.*NVL)",     "H100 SXM",      3.35,  (66.9,  66.9,  494.7, 989.4,  989.4,  1978.9, 1978.9),
     f"NVIDIA H100 datasheet, {_HALF}"),
    (r"\bA100 80GB PCIe\b",    "A100 PCIe 80",  1.935, (19.5,  19.5,  156.0, 312.0,  312.0,  None,   624.0),
     "NVIDIA A100 datasheet"),
    (r"\bA100\b.*80GB\b",      "A100 SXM 80",   2.039, (19.5,  19.5,  156.0, 312.0,  312.0,  None,   624.0),
     "NVIDIA A100 datasheet"),
    (r"\bA100\b",              "A100 40",       1.555, (19.5,  19.5,  156.0, 312.0,  312.0,  None,   624.0),
     "NVIDIA A100 datasheet"),
    (r"\bA10\b",               "A10",           0.6,   (None,  31.2,  62.5,  125.0,  125.0,  None,   250.0),
     "NVIDIA A10 datasheet"),
    (r"\bL40S\b",              "L40S",          0.864, (None,  91.6,  183.0, 362.05, 362.05, 733.0,  733.0),
     "NVIDIA L40S datasheet"),
    (r"\bL4\b",                "L4",            0.3,   (None,  30.3,  60.0,  121.0,  121.0,  242.5,  242.5),
     f"NVIDIA L4 datasheet, {_HALF}"),
    (r"\bV100\b.*(SXM|DGXS)",  "V100 SXM2",     0.9,   (7.8,   15.7,  None,  None,   125.0,  None,   None),
     "NVIDIA V100 datasheet"),
    (r"\bV100\b",              "V100 PCIe",     0.9,   (7.0,   14.0,  None,  None,   112.0,  None,   None),
     "NVIDIA V100 datasheet"),
    (r"\bT4\b",                "T4",            0.32,  (None,  8.1,   None,  None,   65.0,   None,   130.0),
     "NVIDIA T4 datasheet"),
    (r"\bMI300X\b",            "MI300X",        5.3,   (163.4, 163.4, 653.7, 1307.4, 1307.4, 2614.9, 2614.9),
     "AMD Instinct MI300X datasheet, matrix figures"),
    (r"\bMI250X\b",            "MI250X, a die", 1.638, (47.85, 47.85, None,  191.5,  191.5,  None,   191.5),
     "AMD Instinct MI250X datasheet, matrix figures, half of the package: each die is a device"),
)
# fmt: on
"""The first pattern that is found in the name counts; where in doubt which variant it is, the faster one."""


def peak_of(device: str) -> Peak | None:
    """What this device can do at most; None where it is not in the table: then it has to be measured.

    Args:
      device: its name as the driver tells it, such as `NVIDIA H100 80GB HBM3`.
    """
    for pattern, name, memory_tb_per_s, rates, source in _TABLE:
        if re.search(pattern, device):
            return Peak(name, memory_tb_per_s * 1e12, source, rates)
    return None
