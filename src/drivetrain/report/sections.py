"""The parts of a run's page, each a pure function of its story."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import replace

from drivetrain.core.clock import utc_text
from drivetrain.core.leaves import Leaf
from drivetrain.core.units import bytes_text, count_text, duration_text
from drivetrain.figures import (
    Markup,
    Span,
    account_bar,
    element,
    image_grid,
    join,
    rank_timeline,
    share_text,
    stacking_order,
    swatch,
)
from drivetrain.monitor import Finding
from drivetrain.report.html import facts, section, table
from drivetrain.report.story import CheckpointLine, Story
from drivetrain.report.words import MEANING, PROMISE

_MOST_RANKS = 64
_MOST_CHECKPOINTS = 50
_MOST_FACTS = 200
_MOST_RESULTS = 200
_MOST_CHARS = 1000
_STATUS_CLASS = {"finished": "ok", "running": "warn", "stopped": "warn", "failed": "err", "no records": "err"}


def header(story: Story) -> Markup:
    """Name, when, what was run, and the numbers that matter most."""
    manifest, status = story.manifest, story.status
    title = element("h1", _short(manifest.name))
    switch = element("button", "Theme", class_="theme", type="button", hidden="", aria_label="switch light and dark")
    pill = element("span", status, class_=f"status {_STATUS_CLASS[status]}")
    under = join(pill, f" · {manifest.id} · made {utc_text(manifest.made_at_ns)} · as of {utc_text(story.as_of_ns)}")
    return join(
        element("div", title, switch, class_="top"),
        element("p", under, class_="under"),
        element("code", _short(shlex.join(manifest.command)), class_="command") if manifest.command else "",
        _headline_numbers(story),
    )


def _headline_numbers(story: Story) -> Markup:
    account = story.account
    num_ranks = len(account.by_rank) or story.manifest.num_ranks
    length = duration_text(account.end_ns - account.start_ns)
    attempts = count_text(account.num_attempts, "attempt")
    numbers = [
        (f"{account.goodput_pct:.1f} %", f"goodput: kept steps, of {duration_text(account.allocated_ns)} allocated"),
        _program_number(story),
        (
            duration_text(account.allocated_ns),
            f"allocated: {count_text(num_ranks, 'rank')}, {length} from first to last",
        ),
        (duration_text(account.queued_ns), "queued before that, not part of it"),
        (f"{account.num_steps_kept:,}", f"steps kept, {account.num_steps_lost:,} lost, in {attempts}"),
    ]
    return element("div", *(element("div", element("b", n), element("span", t)) for n, t in numbers), class_="numbers")


def _program_number(story: Story) -> tuple[str, str]:
    """Program goodput with its denominator."""
    account = story.account
    if account.program_goodput_pct is None:
        return "not measured", "program goodput: no step was profiled"
    productive = duration_text(account.leaves.get(Leaf.PRODUCTIVE, 0))
    return f"{account.program_goodput_pct:.1f} %", f"program goodput: ideal, of {productive} productive"


def findings_section(story: Story) -> Markup:
    """The losses worth acting on, in plain words."""
    if not story.findings:
        words = "No loss is large enough to act on." if story.account.allocated_ns else "Nothing was recorded."
        return section("Findings", element("p", words))
    items = element("ul", *map(_finding, story.findings), class_="findings")
    return section("Findings", items, note="largest first; shares of allocated device time")


def _finding(finding: Finding) -> Markup:
    share = f"{finding.share_pct:.1f} %"
    return finding_item(share, finding.text, finding.evidence, finding.change, finding.gain, is_alarm=finding.is_alarm)


def finding_item(share: str, text: str, evidence: str, change: str, gain: str, *, is_alarm: bool = False) -> Markup:
    """One finding in a list of them: how much, what, why, what to do, and what that may bring."""
    how_much = element("div", share, class_="share alarm" if is_alarm else "share")
    why = element("p", evidence, class_="why") if evidence else ""
    do = element("p", element("b", "Change: "), change)
    bring = element("p", element("b", "Gain, upper bound: "), gain, class_="why") if gain else ""
    return element("li", how_much, element("div", element("p", element("b", text)), why, do, bring))


def account_section(story: Story) -> Markup:
    """The account as a bar, and the same in numbers."""
    account = story.account
    order = stacking_order(account.leaves)
    rows: list[list[str]] = [
        [
            join(swatch(leaf, f"key-{leaf}"), leaf),
            duration_text(account.leaves[leaf]),
            share_text(account.leaves[leaf], account.allocated_ns),
            MEANING.get(leaf, ""),
        ]
        for leaf in order
    ]
    exact = f"exactly {account.allocated_ns:,} ns, none missing or counted twice"
    rows.append(["allocated", duration_text(account.allocated_ns), share_text(1, 1), exact])
    numbers = table(
        ["state", "#device time", "#share of allocated", "meaning"], rows, caption="The account in numbers", total=True
    )
    return section("Where the device time went", account_bar(account.leaves, key="account"), numbers)


def timeline_section(story: Story) -> Markup:
    """Each rank over time, and the same in numbers."""
    account = story.account
    ranks = _ranks_to_show(story)
    shown = frozenset(ranks)
    spans = (Span(i.rank, i.start_ns, i.end_ns, i.leaf) for i in account.intervals if i.rank in shown)
    figure = rank_timeline(spans, account.start_ns, account.end_ns, key="timeline")
    order = stacking_order(account.leaves)
    key = element("div", *(element("span", swatch(leaf, f"line-{leaf}"), leaf) for leaf in order), class_="key")
    rows = [
        [str(rank), *(_time_or_dash(account.by_rank[rank].get(leaf, 0)) for leaf in order), duration_text(total)]
        for rank in ranks
        for total in [sum(account.by_rank[rank].values())]
    ]
    columns = ["#rank", *(f"#{leaf}" for leaf in order), "#allocated"]
    numbers = table(columns, rows, caption="Device time of each rank by state", dense=len(order) > 10)
    note = f"from {utc_text(account.start_ns)}; each column of a band is split by share" if account.intervals else ""
    if len(ranks) < len(account.by_rank):
        note += f"; the {len(ranks)} of {len(account.by_rank)} ranks that lost most"
    return section("Ranks over time", figure, key, numbers, note=note)


def _ranks_to_show(story: Story) -> list[int]:
    """All ranks, or those with the smallest share of productive time when there are too many for a page."""
    by_rank = story.account.by_rank

    def share(rank: int) -> float:
        return by_rank[rank].get(Leaf.PRODUCTIVE, 0) / (sum(by_rank[rank].values()) or 1)

    return sorted(sorted(by_rank, key=lambda rank: (share(rank), rank))[:_MOST_RANKS])


def pictures_section(story: Story) -> Markup:
    """What the training script kept to look at."""
    gallery = story.gallery
    if not gallery.num_kept:
        return Markup("")
    num_left_out = gallery.num_kept - len(gallery.pictures) - gallery.num_damaged
    notes = [f"{len(gallery.pictures)} of {gallery.num_kept} kept pictures"]
    if num_left_out:
        notes.append(f"{num_left_out} left out to keep the page small, evenly spread")
    if gallery.num_damaged:
        notes.append(f"{gallery.num_damaged} left out because they are no whole JPEG")
    pictures = [replace(picture, caption=_short(picture.caption)) for picture in gallery.pictures]
    return section("Pictures", image_grid(pictures), note="; ".join(notes))


def results_section(story: Story) -> Markup:
    """Final values beside their baselines."""
    if story.results_error:
        return section("Results", element("p", story.results_error))
    if not story.results:
        return Markup("")
    shown = story.results[:_MOST_RESULTS]
    rows = [[_short(result.name), _value_text(result.value), _short(result.unit)] for result in shown]
    columns = ["result", "#value", "unit"] if any(result.unit for result in shown) else ["result", "#value"]
    num_left_out = len(story.results) - len(shown)
    note = f"{num_left_out:,} more in results.json" if num_left_out else ""
    return section("Results", table(columns, [row[: len(columns)] for row in rows], caption="Final values"), note=note)


def checkpoints_section(story: Story) -> Markup:
    """Checkpoints that are still there, and what resuming from each promises."""
    if not story.checkpoints:
        return Markup("")
    rows = [_checkpoint_row(line) for line in story.checkpoints[-_MOST_CHECKPOINTS:]]
    columns = ["#step", "#size", "#ranks", "made", "resumed on as many ranks"]
    note = f"{len(story.checkpoints)} still there, {story.evidence.num_commits} written"
    return section("Checkpoints", table(columns, rows, caption="Checkpoints"), note=note)


def _checkpoint_row(line: CheckpointLine) -> list[str]:
    manifest = line.manifest
    if manifest is None:
        return [f"{line.step:,}", "–", "–", "–", line.problem]
    size = bytes_text(manifest.size_bytes)
    made = utc_text(manifest.made_at_ns)
    return [f"{line.step:,}", size, str(manifest.world_size), made, line.problem or PROMISE[manifest.tier]]


def environment_section(story: Story) -> Markup:
    """Where it ran, and the settings it ran with."""
    manifest = story.manifest
    settings = [(f"config.{name}", str(value)) for name, value in manifest.config.items()]
    pairs = _bounded([*manifest.environment.items(), *settings])
    return section("Environment", facts(pairs)) if pairs else Markup("")


def _bounded(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    listed = [(_short(name), _short(value)) for name, value in pairs]
    left_out = len(listed) - _MOST_FACTS
    return listed if left_out <= 0 else [*listed[:_MOST_FACTS], ("…", f"{left_out} more in run.json")]


def _short(text: str) -> str:
    return text if len(text) <= _MOST_CHARS else text[: _MOST_CHARS - 1] + "…"


def _time_or_dash(duration_ns: int) -> str:
    return duration_text(duration_ns) if duration_ns else "–"


def _value_text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e-3 or abs(value) >= 1e6 else f"{value:.3f}"
    return _short("–" if value is None else str(value))
