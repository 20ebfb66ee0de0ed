"""Drivetrain takes a self-driving team from drive logs to a model in the car, and accounts for every device-second.

The names below are the whole public surface; each loads the room it lives in on first use, so that `import drivetrain`
costs milliseconds and loads neither torch, numpy nor pyarrow. By habit: `import drivetrain as dt`.
"""

from __future__ import annotations

TYPE_CHECKING = (
    False  # as type checkers know it; `typing` itself takes some milliseconds, which short commands have not
)
if TYPE_CHECKING:
    from drivetrain import data as data
    from drivetrain.core.errors import DrivetrainError as DrivetrainError
    from drivetrain.ledger import Account as Account
    from drivetrain.ledger import account as account
    from drivetrain.ledger import phase as phase
    from drivetrain.server.submitting import Job as Job
    from drivetrain.train import Anomaly as Anomaly
    from drivetrain.train import Callback as Callback
    from drivetrain.train import Checkpoint as Checkpoint
    from drivetrain.train import EarlyStop as EarlyStop
    from drivetrain.train import Fitted as Fitted
    from drivetrain.train import Fsdp as Fsdp
    from drivetrain.train import HuggingFaceCallback as HuggingFaceCallback
    from drivetrain.train import LightningCallback as LightningCallback
    from drivetrain.train import Run as Run
    from drivetrain.train import fit as fit
    from drivetrain.train import step_done as step_done

__version__ = "0.1.0"

_HOMES = {
    "Account": "drivetrain.ledger",
    "Anomaly": "drivetrain.train",
    "Callback": "drivetrain.train",
    "Checkpoint": "drivetrain.train",
    "DrivetrainError": "drivetrain.core.errors",
    "EarlyStop": "drivetrain.train",
    "Fitted": "drivetrain.train",
    "Fsdp": "drivetrain.train",
    "HuggingFaceCallback": "drivetrain.train",
    "Job": "drivetrain.server.submitting",
    "LightningCallback": "drivetrain.train",
    "Run": "drivetrain.train",
    "account": "drivetrain.ledger",
    "fit": "drivetrain.train",
    "phase": "drivetrain.ledger",
    "step_done": "drivetrain.train",
}
_ROOMS = ("data",)

__all__ = [
    "Account",
    "Anomaly",
    "Callback",
    "Checkpoint",
    "DrivetrainError",
    "EarlyStop",
    "Fitted",
    "Fsdp",
    "HuggingFaceCallback",
    "Job",
    "LightningCallback",
    "Run",
    "account",
    "data",
    "fit",
    "phase",
    "step_done",
]


def __getattr__(name: str) -> object:
    """Load a public name from its room on first use."""
    import importlib

    if name in _ROOMS:
        return importlib.import_module(f"drivetrain.{name}")
    if name in _HOMES:
        value: object = getattr(importlib.import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'drivetrain' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
