"""What happens in a drive, told from its streams: words and numbers per frame that slices can ask for.

motion.py      poses or numbers of the vehicle -> where it is, how fast, how it turns
manoeuvres.py  motion -> stop, turn, lane change, hard brake; boxes around -> cut-in
around.py      boxes -> how many of what; image -> light
frames.py      a log and frames of it -> columns of a data set

Each threshold is stated beside its source, or as ours. All are pure functions of values.
"""

from drivetrain.data.tags.around import count_boxes, density, light
from drivetrain.data.tags.frames import COLUMNS, DriveTags, tag_frames, tag_image
from drivetrain.data.tags.manoeuvres import MANOEUVRES, cut_ins, manoeuvres
from drivetrain.data.tags.motion import Motion, motion_from_poses, motion_from_speed, motion_of

__all__ = [
    "COLUMNS",
    "MANOEUVRES",
    "DriveTags",
    "Motion",
    "count_boxes",
    "cut_ins",
    "density",
    "light",
    "manoeuvres",
    "motion_from_poses",
    "motion_from_speed",
    "motion_of",
    "tag_frames",
    "tag_image",
]
