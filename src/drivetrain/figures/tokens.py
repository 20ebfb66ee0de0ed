"""Colours and type, light and dark: the one place where a colour is written down."""

from __future__ import annotations

from drivetrain.core.leaves import FreeLeaf, Leaf

GROUND = {
    "bg": ("#ffffff", "#0f1419"),
    "surface": ("#f6f7f9", "#161c23"),
    "surface-2": ("#eceff3", "#1f2730"),
    "text": ("#1a1f26", "#e4e8ec"),
    "text-2": ("#4a535e", "#b3bcc6"),
    "text-3": ("#626c78", "#8f9aa6"),
    "control": ("#7b8692", "#6b7785"),
    "accent": ("#0b5cad", "#6cb2ff"),
    "ok": ("#1a6e35", "#5cc97f"),
    "warn": ("#8a5300", "#e0a33a"),
    "err": ("#b3261e", "#ff8a80"),
}
"""Token -> (light, dark)."""

_STARTING = ("#6ca059", "#699c56")

LEAVES: dict[str, tuple[str, str]] = {
    Leaf.EVAL: ("#168293", "#4cacbd"),
    Leaf.PRODUCTIVE: ("#013498", "#3b63af"),
    Leaf.SETUP: _STARTING,
    Leaf.INIT: _STARTING,
    Leaf.RESTORE: _STARTING,
    Leaf.TEARDOWN: _STARTING,
    Leaf.CHECKPOINT: ("#126937", "#66ec94"),
    Leaf.COMPILE: ("#748aeb", "#cfd3e1"),
    Leaf.DATA_WAIT: ("#a27300", "#e7ac38"),
    Leaf.COMM_WAIT: ("#7c54cc", "#9775e6"),
    Leaf.HANG: ("#4d2c56", "#ebaefd"),
    Leaf.LOST: ("#bc3f7e", "#ea64a4"),
    Leaf.SKIPPED: ("#b38a89", "#a84348"),
    Leaf.DOWN: ("#9b2800", "#ee4912"),
}
"""Leaf -> (light, dark), in stacking order; `unknown` has no colour, it is hatching on the ground."""

PARTS: dict[str, tuple[str, str]] = {
    "forward": LEAVES[Leaf.CHECKPOINT],
    "backward": LEAVES[Leaf.COMPILE],
    "optimizer": LEAVES[Leaf.LOST],
    "compute": LEAVES[Leaf.PRODUCTIVE],
    "communication": LEAVES[Leaf.COMM_WAIT],
    "copy": LEAVES[Leaf.EVAL],
    "loader": LEAVES[Leaf.DATA_WAIT],
    "sync": LEAVES[Leaf.DOWN],
    "host": _STARTING,
    "other": ("#877764", "#b3a391"),
    "idle": ("#575056", "#6a6268"),
}
"""Part of a step -> (light, dark), in stacking order. The colours are the account's, on pages that show no account."""

FREE: dict[str, tuple[str, str]] = {
    FreeLeaf.DRAINING: PARTS["idle"],
    FreeLeaf.BROKEN: LEAVES[Leaf.DOWN],
    FreeLeaf.FRAGMENTED: PARTS["idle"],
}
"""Leaf of capacity that nobody holds -> (light, dark), in stacking order; hatched, where `idle` of `PARTS` is plain."""

HATCHES: dict[str, str] = {
    Leaf.INIT: "M-1 1L1 -1M0 6L6 0M5 7L7 5",
    Leaf.RESTORE: "M-1 5L1 7M0 0L6 6M5 -1L7 1",
    Leaf.TEARDOWN: "M3 0V6",
    Leaf.UNKNOWN: "M-1 1L1 -1M0 6L6 0M5 7L7 5M-1 5L1 7M0 0L6 6M5 -1L7 1",
    FreeLeaf.DRAINING: "M3 0V6",
    FreeLeaf.BROKEN: "M-1 1L1 -1M0 6L6 0M5 7L7 5",
    FreeLeaf.FRAGMENTED: "M-1 5L1 7M0 0L6 6M5 -1L7 1",
}
"""Leaf -> the strokes of its 6 x 6 tile: for leaves that share a colour, and for `unknown`."""

