"""What trials have shown, as text for people; pure."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Sequence

from drivetrain.bench.contest import PLAIN
from drivetrain.bench.rivalry import Rivalry, Standing
from drivetrain.bench.stats import Interval
from drivetrain.bench.tune import Row, Tuning
from drivetrain.core.columns import aligned
from drivetrain.core.units import NS_PER_S, bytes_text, count_text, duration_text

_NOTHING = "–"
_WORTH_TELLING_S = 2.0  # of start-up
_LOSSES = ("loss, equal steps", "loss, equal time")


def tuning_text(tuning: Tuning) -> str:
    """The table of changes, what does not apply, and what to write."""
    plain = tuning.plain
    rows = [*tuning.rows, *([tuning.together] if tuning.together else [])]
    lines = [
        f"{PLAIN}: {_seconds(plain.step_s)} a step, {bytes_text(plain.peak_bytes)} at the peak, loss "
        f"{plain.closing_loss:.4g} after {count_text(len(plain.losses), 'step')} ({plain.num_warmup} of them warm-up)"
    ]
    if rows:
        head = ("change", "step time", "memory", *_LOSSES, "pairs", "verdict")
        lines += ["", *aligned([head, *map(_tuning_cells, rows)]), "", _tuning_legend(tuning)]
    lines += _remarks([(PLAIN, tuning.failure)] if tuning.failure else [])
    lines += _remarks([remark for row in rows for remark in _remarks_on(row)])
    if tuning.left_out:
        lines += ["", "does not apply"]
        lines += [f"  {item.name}: {item.why}" for item in tuning.left_out]
    lines += ["", *_advice(tuning)]
    return "\n".join(lines)


def rivalry_text(rivalry: Rivalry) -> str:
    """The table of optimizers."""
    plain = rivalry.plain
    head = (
        "optimizer",
        "step time",
        "memory",
        "loss, equal steps",
        "loss, equal time",
        "steps made",
        "seeds",
        "verdict",
    )
    return "\n".join(
        [
            f"the recipe's own: {_seconds(plain.step_s)} a step, loss {plain.closing_loss:.4g} at the end, after "
            f"{count_text(len(plain.losses), 'step')}",
            "",
            *aligned([head, *map(_standing_cells, rivalry.standings)]),
            "",
            _paragraph(
                f"Against the recipe's own optimizer, same seeds. Intervals are {100 * rivalry.level:.4g} % each: that "
                "any optimizer is called better or worse though all are equal has a chance of 5 %. Losses are of the "
                "same batches after the last step, the weights held; in equal time a slower optimizer makes fewer "
                "steps, its schedule compressed to end with them."
            ),
            *_remarks([(PLAIN, rivalry.failure)] if rivalry.failure else []),
            *_remarks([(row.name, row.why) for row in rivalry.standings if row.why]),
        ]
    )


def _tuning_cells(row: Row) -> tuple[str, ...]:
    found = row.found
    if found is None:
        return (row.name, _NOTHING, _NOTHING, _NOTHING, _NOTHING, "0", row.verdict)
    return (
        row.name,
        _ratio(found.step_ratio),
        _percent(found.memory_ratio - 1),
        _change(found.loss_at_steps),
        _change(found.loss_at_time),
        str(found.num_pairs),
        row.verdict,
    )


def _standing_cells(row: Standing) -> tuple[str, ...]:
    if row.step_ratio is None or row.loss_at_steps is None or row.loss_at_time is None:
        return (row.name, _NOTHING, _NOTHING, _NOTHING, _NOTHING, _NOTHING, "0", row.verdict)
    return (
        row.name,
        _ratio(row.step_ratio),
        _percent(row.memory_ratio - 1),
        _change(row.loss_at_steps),
        _change(row.loss_at_time),
        f"{100 * row.share:.0f} %",
        str(row.num_seeds),
        row.verdict,
    )


def _tuning_legend(tuning: Tuning) -> str:
    return _paragraph(
        f"Against the recipe as it is, same seeds. Intervals are {100 * tuning.level:.4g} % each: that any change of "
        "the table is called faster or slower though none has an effect has a chance of 5 %. Losses are after "
        f"{count_text(len(tuning.plain.losses), 'step')}, not at the end of training."
    )


def _advice(tuning: Tuning) -> list[str]:
    if not tuning.adopted:
        return ["nothing to adopt: no change is surely faster and surely as good"]
    lines = ["adopt", *(f"  {row.adopt}" for row in tuning.adopted)]
    together = tuning.together
    if together is not None and together.verdict != "adopt":
        lines.append(f"  one at a time: together the verdict is {together.verdict!r}")
    return lines


def _remarks_on(row: Row) -> list[tuple[str, str]]:
    startup_s = row.found.startup_s if row.found is not None else 0.0
    late = f"its first steps take {_seconds(startup_s)} longer" if startup_s > _WORTH_TELLING_S else ""
    return [(row.name, words) for words in (row.why, late) if words]


def _remarks(remarks: Sequence[tuple[str, str]]) -> list[str]:
    return ["", *(f"{name}: {why}" for name, why in remarks)] if remarks else []


def _paragraph(text: str) -> str:
    return textwrap.fill(text, width=110)


def _ratio(interval: Interval) -> str:
    return f"x {interval.mid:.3f}{_bounds(interval, lambda value: f'{value:.3f}')}"


def _change(interval: Interval) -> str:
    return f"{_percent(interval.mid)}{_bounds(interval, lambda value: f'{100 * value:+.1f}')}"


def _bounds(interval: Interval, text: Callable[[float], str]) -> str:
    """The ends in brackets; nothing where there are none."""
    return f" ({text(interval.low)} .. {text(interval.high)})" if 0 < interval.high - interval.low < math.inf else ""


def _percent(share: float) -> str:
    return "not finite" if math.isnan(share) else f"{100 * share:+.1f} %"


def _seconds(value_s: float) -> str:
    return duration_text(round(value_s * NS_PER_S))
