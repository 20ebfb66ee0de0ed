"""A run's account as one plain object, for programs that read `drivetrain report --json`."""

from __future__ import annotations

from dataclasses import asdict

import msgspec

from drivetrain.report.recoveries import recoveries_json
from drivetrain.report.story import Story


def summary(story: Story) -> dict[str, object]:
    """Everything in integer nanoseconds of device time; `leaves` sums to `allocated_ns` exactly."""
    account = story.account
    return {
        "id": story.manifest.id,
        "name": story.manifest.name,
        "status": story.status,
        "as_of_ns": story.as_of_ns,
        "allocated_ns": account.allocated_ns,
        "leaves": dict(account.leaves),
        "by_rank": {str(rank): dict(leaves) for rank, leaves in account.by_rank.items()},
        "queued_ns": account.queued_ns,
        "goodput_pct": account.goodput_pct,
        "program_goodput_pct": account.program_goodput_pct,
        "ideal_ns": account.ideal_ns,
        "num_attempts": account.num_attempts,
        "num_steps_kept": account.num_steps_kept,
        "num_steps_lost": account.num_steps_lost,
        "is_running": account.is_running,
        "findings": [asdict(finding) for finding in story.findings],
        "checkpoints": [
            {"step": line.step, "tier": None if line.manifest is None or line.problem else line.manifest.tier}
            for line in story.checkpoints
        ],
        "profiles": [msgspec.to_builtins(captured) for captured in story.profiles],
        "profile_findings": [msgspec.to_builtins(finding) for finding in story.profile_findings],
        "recoveries": recoveries_json(story.recoveries),
        "results": {result.name: result.value for result in story.results},
    }
