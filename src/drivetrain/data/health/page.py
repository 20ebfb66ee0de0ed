"""A health report as one page: what is wrong first, then pictures of clocks, alignment, stamps and frames."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from drivetrain.data.arrays import Bytes, Floats
from drivetrain.data.build import TOLERANCE_NS
from drivetrain.data.health.alignment import Alignment
from drivetrain.data.health.clocks import Reading
from drivetrain.data.health.findings import Finding
from drivetrain.data.health.looks import FrameLook, SweepLook
from drivetrain.data.health.motion import Motion
from drivetrain.data.health.regularity import JITTER_EDGES_PCT, StreamHealth
from drivetrain.data.health.report import HealthReport, Seen, health_table
from drivetrain.data.jpeg import encode_jpeg
from drivetrain.data.log import Log, Pose
from drivetrain.data.project import inside, project
from drivetrain.figures import Markup, Picture, Series, bin_chart, element, image_grid, join, line_chart, stylesheet

_MOST_CURVES, _MOST_PICTURES, _MOST_POINTS = 6, 6, 20_000
_PAGE = """
body{margin:0 auto;max-width:1000px;padding:24px;background:var(--bg);color:var(--text);font:14px/1.5 var(--font)}
h2{font-size:15px;margin:28px 0 8px}
pre{font:12px/1.5 var(--mono);overflow-x:auto;background:var(--surface);padding:12px;border-radius:var(--radius)}
table{border-collapse:collapse;width:100%}
td{padding:4px 12px 4px 0;vertical-align:top;border-top:1px solid var(--surface-2)}
.fail{color:var(--err)}.warn{color:var(--warn)}.ok{color:var(--ok)}.unknown{color:var(--text-3)}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(440px,1fr));gap:12px}
"""


def health_page(log: Log, report: HealthReport) -> str:
    """One HTML file without scripts that opens without a network.

    Args:
      log: that was checked; frames are drawn with the poses it has.
      report: what was found.
    """
    parts = [
        element("h1", f"{report.log}: ", element("span", report.verdict, class_=report.verdict)),
        _table([finding for finding in report.findings if finding.verdict != "ok"]),
    ]
    if report.seen is not None:
        parts += _section("Clocks: what two streams say of one motion", _charts(_clock_charts(report.seen)))
        parts += _section("Points over frames: near is red, far is blue", _pictures(log, report.seen))
        parts += _section("Agreement of edges, by how far points are moved", _score_pictures(report.seen.alignments))
    parts += _section("How far stamps are from their period", _charts(map(_jitter_chart, enumerate(report.streams))))
    parts += [element("h2", "All"), element("pre", health_table(report)), _table(list(report.findings))]
    style = element("style", Markup(stylesheet() + _PAGE))
    head = element("head", element("meta", charset="utf-8"), element("title", f"{report.log}: health"), style)
    return "<!doctype html>\n" + element("html", head, element("body", *parts), lang="en")


def _section(title: str, parts: Iterator[Markup]) -> list[Markup]:
    made = list(parts)
    return [element("h2", title), *made] if made else []


def _charts(parts: Iterator[Markup]) -> Iterator[Markup]:
    """Charts side by side."""
    made = list(parts)
    if made:
        yield element("div", *made, class_="charts")


def _table(findings: list[Finding]) -> Markup:
    rows = [
        element("tr", *(element("td", text, class_=f.verdict if text == f.verdict else None) for text in _cells(f)))
        for f in findings
    ]
    return element("table", element("tbody", *rows)) if rows else element("p", "Nothing is wrong.")


def _cells(finding: Finding) -> tuple[str, ...]:
    return finding.verdict, finding.check, finding.stream, finding.text


def _clock_charts(seen: Seen) -> Iterator[Markup]:
    readings = [reading for group in seen.clocks for reading in group]
    for number, reading in enumerate(readings[:_MOST_CURVES]):
        yield _clock_chart(reading, f"clock-{number}")


def _clock_chart(reading: Reading, key: str) -> Markup:
    """Both rates over time, scaled to each other."""
    beside, told = _smooth(reading.beside), _smooth(reading.told)
    spread = max(float(np.std(told[1])), 1e-12)
    scale = float(np.std(beside[1])) / spread * (1 if reading.lag.correlation >= 0 else -1)
    middle = float(np.mean(told[1]))
    curves = [
        Series(reading.reference, list(zip(beside[0].tolist(), beside[1].tolist(), strict=True))),
        Series(
            reading.clock,
            list(zip(told[0].tolist(), ((told[1] - middle) * scale + float(np.mean(beside[1]))).tolist(), strict=True)),
        ),
    ]
    what = "rad/s" if reading.told.quantity == "turning" else "m/s"
    label = f"s ({what}); {reading.clock} lies {reading.lag.lag_s * 1e3:+.1f} ms from {reading.reference}"
    return line_chart(curves, key=key, title=f"{reading.clock} and {reading.reference}", x_label=label)


def _smooth(motion: Motion) -> tuple[Floats, Floats]:
    """Mean rates over stretches of 0.1 s or so."""
    step = max(1, round(0.1 / max(motion.period_s, 1e-6)))
    t_s, total = motion.t_s[::step], motion.total_N[::step]
    return (t_s[1:] + t_s[:-1]) / 2, np.diff(total) / np.diff(t_s)


def _jitter_chart(numbered: tuple[int, StreamHealth]) -> Markup:
    number, stream = numbered
    edges = [float(edge) for edge in JITTER_EDGES_PCT]
    title = f"{stream.name}: distances of stamps"
    label = f"{stream.name}: % from its period of {1e3 / stream.rate_hz:.1f} ms" if stream.rate_hz else stream.name
    return bin_chart(edges, stream.jitter_counts, key=f"jitter-{number}", title=title, x_label=label)


def _pictures(log: Log, seen: Seen) -> Iterator[Markup]:
    drawn = []
    for frame in seen.looks.frames:
        near = [sweep for sweep in seen.looks.sweeps if abs(sweep.t_ns - frame.t_ns) <= TOLERANCE_NS]
        picture = _points_over(log, frame, min(near, key=lambda s: abs(s.t_ns - frame.t_ns))) if near else None
        shown = picture if picture is not None else np.repeat(frame.grey_HW[..., None], 3, axis=2)
        drawn.append(Picture(f"{frame.camera} {frame.label}", encode_jpeg(shown, quality=80)))
    kept = drawn[:: max(1, -(-len(drawn) // _MOST_PICTURES))]
    if kept:
        yield image_grid(kept)


def _points_over(log: Log, frame: FrameLook, sweep: SweepLook) -> Bytes | None:
    """A grey frame with the points of a sweep in colours by distance; None where they cannot be projected."""
    intrinsics = log.intrinsics.get(frame.camera)
    poses = log.streams.get(f"pose/{frame.camera.partition('/')[2]}")
    pose = poses.read(frame.index) if poses is not None and frame.index < len(poses) else None
    if intrinsics is None or not isinstance(pose, Pose) or not pose.is_valid or not intrinsics.fx > 0:
        return None
    height, width = frame.grey_HW.shape
    lens = intrinsics.resized(width, height)
    uv_N2, depth_N = project(sweep.points_N3, pose, lens)
    seen = np.flatnonzero(inside(uv_N2, lens))
    seen = seen[:: max(1, len(seen) // _MOST_POINTS)]
    near = (255 * np.clip(1 - np.log(np.maximum(depth_N[seen], 2) / 2) / np.log(40), 0, 1)).astype(np.uint8)
    colours = cv2.applyColorMap(near.reshape(-1, 1), cv2.COLORMAP_JET)[:, 0, ::-1]
    picture = np.repeat(frame.grey_HW[..., None], 3, axis=2)
    columns, rows = np.rint(uv_N2[seen]).astype(np.int64).T
    picture[rows, columns] = colours
    return picture


def _score_pictures(alignments: list[Alignment]) -> Iterator[Markup]:
    """Each map of scores, bright where edges agree, with a cross where nothing is moved."""
    drawn = []
    for alignment in alignments:
        bright = cv2.applyColorMap((255 * alignment.score_YX).astype(np.uint8), cv2.COLORMAP_VIRIDIS)[..., ::-1]
        size = (bright.shape[1] * 6, bright.shape[0] * 6)
        large = np.ascontiguousarray(cv2.resize(bright, size, interpolation=cv2.INTER_NEAREST))
        centre = (size[0] // 2, size[1] // 2)
        cv2.drawMarker(large, centre, (255, 255, 255), cv2.MARKER_CROSS, 18, 1)
        caption = (
            f"{alignment.camera} against {alignment.lidar}: best {alignment.yaw_deg:+.2f}° to the left, "
            f"{alignment.pitch_deg:+.2f}° down; the cross is where the pose says"
        )
        drawn.append(Picture(caption, encode_jpeg(np.asarray(large, np.uint8), quality=85)))
    if drawn:
        yield join(image_grid(drawn))
