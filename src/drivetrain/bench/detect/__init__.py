"""Numbers in order -> the points where their level changes for good, each with how sure that is.

changes.py  the procedure: propose by the cheapest fit of steps, take away what chance or a curve could have made
segment.py  the penalised least-cost fit, with a cost that outliers do not move
chance.py   a permutation test of one point
curve.py    whether a smooth curve tells the same better
noise.py    the size of the noise and its correlation, from differences
series.py   numbers out of CSV and JSON files
words.py    a change point as text
"""

from drivetrain.bench.detect.changes import FALSE_ALARMS, MIN_LENGTH, Change, changes

__all__ = ["FALSE_ALARMS", "MIN_LENGTH", "Change", "changes"]
