"""Measures training against itself: short paired trials of a recipe as it is and with one thing changed.

Life of a value: a recipe and a change (`core.trials.Trial`) -> a trial in fresh processes, told through the environment
-> its journals -> `Measured` -> pairs from the same seeds -> a `Comparison` with intervals -> a verdict. What joins
training with measuring lives here, so that neither knows the other; this room imports no torch, and help of its
verbs waits for none of it: each name loads its file at first use.

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

from __future__ import annotations

from drivetrain.core.lazily import lazily

TYPE_CHECKING = False
if TYPE_CHECKING:
    from drivetrain.bench.rivalry import Arena as Arena
    from drivetrain.bench.rivalry import Contender as Contender
    from drivetrain.bench.rivalry import Rivalry as Rivalry
    from drivetrain.bench.text import rivalry_text as rivalry_text
    from drivetrain.bench.text import tuning_text as tuning_text
    from drivetrain.bench.trials import Recipe as Recipe
    from drivetrain.bench.trials import StoppedError as StoppedError
    from drivetrain.bench.trials import Trials as Trials
    from drivetrain.bench.tune import Tuner as Tuner
    from drivetrain.bench.tune import Tuning as Tuning
    from drivetrain.bench.tune import look_at_machine as look_at_machine

__getattr__ = lazily(
    __name__,
    {
        "Arena": "rivalry",
        "Contender": "rivalry",
        "Rivalry": "rivalry",
        "rivalry_text": "text",
        "tuning_text": "text",
        "Recipe": "trials",
        "StoppedError": "trials",
        "Trials": "trials",
        "Tuner": "tune",
        "Tuning": "tune",
        "look_at_machine": "tune",
    },
)

__all__ = [
    "Arena",
    "Contender",
    "Recipe",
    "Rivalry",
    "StoppedError",
    "Trials",
    "Tuner",
    "Tuning",
    "look_at_machine",
    "rivalry_text",
    "tuning_text",
]
