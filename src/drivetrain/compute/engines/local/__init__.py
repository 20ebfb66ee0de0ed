"""Processes of this machine as an engine: each node of its pool is a number of cores or of accelerators."""

from drivetrain.compute.engines.local.engine import LocalEngine

__all__ = ["LocalEngine"]
