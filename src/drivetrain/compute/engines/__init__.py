"""Where jobs run: each engine starts agents on nodes, says which live, and has them leave.

protocol.py  what an engine can do, and the exact request made of it
surroundings.py  which variables of the server agents see
local/       processes of this machine
slurm/       jobs of a Slurm cluster
fake.py      no machines: for tests and trials
"""

from drivetrain.compute.engines.protocol import CannotStartError, Ending, Engine, StartRequest

__all__ = ["CannotStartError", "Ending", "Engine", "StartRequest"]
