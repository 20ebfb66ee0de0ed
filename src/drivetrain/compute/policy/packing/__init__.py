"""Which node and which of its devices a placement gets, so that what stays free can still be used.

Life of a value: machines, shapes and events -> arrays -> `kernels.run` -> a `Placement` for each arrival. A rule sees
what is asked for in general (`Rule.learn`), never what comes next.

words.py    machines, shapes, placements
rules.py    the rules by name: `priced` (ours), `fgd`, `best-fit`, `random`
typical.py  the shapes that are asked for most often
prices.py   what a free slice of a device is worth: a linear program
arrays.py   values -> arrays
pack.py     the pure function
kernels/    the same as machine code
"""

from drivetrain.compute.policy.packing.rules import RULES, Rule, rule_named
from drivetrain.compute.policy.packing.words import MOST_GPUS, WHOLE, Machine, Placement, Shape

__all__ = ["MOST_GPUS", "RULES", "WHOLE", "Machine", "Placement", "Rule", "Shape", "rule_named"]
