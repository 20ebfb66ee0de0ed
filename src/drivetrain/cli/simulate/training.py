"""`drivetrain simulate --workload --profiles`: how long elastic training jobs take under a policy."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from drivetrain.cli.simulate.fleet import number_of_nodes
from drivetrain.cli.simulate.played import move_bar, policies_json, text, write_page
from drivetrain.core.errors import UsageError

if TYPE_CHECKING:
    from drivetrain.cli.simulate.played import How
    from drivetrain.compute.policy.elastic import Policy
    from drivetrain.compute.simulate.summary import Course, Summary
    from drivetrain.compute.simulate.training import Outcome


def run(
    workload_file: Path,
    profiles_folder: Path | None,
    how: How,
    *,
    nodes: str | None,
    gpus_per_node: int | None,
    restart_s: float,
    declared_error: float,
) -> None:
    """Read the workload, play it under each policy, and print. Raises: UsageError: it is not said on what."""
    if profiles_folder is None or nodes is None or gpus_per_node is None:
        raise UsageError(
            "--workload needs --profiles, --nodes and --gpus-per-node",
            hint="--profiles FOLDER --nodes 16 --gpus-per-node 4",
        )
    import msgspec

    from drivetrain.core.extras import require

    for module in ("numpy", "numba", "scipy"):
        require(module, extra="compute")
    from drivetrain.cli.progress import bar_or_lines
    from drivetrain.compute.policy.elastic import DEFAULTS, Cluster, Knowledge, policy_named
    from drivetrain.compute.simulate.training import Conditions, play, read_profiles, read_workload

    chosen = [policy_named(name) for name in how.policies or [DEFAULTS[Knowledge.DECLARED]]]
    cluster = Cluster(number_of_nodes(nodes), gpus_per_node)
    workload = read_workload(workload_file)
    profiles = read_profiles(profiles_folder, workload)
    conditions = Conditions(restart_s=restart_s, declared_error=declared_error, seed=how.seed)
    outcomes: list[tuple[Policy, Outcome]] = []
    with bar_or_lines("simulate", len(chosen) * len(workload)) as advance:
        for policy in chosen:
            moved = partial(move_bar, advance, len(outcomes) * len(workload), policy.name)
            outcomes.append((policy, play(workload, profiles, cluster, policy, conditions, moved)))
    found = [_summed(policy, outcome) for policy, outcome in outcomes]
    if how.html is not None:
        write_page(how.html, found)
    told = [_told(*each) | msgspec.to_builtins(one) for each, (one, _) in zip(outcomes, found, strict=True)]
    if how.as_json:
        click.echo(policies_json(told))
    else:
        click.echo(
            f"{len(workload)} jobs on {cluster.num_nodes} nodes of {cluster.gpus_per_node} GPUs\n\n{_text(told)}"
            f"\n\n{text([one for one, _ in found])}"
        )


def _summed(policy: Policy, outcome: Outcome) -> tuple[Summary, Course]:
    """Classes are applications here."""
    from drivetrain.compute.simulate.summary import course, summary

    stories, fleet = outcome.account.stories.values(), outcome.account.fleet()
    return summary(policy.name, stories, fleet, kind=lambda story: story.job.team), course(stories, fleet)


def _told(policy: Policy, outcome: Outcome) -> dict[str, object]:
    return {
        "policy": policy.name,
        "knowledge": str(policy.knowledge),
        "mean_jct_s": outcome.mean_jct_s,
        "p50_jct_s": outcome.jct_quantile_s(0.5),
        "p99_jct_s": outcome.jct_quantile_s(0.99),
        "makespan_s": outcome.makespan_s,
        "gpu_hours": outcome.gpu_hours,
        "num_restarts": outcome.num_restarts,
        "jct_s": dict(outcome.jct_s),
    }


def _text(told: Sequence[dict[str, object]]) -> str:
    """A line for each policy."""
    lines = [
        f"{'policy':<16}  {'mean':>8}  {'median':>8}  {'99 %':>9}  {'makespan':>9}  {'GPU hours':>9}  {'restarts':>8}"
    ]
    lines += [
        f"{one['policy']:<16}  {one['mean_jct_s']:>6,.0f} s  {one['p50_jct_s']:>6,.0f} s  {one['p99_jct_s']:>7,.0f} s"
        f"  {one['makespan_s']:>7,.0f} s  {one['gpu_hours']:>9,.0f}  {one['num_restarts']:>8,}"
        for one in told
    ]
    return "\n".join(lines)
