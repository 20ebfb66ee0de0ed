"""Eight groups of things that matter to driving, which source classes make them up, and their colours in pictures.

Sources are merged by class name, never by number: numbers differ between releases of one data set.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from drivetrain.data.arrays import Bytes

CLASSES = ("road", "lane marking", "sidewalk", "vegetation", "vehicle", "person", "building", "object")
UNLABELLED = 255
"""The label of a pixel nobody looked at, and of classes that are no thing (smoke, reflections)."""

_MEMBERS = {
    "road": "road, flat.driveable_surface",
    "lane marking": "lane marking, lane line marking, stop line marking, other road marking",
    "sidewalk": "sidewalk, driveway, kerb, flat.sidewalk",
    "vegetation": "vegetation, ground, flat.terrain, static.vegetation",
    "vehicle": "vehicle, car, pickup truck, medium-sized truck, semi-truck, towed object, "
    "other vehicle - construction vehicle, other vehicle - uncommon, other vehicle - pedicab, emergency vehicle, bus, "
    "train, trolley, tram / subway, vehicle.car, vehicle.truck, vehicle.bus.bendy, vehicle.bus.rigid, "
    "vehicle.construction, vehicle.trailer, vehicle.emergency.ambulance, vehicle.emergency.police",
    "person": "person, pedestrian, pedestrian with object, bicycle, motorcycle, motorized scooter, "
    "personal mobility device, animals - bird, animals - other, human.pedestrian.adult, human.pedestrian.child, "
    "human.pedestrian.construction_worker, human.pedestrian.personal_mobility, human.pedestrian.police_officer, "
    "human.pedestrian.stroller, human.pedestrian.wheelchair, vehicle.bicycle, vehicle.motorcycle, animal",
    "building": "building, static.manmade",
    "object": "object, pole, pylons, road barriers, signs, cones, construction signs, "
    "temporary construction barriers, rolling containers, other static object, movable_object.barrier, "
    "movable_object.debris, movable_object.pushable_pullable, movable_object.trafficcone, "
    "static_object.bicycle_rack, static.other",
}
_NOTHING = ("smoke", "exhaust", "spray or rain", "reflection", "noise", "flat.other", "vehicle.ego")
_GROUP = {name.strip(): i for i, group in enumerate(CLASSES) for name in _MEMBERS[group].split(",")} | dict.fromkeys(
    _NOTHING, UNLABELLED
)

_PALETTE = np.zeros((256, 3), np.uint8)
_PALETTE[: len(CLASSES)] = [
    (128, 110, 140),  # road
    (250, 225, 90),  # lane marking
    (230, 120, 190),  # sidewalk
    (85, 150, 60),  # vegetation
    (40, 90, 220),  # vehicle
    (225, 45, 50),  # person
    (150, 85, 40),  # building
    (60, 200, 210),  # object
]


def group_of(name: str) -> int | None:
    """The group's number of a source's class name (case does not matter), UNLABELLED for no thing, None if unknown."""
    return _GROUP.get(name.strip().lower())


def merge_table(class_names: Mapping[int, str]) -> tuple[Bytes, list[str]]:
    """How to merge a source's classes.

    Returns:
      a table of 256 entries (source's number -> group or UNLABELLED), and the names it does not know, which become
      UNLABELLED.
    """
    table = np.full(256, UNLABELLED, np.uint8)
    unknown = []
    for number, name in class_names.items():
        group = group_of(name)
        if group is None:
            unknown.append(name)
        elif 0 <= number < 256:
            table[number] = group
    return table, sorted(unknown)


def colour_labels(label_HW: Bytes) -> Bytes:
    """A picture of a label map: RGB, HW3, one colour per group, black where unlabelled."""
    return _PALETTE[label_HW]
