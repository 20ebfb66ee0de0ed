"""Jobs of a Slurm cluster as an engine: we choose the nodes, Slurm starts, watches and stops."""

from drivetrain.compute.engines.slurm.engine import SlurmEngine

__all__ = ["SlurmEngine"]
