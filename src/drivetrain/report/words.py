"""What each leaf means, for people who see the account for the first time."""

from __future__ import annotations

from collections.abc import Mapping

from drivetrain.core.leaves import Leaf

MEANING: Mapping[str, str] = {
    Leaf.EVAL: "measuring the model or profiling it, not changing it",
    Leaf.PRODUCTIVE: "steps whose work was kept",
    Leaf.SETUP: "devices held, process not started yet",
    Leaf.INIT: "process start to the first step: imports, data, communication",
    Leaf.RESTORE: "reading a checkpoint back",
    Leaf.TEARDOWN: "after the last step, until the process ends",
    Leaf.CHECKPOINT: "steps held up by writing a checkpoint",
    Leaf.COMPILE: "compiling the model",
    Leaf.DATA_WAIT: "the next batch was not there yet",
    Leaf.COMM_WAIT: "waiting for other ranks",
    Leaf.HANG: "no progress, from the last sign of life on",
    Leaf.LOST: "steps that had to be done again after a failure",
    Leaf.SKIPPED: "steps whose update was thrown away",
    Leaf.DOWN: "devices held, process ended",
    Leaf.UNKNOWN: "no record says what happened",
}

PROMISE = {"bitwise": "bitwise the same weights", "samples": "the same samples at every step"}
"""What a run resumed from a checkpoint has with one that never stopped, by tier."""
