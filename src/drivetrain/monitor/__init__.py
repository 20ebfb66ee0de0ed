"""Reads a run's account and says what to do about its losses; loads no torch.

evidence.py    what an account does not hold: deaths, checkpoints, hangs
remedies.py   the words for each loss, and the share from which it is told
diagnose.py   account and evidence -> findings, the largest first
"""

from drivetrain.monitor.diagnose import Finding, findings
from drivetrain.monitor.evidence import Death, Evidence, evidence_of

__all__ = ["Death", "Evidence", "Finding", "evidence_of", "findings"]
