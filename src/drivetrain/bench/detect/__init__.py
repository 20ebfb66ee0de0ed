"""Numbers in order -> the points where their level, or their slope, changes for good, each with how sure that is.

changes.py   what is found: levels among independent noise where these tell the series, else what no noise makes
levels.py    levels among independent noise: proposed by the cheapest fit of steps, less what chance or a curve made
segment.py   the penalised least-cost fit, with a cost that outliers do not move
chance.py    a permutation test of one point
curve.py     whether a smooth curve tells the same better
noise.py     the size of the noise and its correlation, from differences
season.py    a pattern that repeats, found and taken away
telling.py   a series as it stands or by its logarithms, told by the kind of noise that suits it
wander.py    kinds of noise: filters that leave each independent, and what steps and turns look like through them
story.py     the cheapest story of steps and turns among noise of one kind
evidence.py  which of them are needed whatever the kind of noise
tails.py     how often noise makes single large moves
series.py    numbers out of CSV and JSON files; columns.py which of their columns are measured
words.py     a change point as text
"""

from drivetrain.bench.detect.changes import FALSE_ALARMS, MIN_LENGTH, Change, changes

__all__ = ["FALSE_ALARMS", "MIN_LENGTH", "Change", "changes"]
