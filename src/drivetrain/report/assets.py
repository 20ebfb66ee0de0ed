"""The page's own style and script, as text; figures bring theirs."""

from __future__ import annotations

STYLE = """
*{box-sizing:border-box}
html{background:var(--bg);color:var(--text);font:13px/1.4 var(--font);font-variant-numeric:tabular-nums}
body{margin:0}
main{max-width:1008px;margin:0 auto;padding:24px}
h1{font-size:24px;font-weight:600;margin:0;overflow-wrap:anywhere}
h2{font-size:15px;font-weight:600;margin:0 0 12px}
h3{font-size:13px;font-weight:600;margin:0 0 8px;overflow-wrap:anywhere}
section{border-top:1px solid var(--surface-2);padding:16px 0 24px}
p{margin:0 0 8px;max-width:76ch}
a{color:var(--accent)}
code,.mono{font-family:var(--mono);font-size:12px;overflow-wrap:anywhere}
a{color:var(--accent)}
.note{font-weight:400;font-size:12px;color:var(--text-3)}
.top{display:flex;gap:16px;align-items:flex-start;justify-content:space-between;padding-bottom:4px}
.under{color:var(--text-2);margin:0 0 12px;max-width:none}
.command{display:block;background:var(--surface);border-radius:var(--radius);padding:8px 12px;margin:0 0 16px}
.numbers{display:grid;grid-template-columns:repeat(auto-fit,minmax(200px,1fr));gap:12px 24px;margin:0 0 24px}
.numbers b{display:block;font-size:24px;font-weight:600;line-height:1.2}
.numbers span{font-size:12px;color:var(--text-2)}
.status{font-weight:600}
.status.ok{color:var(--ok)}.status.warn{color:var(--warn)}.status.err{color:var(--err)}
button{font:12px var(--font);color:var(--text);background:var(--bg);border:1px solid var(--control);
border-radius:var(--radius);padding:2px 8px;height:24px;cursor:pointer;white-space:nowrap}
button:focus-visible{outline:2px solid var(--accent);outline-offset:1px}
.findings{list-style:none;margin:0;padding:0}
.findings li{display:grid;grid-template-columns:72px 1fr;gap:0 16px;padding:8px 0;border-top:1px solid var(--surface-2)}
.findings li:first-child{border-top:0;padding-top:0}
.findings .share{font-size:18px;font-weight:600;text-align:right;line-height:1.2;
white-space:nowrap}
.findings .share.alarm{color:var(--err)}
.findings p{margin:0 0 4px}
.findings .why{color:var(--text-2)}
.findings b{font-weight:600}
.scroll{overflow-x:auto;margin-top:12px}
table{border-collapse:collapse;font-size:12px}
caption{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
th,td{height:24px;padding:2px 16px 2px 0;text-align:left;vertical-align:middle}
td:first-child{white-space:nowrap}
th{font-weight:400;color:var(--text-3);font-size:11px;white-space:nowrap}
tbody tr{border-top:1px solid var(--surface-2)}
.num{text-align:right;white-space:nowrap;padding-left:8px}
.dense{font-size:11px}.dense th,.dense td{padding:2px 4px}
.total td{font-weight:600;border-top:1px solid var(--control)}
.swatch{display:inline-block;vertical-align:-2px;margin-right:8px}
.key{display:flex;flex-wrap:wrap;gap:4px 16px;margin-top:8px;font-size:12px;color:var(--text-2)}
.key+h3,.scroll+h3{margin-top:16px}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,440px),1fr));gap:24px 32px}
.grid{--tile:280px}
.grid .wide{grid-column:1/-1}
.grid:has(.wide){--tile:440px}
.grid:has(.wide) .wide{grid-column:auto}
.facts{display:grid;grid-template-columns:max-content 1fr;gap:0 16px;margin:0;font-size:12px}
.facts dt,.facts dd{margin:0;padding:3px 0;line-height:18px}
.facts dt{color:var(--text-2)}
.facts dd{font-family:var(--mono);overflow-wrap:anywhere}
.figure .cursor{stroke:var(--text-3);stroke-width:1;fill:none;shape-rendering:crispEdges;pointer-events:none}
.figure .readout{fill:var(--text);font-weight:600}
footer{border-top:1px solid var(--surface-2);padding-top:12px;font-size:12px;color:var(--text-3)}
@media(max-width:600px){main{padding:12px}.findings li{grid-template-columns:1fr}.findings .share{text-align:left}}
@media print{main{max-width:none;padding:0}button{display:none}section{break-inside:avoid}}
"""

# The switch says what a click brings. Curves answer the pointer from the points they are drawn with: no second copy of
# the data, at the price of values rounded to a hundredth of a pixel.
SCRIPT = """
(() => {
  "use strict";
  const root = document.documentElement, button = document.querySelector(".theme");
  const isDark = () => root.dataset.theme ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  const label = () => { button.textContent = isDark() ? "Light" : "Dark"; };
  button.hidden = false;
  label();
  button.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; label(); });

  const written = (value, span) => span < 1e-3 || span >= 1e6 ? value.toPrecision(4)
    : value.toFixed(Math.max(0, Math.ceil(-Math.log10(span / 2000))));
  for (const frame of document.querySelectorAll(".figure .frame")) {
    const svg = frame.ownerSVGElement, cursor = svg.querySelector(".cursor"), readout = svg.querySelector(".readout");
    const [x0, x1, left, right] = frame.dataset.x.split(" ").map(Number);
    const [y0, y1, bottom, top] = frame.dataset.y.split(" ").map(Number);
    const curves = [...svg.querySelectorAll(".line[data-name]")].map(path => ({ name: path.dataset.name,
      points: path.getAttribute("d").split(/[ML]/).filter(Boolean).map(pair => pair.split(" ").map(Number)) }));
    const labels = [...svg.querySelectorAll(".label")];
    const clear = () => {
      cursor.setAttribute("d", "");
      readout.textContent = "";
      for (const label of labels) label.textContent = label.dataset.name;
    };
    svg.addEventListener("pointerleave", clear);
    svg.addEventListener("pointermove", event => {
      clear();
      const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse()).x;
      const near = curves.filter(curve => curve.points.length).map(curve => ({ name: curve.name,
        point: curve.points.reduce((a, b) => Math.abs(b[0] - at) < Math.abs(a[0] - at) ? b : a) }));
      if (!near.length || at < left - 8 || at > right + 8) return;
      const x = near.reduce((a, b) => Math.abs(b.point[0] - at) < Math.abs(a.point[0] - at) ? b : a).point[0];
      const values = new Map(near.filter(one => Math.abs(one.point[0] - x) < 2).map(one => [one.name,
        written(y0 + (y1 - y0) * (bottom - one.point[1]) / (bottom - top), y1 - y0)]));
      cursor.setAttribute("d", "M" + x + " " + top + "V" + bottom);
      readout.textContent = frame.dataset.xLabel + " " + Math.round(x0 + (x1 - x0) * (x - left) / (right - left))
        + (labels.length ? "" : ": " + [...values.values()].join());
      for (const label of labels)
        if (values.has(label.dataset.name)) label.textContent += " " + values.get(label.dataset.name);
    });
  }
})();
"""
