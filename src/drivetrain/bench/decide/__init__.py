"""Two sides of a session -> what a change did, and whether it may pass. Pure.

Life of a value: results of A and B -> pairs of samples made side by side -> a `Comparison` for each metric, with its
chance and interval -> a `CaseVerdict` for each case, all metrics together -> the gate's answer.

  sides.py     which results belong together
  ranks.py     an exact test of paired differences, and its interval
  verdicts.py  better, worse, cannot tell; pass, fail, insufficient
  words.py     verdicts as text
"""

from drivetrain.bench.decide.sides import Sides, newest_sides, sides_of
from drivetrain.bench.decide.verdicts import (
    FALSE_VERDICTS,
    SIZE,
    Answer,
    CaseVerdict,
    Comparison,
    Gate,
    compare,
    gate,
)
from drivetrain.bench.decide.words import gate_text, verdicts_text

__all__ = [
    "FALSE_VERDICTS",
    "SIZE",
    "Answer",
    "CaseVerdict",
    "Comparison",
    "Gate",
    "Sides",
    "compare",
    "gate",
    "gate_text",
    "newest_sides",
    "sides_of",
    "verdicts_text",
]
