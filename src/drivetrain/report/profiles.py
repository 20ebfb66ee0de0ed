"""The part of a run's page about its profiles: what was recorded, what that cost, and program goodput."""

from __future__ import annotations

from pathlib import Path

from drivetrain.core.clock import wall_ns
from drivetrain.core.errors import DataError, MissingExtraError, StoreError
from drivetrain.core.units import duration_text
from drivetrain.figures import Markup, element, join
from drivetrain.report.html import facts, section, table
from drivetrain.report.profile_findings import keep_profile_findings
from drivetrain.report.sections import finding_item
from drivetrain.report.story import Story
from drivetrain.store import Captured, Program, RunFolder, publish_bytes

_MOST_ROWS = 100
_MOST_FINDINGS = 3


def profiles_section(story: Story) -> Markup:
    """Profiled steps with links to their files; nothing where no step was ever profiled."""
    if not story.profiles:
        return Markup("")
    shown = story.profiles[:_MOST_ROWS]
    columns = ["#rank", "#attempt", "steps", "#a step, profiled", "#without", "#cost", "#held up", "files"]
    listed = table(columns, [_row(captured) for captured in shown], caption="Profiled steps")
    page = (
        element("p", element("a", "Where each step's time goes", href=story.profile_page)) if story.profile_page else ""
    )
    note = f"{len(story.profiles) - len(shown):,} more in profile/" if len(shown) < len(story.profiles) else ""
    return section("Profile", _findings(story), page, _program(story), listed, note=note)


def write_profile_page(run: RunFolder) -> Path | None:
    """Write `profile.html` into the run's folder, unless it is newer than all traces; None where there are none.

    A trace that cannot be read, or a machine without what reading needs, leaves the page out.
    """
    traces = [path for path in run.profile_files if path.name.endswith(".json.gz")]
    newest_ns = max((path.stat().st_mtime_ns for path in traces), default=0)
    if not traces:
        return None
    if run.profile_page.is_file() and run.profile_page.stat().st_mtime_ns >= newest_ns:
        return run.profile_page
    try:
        from drivetrain.report.profile import gather_profile, profile_page

        found = gather_profile(traces, with_figures=False)
        keep_profile_findings(run, found.findings)
        publish_bytes(run.profile_page, profile_page(found, run.id, wall_ns()).encode())
    except (DataError, MissingExtraError, StoreError, ImportError):
        return None
    return run.profile_page


def _findings(story: Story) -> Markup:
    """The largest losses within a step."""
    items = [
        finding_item(f"{100 * one.share:.1f} %", one.text, one.evidence, one.change, one.gain)
        for one in story.profile_findings[:_MOST_FINDINGS]
    ]
    return element("ul", *items, class_="findings") if items else Markup("")


def _program(story: Story) -> Markup:
    program, account = story.program, story.account
    if program is None or account.program_goodput_pct is None:
        return element("p", "Program goodput was not measured.")
    program_pct = account.program_goodput_pct
    both = f"{account.goodput_pct * program_pct / 100:.2f} % = RG {account.goodput_pct:.1f} % x PG {program_pct:.2f} %"
    pairs = [
        ("program goodput PG", f"{program_pct:.2f} % = ideal / productive device time"),
        ("RG x PG", f"{both} = ideal / allocated device time"),
        ("ideal", f"{duration_text(account.ideal_ns or 0)}: the kept steps' arithmetic at the device's peak"),
        ("a step's arithmetic", _arithmetic_text(program)),
        ("peak of a device", f"{program.peak_flops_per_s / 1e12:,.3f} TFLOP/s, {program.peak_source}"),
    ]
    return facts(pairs)


def _arithmetic_text(program: Program) -> str:
    return (
        f"{program.flops_per_step / 1e9:,.3f} GFLOP on all ranks, in {program.dtype} on {program.device}; the model's"
        f" forward and backward passes, counted in step {program.step}"
    )


def _row(captured: Captured) -> list[str]:
    links = [element("a", _kind(name), href=f"profile/{name}") for name in captured.files]
    return [
        str(captured.rank),
        str(captured.attempt),
        f"{captured.first} to {captured.until - 1}",
        duration_text(captured.during_ns),
        "–" if captured.before_ns is None else duration_text(captured.before_ns),
        captured.cost_text,
        duration_text(captured.held_up_ns),
        captured.error or join(*(part for link in links for part in (link, " "))),
    ]


def _kind(name: str) -> str:
    """A word for a file, by its ending."""
    return "memory" if name.endswith(".memory.pickle") else "stacks" if name.endswith(".stacks.txt") else "trace"
