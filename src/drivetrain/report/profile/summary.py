"""A profile as one plain object, for programs that read `drivetrain profile report --json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from drivetrain.report.profile.story import Process, ProfileStory

_KEYS = ("compute_us", "exposed_comm_us", "exposed_memcpy_us", "busy_us", "idle_us", "total_us")


def profile_json(story: ProfileStory) -> dict[str, object]:
    """Plain values; keys are said in docs/guides/profile.md. `_us` are floats, `_ns` integers."""
    return {
        "ranks": [_process_json(process) for process in story.processes],
        "findings": [asdict(finding) for finding in story.findings],
        "across": dict(story.across),
        "notes": list(story.notes),
        "unread": dict(story.unread),
    }


def _process_json(process: Process) -> dict[str, object]:
    others = {key: value for key, value in process.breakdown.items() if key not in _KEYS}
    return {
        "label": process.label,
        "file": process.file,
        "rank": process.rank,
        "world_size": process.world_size,
        "device": process.device,
        **{key: process.breakdown[key] for key in _KEYS},
        **others,
        **process.figures,
        "num_events": process.num_events,
        "events": dict(process.counts),
        "skipped": dict(process.skipped),
        "steps": [asdict(step) for step in process.steps],
        "facts": _facts_json(process),
        "kernels": [asdict(line) for line in process.kernels],
        "operators": [asdict(line) for line in process.operators],
        "modules": [asdict(line) for line in process.modules],
        "collectives": [asdict(line) for line in process.collectives],
        "memory": None if process.memory is None else asdict(process.memory),
        "roofline": None if process.roofline is None else asdict(process.roofline),
        "critical_path": None if process.critical is None else asdict(process.critical),
        "notes": list(process.notes),
    }


def _facts_json(process: Process) -> Mapping[str, object]:
    return {
        key: value for key, value in asdict(process.facts).items() if not key.startswith(("step_", "top_", "label"))
    }
