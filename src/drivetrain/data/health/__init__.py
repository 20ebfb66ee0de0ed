"""What is wrong with a log, before anything is made of it: a verdict for each check, with the evidence.

run.py          check: all of the below, in order
regularity.py   rate, jitter, gaps, drops, repeats, time going backwards, streams that come late or leave early; grid.py
                the period where most messages are missing, or stamps jitter much
offset.py       how a lidar's stamps lie to a camera's
motion.py       how the vehicle moved, as each stream tells it; lag.py when two of them say the same; clocks.py which
                clock is late, and which runs away
numbers.py      poses and scalars: finite, possible, changing
looks.py        a few frames and sweeps, read once; content.py readable, changing, exposed, full
calibration.py  a camera's numbers; alignment.py whether points fall where the camera sees them;
                focal.py whether its focal length is why they do not
labels.py       boxes against points, classes through time
thresholds.py   from where on something is wrong
findings.py     verdicts; report.py all of them as a value and as text; page.py as a page with pictures
"""

from drivetrain.data.health.findings import Finding, Verdict
from drivetrain.data.health.offset import Offset
from drivetrain.data.health.regularity import StreamHealth
from drivetrain.data.health.report import HealthReport, health_table
from drivetrain.data.health.run import check
from drivetrain.data.health.thresholds import Thresholds, load_thresholds

__all__ = [
    "Finding",
    "HealthReport",
    "Offset",
    "StreamHealth",
    "Thresholds",
    "Verdict",
    "check",
    "health_table",
    "load_thresholds",
]
