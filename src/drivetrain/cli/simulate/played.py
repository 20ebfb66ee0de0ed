"""Jobs played through the controller by one policy or several, and what came of it: tables, JSON, a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from drivetrain.cli.tables import table
from drivetrain.core.errors import UsageError

if TYPE_CHECKING:
    from drivetrain.cli.progress import Advance
    from drivetrain.compute.simulate.play import Play
    from drivetrain.compute.simulate.site import Site
    from drivetrain.compute.simulate.summary import Course, Quantiles, Summary
    from drivetrain.compute.simulate.values import Arrival

POLICIES = ("plan", "fifo")
MOST_REASONS = 5


@dataclass(frozen=True, slots=True)
class How:
    """How jobs are played and shown. Attributes: seed: of interruptions; html: a page to write, besides."""

    policies: tuple[str, ...]
    seed: int
    as_json: bool
    html: Path | None


def play_all(arrivals: Sequence[Arrival], site: Site, how: How, *, left_out: Mapping[str, int] | None = None) -> None:
    """Play jobs on a site by each policy, and print. Args: left_out: why rows are none of them, how many each."""
    from drivetrain.cli.progress import bar_or_lines
    from drivetrain.compute.simulate.summary import course, summary

    unknown = [name for name in how.policies if name not in POLICIES]
    if unknown:
        raise UsageError(f"no policy {unknown[0]!r} for a trace", hint=f"one of {', '.join(POLICIES)}")
    names = how.policies or POLICIES[:1]
    found: list[tuple[Summary, Course]] = []
    with bar_or_lines("simulate", len(names) * len(arrivals)) as advance:
        for name in names:
            told = partial(_tell, advance, len(found) * len(arrivals), name)
            play = _played(arrivals, name, site, how.seed)
            play.run(told)
            stories, fleet = [work.story for work in play.works.values()], play.fleet
            found.append((summary(name, stories, fleet, left_out=left_out), course(stories, fleet)))
    if how.html is not None:
        write_page(how.html, found)
    summaries = [one for one, _ in found]
    if how.as_json:
        click.echo(policies_json(summaries))
    else:
        click.echo(text(summaries))


def policies_json(found: Sequence[object]) -> str:
    """One object of one policy, or of several with all of them."""
    import msgspec

    return msgspec.json.encode(found[0] if len(found) == 1 else {"policies": found}).decode()


def move_bar(advance: Advance, before: int, name: str, done: int) -> None:
    """Show so much more than `before` as done, by the policy of this name."""
    advance(before + done, name)


def write_page(path: Path, found: Sequence[tuple[Summary, Course]]) -> None:
    """What came of each policy, as a page that needs no network."""
    from drivetrain.report import simulation_page
    from drivetrain.store import publish_bytes

    publish_bytes(path, simulation_page(found).encode())
    click.echo(f"wrote {path}", err=True)


def _tell(advance: Advance, before: int, name: str, play: Play) -> None:
    """How many jobs are over."""
    move_bar(advance, before, name, play.num_over)


def _played(arrivals: Sequence[Arrival], policy: str, site: Site, seed: int) -> Play:
    from drivetrain.compute.policy.plan import plan
    from drivetrain.compute.simulate.fifo import fifo
    from drivetrain.compute.simulate.play import Play

    play = Play(site, policy={"plan": plan, "fifo": fifo}[policy], seed=seed)
    play.arrive(arrivals)
    return play


def text(found: Sequence[Summary]) -> str:
    """Under what became of the jobs a column for each policy: the devices' time, the jobs' waiting, what it took."""
    names = [one.policy for one in found]
    right = range(1, len(found) + 1)
    first = found[0]
    jobs = [", ".join(f"{count:,} {what}" for what, count in sorted(one.num_jobs.items())) for one in found]
    shown = jobs[:1] if len(set(jobs)) == 1 else [f"{name}: {each}" for name, each in zip(names, jobs, strict=True)]
    waits = [(kind, *(_cell(one.waited.get(kind)) for one in found)) for kind in _kinds(found, "waited")]
    took = [(kind, *(_cell(one.took.get(kind)) for one in found)) for kind in _kinds(found, "took")]
    lines = [
        f"{'; '.join(shown)}; {first.num_devices:,.0f} devices, {max(one.span_s for one in found) / 86400:.1f} days",
        *(f"{count:,} refused: {why}" for why, count in list(first.refused.items())[:MOST_REASONS]),
        "",
        table(("of the devices' time", *names), _rows(found), right),
        "",
        table(("waited, p50 / p90 / p99 s", *names), waits, right),
        "",
        table(("took, p50 / p90 / p99 s", *names), took, right),
    ]
    return "\n".join(lines)


def _kinds(found: Sequence[Summary], what: str) -> list[str]:
    return sorted({kind for one in found for kind in getattr(one, what)})


def _rows(found: Sequence[Summary]) -> list[tuple[str, ...]]:
    parts = (
        ("allocated (SG)", "allocated_pct"),
        ("in steps", "used_pct"),
        ("in steps that were kept", "kept_pct"),
        ("fragmented", "fragmented_pct"),
        ("idle", "idle_pct"),
        ("broken", "broken_pct"),
    )
    rows = [(name, *(f"{getattr(one, part):.2f} %" for one in found)) for name, part in parts]
    rows += [
        ("mean wait", *(f"{one.waited['all'].mean_s:,.0f} s" for one in found)),
        ("mean time", *(f"{one.took['all'].mean_s:,.0f} s" for one in found)),
        ("preempted / interrupted", *(f"{one.num_preempted:,} / {one.num_interrupted:,}" for one in found)),
        ("lost: done again", *(f"{one.lost_device_s / 3600:,.1f} device h" for one in found)),
        ("cost", *(f"{one.cost / 1e6:,.2f}" for one in found)),
    ]
    return rows


def _cell(waited: Quantiles | None) -> str:
    return f"{waited.p50_s:,.0f} / {waited.p90_s:,.0f} / {waited.p99_s:,.0f}" if waited else "-"
