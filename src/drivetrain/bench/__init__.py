"""Measures training against itself: short paired trials of a recipe as it is and with one thing changed.

Life of a value: a recipe and a change (`core.trials.Trial`) -> a trial in fresh processes, told through the environment
-> its journals -> `Measured` -> pairs from the same seeds -> a `Comparison` with intervals -> a verdict. What joins
training with measuring lives here, so that neither knows the other; this room imports no torch.

  candidates.py  which changes apply to a recipe on a machine, and why others do not (pure)
  trials.py      one trial: run, measured, or failed with its last words
  measure.py     a trial's journals -> step time, losses, memory (pure)
  stats.py       warm-up found, Student's intervals, ratios (pure)
  compare.py     pairs -> what a change does, and the verdict (pure)
  contest.py     trials in mirrored blocks, until the time is up
  tune.py        the optimisation shelf
  rivalry.py     optimizers after equal steps and equal time
  text.py        both as text

Of any code, not of training alone:
  suites/        cases, each sample in a fresh process -> results.py: what a case gave, as a line of JSON
  decide/        two sides of a session -> what a change did, and whether it may pass (pure)
  history/       results of all sessions, appended and never changed
  detect/        where the level of a series of numbers changes (pure)
  values.py      numbers with their units, for people
"""

from drivetrain.bench.compare import Comparison, compare, judge
from drivetrain.bench.rivalry import Arena, Contender, Rivalry
from drivetrain.bench.stats import Interval
from drivetrain.bench.text import rivalry_text, tuning_text
from drivetrain.bench.trials import Recipe, StoppedError, Trials
from drivetrain.bench.tune import Tuner, Tuning, look_at_machine

__all__ = [
    "Arena",
    "Comparison",
    "Contender",
    "Interval",
    "Recipe",
    "Rivalry",
    "StoppedError",
    "Trials",
    "Tuner",
    "Tuning",
    "compare",
    "judge",
    "look_at_machine",
    "rivalry_text",
    "tuning_text",
]
