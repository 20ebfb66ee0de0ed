"""Views changed in ways that keep geometry true: what falls on a pixel goes on falling on what it showed.

view.py           View: image, labels, points, boxes, pose and intrinsics of one moment
compose.py        Op, and Sequence, OneOf, Maybe of them
crop.py resize.py flip.py roll.py       move pixels, and pose, intrinsics and world with them
turn_world.py     moves the world under the camera
photometric.py noise.py blur.py         change the image alone
fog.py rain.py point_dropout.py         change image and points, or points alone; veil.py what fog and rain share
cut_mix.py sector_mix.py                put part of one view into another
keyed.py          samples -> views and back; the generator of a sample

The life of a value: sample's parts and columns -> View -> Op(view, generator of (seed, epoch, sample)) -> View -> parts
"""

from drivetrain.data.augment.blur import Blur
from drivetrain.data.augment.compose import Maybe, OneOf, Op, Sequence
from drivetrain.data.augment.crop import Crop
from drivetrain.data.augment.cut_mix import CutMix
from drivetrain.data.augment.flip import Flip
from drivetrain.data.augment.fog import Fog
from drivetrain.data.augment.keyed import Augmentation, generator, parts_of, view_of
from drivetrain.data.augment.noise import Noise
from drivetrain.data.augment.photometric import Photometric
from drivetrain.data.augment.point_dropout import PointDropout
from drivetrain.data.augment.rain import Rain
from drivetrain.data.augment.resize import Resize
from drivetrain.data.augment.roll import Roll
from drivetrain.data.augment.sector_mix import SectorMix
from drivetrain.data.augment.turn_world import TurnWorld
from drivetrain.data.augment.view import View

__all__ = [
    "Augmentation",
    "Blur",
    "Crop",
    "CutMix",
    "Flip",
    "Fog",
    "Maybe",
    "Noise",
    "OneOf",
    "Op",
    "Photometric",
    "PointDropout",
    "Rain",
    "Resize",
    "Roll",
    "SectorMix",
    "Sequence",
    "TurnWorld",
    "View",
    "generator",
    "parts_of",
    "view_of",
]
