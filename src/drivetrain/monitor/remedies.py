"""What each loss is called in a sentence, and what to change about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from drivetrain.core.leaves import Leaf


@dataclass(frozen=True, slots=True)
class Remedy:
    """The words for one leaf.

    Attributes:
      went_to: ends the sentence "so much of the allocated time ...".
      change: what to do, as an order.
      from_pct: share of allocated time from which it is worth a reader's attention.
    """

    went_to: str
    change: str
    from_pct: float = 2.0


RUIN_CHANGE = "Train with `dt.Run(anomaly=dt.Anomaly())`, which skips such steps and names their samples."

REMEDIES: Mapping[str, Remedy] = {
    Leaf.UNKNOWN: Remedy(
        "is explained by no record",
        "Wrap what the program does outside `run.steps` in `with dt.phase(...)`, so that the time gets a name.",
        from_pct=1.0,
    ),
    Leaf.HANG: Remedy(
        "passed without any progress before a hang was noticed",
        "Lower the time after which a rank without progress is restarted, and look at what the rank was waiting for.",
        from_pct=0.1,
    ),
    Leaf.LOST: Remedy("was lost to work that had to be redone", "Checkpoint more often.", from_pct=1.0),
    Leaf.DOWN: Remedy(
        "passed with devices held and no process running on them",
        "Mend what ends the ranks; start them with `drivetrain run`, if you do not yet, which forks a failed one anew; "
        "give devices back when a run has ended.",
        from_pct=1.0,
    ),
    Leaf.SKIPPED: Remedy(
        "went to steps whose update was thrown away",
        "Look at the samples and the gradient norm of the skipped steps; lower the learning rate or clip harder.",
        from_pct=1.0,
    ),
    Leaf.DATA_WAIT: Remedy(
        "was spent waiting for data",
        "Give the loader more threads or a larger prefetch, or store samples nearer to the size the model takes.",
    ),
    Leaf.COMM_WAIT: Remedy(
        "was spent waiting for other ranks",
        "Even out the work of the ranks, and overlap communication with the backward pass.",
    ),
    Leaf.CHECKPOINT: Remedy(
        "was spent saving checkpoints", "Save less often, and without `wait=True`, so that only a copy is waited for."
    ),
    Leaf.RESTORE: Remedy(
        "was spent reading checkpoints back", "Keep the latest checkpoint on a disk of the node itself."
    ),
    Leaf.COMPILE: Remedy(
        "was spent compiling", "Keep the compiler's cache between attempts, and the shapes of batches fixed."
    ),
    Leaf.INIT: Remedy(
        "was spent starting up, before the first step",
        "Import less and open data lazily before the first step. Each attempt pays it once: longer runs dilute it.",
        from_pct=5.0,
    ),
    Leaf.SETUP: Remedy(
        "passed between getting the devices and starting a process on them",
        "Do what needs no device before asking for one: fetch images, stage data, import.",
    ),
    Leaf.TEARDOWN: Remedy(
        "was spent ending, after the last step", "Move what needs no accelerator to after the devices are given back."
    ),
    Leaf.EVAL: Remedy(
        "was spent evaluating", "Evaluate less often, or on fewer frames until the last time.", from_pct=10.0
    ),
}
"""For every leaf but `productive`."""
