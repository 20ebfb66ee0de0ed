"""From when a loss is told: one place, each with its reason. None comes from a particular trace."""

from __future__ import annotations

MOST_FINDINGS = 5
"""A reader acts on one or two; past five it is a table, and tables are below."""

WORTH_TELLING = 0.05
"""Share of the step. Means of a few steps repeat to some percent, so that nobody could verify a smaller gain."""

WORTH_AN_ARGUMENT = 0.01
"""Share of the step for what one argument mends (`pin_memory=True`): little effort may bring little."""

SHORT_KERNEL_NS = 10_000
"""A launch takes some 5 us of the host, and more under a profiler: kernels below twice that outrun it."""

MOSTLY_SHORT = 0.5
"""Share of kernels below that from which it is their number that matters, and not what Python does between them."""

UNEVEN_STEPS = 0.10
"""Share of all step time by which steps exceed their median: beyond what clocks and caches make them differ."""

SHARE_OF_PLAIN_MATRIX = 0.10
"""Share of the step in matrix kernels off the matrix units, from which another precision is worth its trial."""

PLAIN_MATRIX_LOSS = 0.5
"""Of their time, what ranking takes as lost. Vendors' tables promise factors of 8 and more; published training runs in
mixed precision gain 1.5 to 3 (Micikevicius et al., "Mixed precision training", ICLR 2018, and NVIDIA's tables)."""

NEARLY_FULL = 0.8
"""Share of a device's memory from which the peak stands in the way of a larger batch: fragments and the context take
the rest."""

MOSTLY_COMPUTE = 0.5
"""Share of the step from which what is computed, and not what is waited for, decides its length."""