_TYPE = """
--font:system-ui,-apple-system,"Segoe UI",sans-serif;--mono:ui-monospace,"SF Mono",Menlo,Consolas,monospace;
--radius:3px"""

_FIGURES = """
.figure{display:block;max-width:100%;height:auto;overflow:visible;font:11px/1.4 var(--font);
font-variant-numeric:tabular-nums}
.figure text{fill:var(--text-2)}
.figure .strong{fill:var(--text);font-weight:600}
.figure .faint{fill:var(--text-3)}
.figure .rule{stroke:var(--surface-2);stroke-width:1;fill:none;shape-rendering:crispEdges}
.figure .axis{stroke:var(--control);stroke-width:1;fill:none;shape-rendering:crispEdges}
.figure .leader{stroke:var(--control);stroke-width:1;fill:none;shape-rendering:crispEdges}
.figure .ground{fill:var(--surface)}
.figure .cell{shape-rendering:crispEdges}
.figure .hatch{stroke:var(--bg);stroke-width:1.5;fill:none}
.figure .hatch-unknown{stroke:var(--text-3);stroke-width:1;fill:none}
.figure .leaf-unknown{fill:var(--bg)}
.figure .outline{stroke:var(--text-3);stroke-width:1;fill:none;shape-rendering:crispEdges}
.figure .line{fill:none;stroke-width:1.25;stroke-linejoin:round;vector-effect:non-scaling-stroke}
.figure .wide{stroke-width:2.5}
.figure .dot{stroke:var(--bg);stroke-width:1}
.grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,var(--tile,280px)),1fr));gap:12px;margin:0}
.grid figure{margin:0}
.grid img{display:block;width:100%;height:auto;border-radius:var(--radius);background:var(--surface)}
.grid figcaption{font-size:11px;color:var(--text-2);padding-top:4px;overflow-wrap:anywhere}
"""

SERIES = ("accent", "text", "warn", "ok", "text-3", "err")
"""Ground tokens for the lines of a chart, in order; lines past the last take the first again, dashed."""


def stylesheet() -> str:
    """CSS for figures anywhere: custom properties for both themes, and the classes that figures use.

    Dark follows `prefers-color-scheme` unless the root element says `data-theme="light"` or `"dark"`.
    """
    light, dark = _properties(0), _properties(1)
    return (
        f":root{{color-scheme:light;{light}{_TYPE}}}\n"
        f"@media(prefers-color-scheme:dark){{:root:not([data-theme=light]){{color-scheme:dark;{dark}}}}}\n"
        f":root[data-theme=dark]{{color-scheme:dark;{dark}}}"
        f"{_FIGURES}"
        + "".join(f".leaf-{name}{{fill:var(--leaf-{name})}}\n" for name in (*LEAVES, *FREE))
        + "".join(f".part-{name}{{fill:var(--part-{name})}}\n" for name in PARTS)
        + _series_rules()
    )


def _properties(theme: int) -> str:
    ground = "".join(f"--{name}:{pair[theme]};" for name, pair in GROUND.items())
    fills = [(f"leaf-{name}", pair) for name, pair in (LEAVES | FREE).items()]
    fills += [(f"part-{name}", pair) for name, pair in PARTS.items()]
    return ground + "".join(f"--{name}:{pair[theme]};" for name, pair in fills)


def _series_rules() -> str:
    rules = []
    for index, token in enumerate(SERIES):
        rules.append(f".figure .line-{index}{{stroke:var(--{token})}}")
        rules.append(f".figure .dot-{index}{{fill:var(--{token})}}")
    return "\n".join(rules) + "\n.figure .dashed{stroke-dasharray:4 3}\n"
