"""Plain values become figures: SVG text that a report, a page, the docs or a notebook can hold.

Every function is pure and every figure's size is bounded, however much it is given. Colours come from custom properties
of `stylesheet()`, which a page includes once; there are no inline styles and no scripts, so a strict
content-security policy holds. A `key` makes the ids of one figure unique in its page.

  tokens.py     colours and type, light and dark; the stylesheet
  svg.py        elements from names, children and attributes; plain text is escaped on its way in
  fills.py      how a leaf is painted: colour or hatching
  axes.py       round numbers along an axis
  bars.py       an account as one stacked bar
  timeline.py   ranks over time
  lines.py      curves over steps
  grid.py       images with captions
  matches.py    streams on one time line, and what was joined to what
  areas.py      what a fleet's capacity is used for, over time
  stacks.py     steps or ranks side by side, each a stack of parts
  roofline.py   operators under the roof of a device
  bins.py       how often values fall where
  trend.py      one number over many measurements, and where its level changed
  alone.py      a figure as a file of its own
"""

from drivetrain.figures.alone import standalone
from drivetrain.figures.areas import area_chart
from drivetrain.figures.bars import account_bar, share_text
from drivetrain.figures.bins import bin_chart
from drivetrain.figures.fills import stacking_order, swatch
from drivetrain.figures.grid import Picture, embedded_bytes, image_grid, jpeg_size
from drivetrain.figures.lines import Series, line_chart
from drivetrain.figures.matches import MatchRow, match_chart
from drivetrain.figures.roofline import Dot, roofline
from drivetrain.figures.stacks import Stack, stack_chart
from drivetrain.figures.svg import Markup, element, join
from drivetrain.figures.timeline import NUM_COLUMNS, Column, Span, band_timeline, rank_timeline
from drivetrain.figures.tokens import stylesheet
from drivetrain.figures.trend import Mark, Measurement, trend_chart

__all__ = [
    "NUM_COLUMNS",
    "Column",
    "Dot",
    "Mark",
    "Markup",
    "MatchRow",
    "Measurement",
    "Picture",
    "Series",
    "Span",
    "Stack",
    "account_bar",
    "area_chart",
    "band_timeline",
    "bin_chart",
    "element",
    "embedded_bytes",
    "image_grid",
    "join",
    "jpeg_size",
    "line_chart",
    "match_chart",
    "rank_timeline",
    "roofline",
    "share_text",
    "stack_chart",
    "stacking_order",
    "standalone",
    "stylesheet",
    "swatch",
    "trend_chart",
]
