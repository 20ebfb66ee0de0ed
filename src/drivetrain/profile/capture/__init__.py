"""Steps of a running rank -> files; the only part of `profile` that needs torch.

Life of a capture: a loop makes a `Capture` for a row of steps -> the step before them warms the profiler up and counts
the model's arithmetic -> their operators and kernels are recorded, with our phases as annotations -> a thread writes
the files, whole or not at all, while training goes on, and at last `store.captures.Captured`.

  capture.py      the states between the first step and the last
  recording.py    all that is on while steps are recorded
  annotations.py  names for steps and phases, as readers look for them
  modules.py      names for what each module's forward does
  program.py      the model's FLOPs per step, and the device's peak
  stacks.py       what all Python threads do, sampled
  pace.py         what steps took before
  files.py        everything that is written
"""

from drivetrain.profile.capture.capture import Capture

__all__ = ["Capture"]
