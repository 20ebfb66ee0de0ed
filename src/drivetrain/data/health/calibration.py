"""A camera's numbers: whether its focal lengths, axis and size are those of any camera."""

from __future__ import annotations

from drivetrain.data.health.findings import Finding
from drivetrain.data.health.looks import Looks
from drivetrain.data.log import Intrinsics, Log

_NARROWEST, _WIDEST = 0.2, 20.0  # focal length over the image's width: some 136 and 3 degrees wide
_SQUARE = 0.2  # most by which the two focal lengths may differ, as a share


def calibration_findings(log: Log, looks: Looks) -> list[Finding]:
    """One for each camera: `fail` for numbers nothing can be projected with, `warn` for numbers that are odd."""
    found = []
    for camera in log.cameras:
        intrinsics = log.intrinsics.get(camera.name)
        sizes = {(frame.width, frame.height) for frame in looks.frames if frame.camera == camera.name}
        if intrinsics is not None:
            found.append(_judge(camera.name, intrinsics, sizes))
    return found


def _judge(camera: str, lens: Intrinsics, sizes: set[tuple[int, int]]) -> Finding:
    size = f"{lens.width}x{lens.height} pixels"
    said = f"focal lengths {lens.fx:.6g} and {lens.fy:.6g}, axis at {lens.cx:.6g}, {lens.cy:.6g}, {size}"
    if not lens.is_valid:
        return Finding("intrinsics", camera, "fail", f"nothing can be projected with {said}")
    odd = []
    if not _NARROWEST <= lens.fx / lens.width <= _WIDEST or not _NARROWEST <= lens.fy / lens.height <= _WIDEST:
        odd.append("the focal length is that of no camera")
    if abs(lens.fx / lens.fy - 1) > _SQUARE:
        odd.append("pixels are far from square")
    if not (0 <= lens.cx < lens.width and 0 <= lens.cy < lens.height):
        odd.append("the axis misses the image")
    if sizes - {(lens.width, lens.height)}:
        other = ", ".join(f"{width}x{height}" for width, height in sorted(sizes))
        odd.append(f"images are {other}")
    return Finding("intrinsics", camera, "warn" if odd else "ok", "; ".join([*odd, said]))
