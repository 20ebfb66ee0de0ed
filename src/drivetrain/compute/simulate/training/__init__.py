"""Elastic training jobs on a virtual clock, by the rules of Pollux's published simulator.

workload.py    which jobs come when
profiles.py    what was measured of an application
job.py         how far a job is, and what its agent measures
conditions.py  what the played cluster is like
account.py     what the fleet's ledger is told of it
play.py        the clock, decisions, and what came of it
tables.py      CSV
"""

from drivetrain.compute.simulate.training.conditions import Conditions
from drivetrain.compute.simulate.training.play import Outcome, play, read_profiles
from drivetrain.compute.simulate.training.workload import Submitted, read_workload

__all__ = ["Conditions", "Outcome", "Submitted", "play", "read_profiles", "read_workload"]
