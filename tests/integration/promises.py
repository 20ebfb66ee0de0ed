"""What must hold of a control plane once it has come to rest, whatever was done to it."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.integration.control_plane import ControlPlane

FINAL = ("succeeded", "failed", "stopped", "refused")
_SETTLES_S = 240.0
_BY_ROUNDING_MS = 2


@dataclass(frozen=True)
class _Log:
    """What a rank of a job said: attempts of its launcher that began, and how many of them came to their end."""

    begun: Sequence[str]
    num_ended: int
    has_overlap: bool


def come_to_rest(plane: ControlPlane) -> None:
    """Wait until each job has come to its end, and nothing of them is left."""
    for what, is_so in (
        ("jobs have ended", lambda: all(job["state"] in FINAL for job in plane.jobs())),
        ("their processes have ended", lambda: not plane.processes()),
        ("Slurm's jobs have ended", lambda: not _slurm_jobs(plane)),
        ("what agents were told is put away", lambda: not any((plane.home / "agents").iterdir())),
        ("nodes are whole, as the next look at Slurm shows", lambda: not _missing_milli(plane)),
    ):
        plane.wait_for(is_so, f"that all {what}", _SETTLES_S, now_and_then=plane.slurm.tend)
        plane.say(f"all {what}")


def check(plane: ControlPlane) -> None:
    """All of it."""
    said = (plane.folder / "server.log").read_text()
    assert "a bug in" not in said, said[said.index("a bug in") - 3000 :][:6000]
    jobs = {job["id"]: plane.client().job(job["id"]) for job in plane.jobs()}
    assert set(plane.taken.values()) <= set(jobs), "a job that was accepted is lost"
    assert len(plane.taken) == len(plane.jobs_of) == len(jobs), "each request made one job"
    for job in jobs.values():
        _check_runs(plane, job)
    for node in plane.client().ask("GET", "/api/nodes"):
        assert not node["attempts"], f"{node['name']} is still held by {node['attempts']}"
    _check_account(plane, jobs)


def _check_runs(plane: ControlPlane, job: dict[str, Any]) -> None:
    """That it ran as often as it had to, and never twice at once."""
    name, attempts = job["id"], job["attempts"]
    logs = [_log(plane, name, rank) for rank in range(int(job["job"]["nodes"]))]
    num_lost = sum(bool(attempt["lost"]) for attempt in attempts)
    for log in logs:
        assert not log.has_overlap, f"{name} ran twice at once"
        twice = [number for number, count in Counter(log.begun).items() if count > 1]
        assert not twice, f"attempt {twice} of {name} began twice"
        assert len(log.begun) <= len(attempts) * (1 + job["job"]["retries"]), f"{name} began {len(log.begun)} times"
        # what ended may run again only if nobody heard of it, or if others of its gang have to
        assert len(logs) > 1 or log.num_ended <= 1 + num_lost, f"{name} ran to its end {log.num_ended} times"
        assert job["state"] != "succeeded" or log.num_ended, f"{name} succeeded without its end"
    assert all(attempt["state"] == "ended" for attempt in attempts), f"{name} has ended, its attempts have not"
    reasons = [attempt["reason"] for attempt in attempts]
    assert "a bug" not in f"{job['reason']} {reasons}", f"{name}: {job['reason']} {reasons}"


def _log(plane: ControlPlane, job: str, rank: int) -> _Log:
    path = plane.log_folder / f"{job}.{rank}.log"
    lines = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
    begun = [words[1] for words in lines if words[0] == "start"]
    return _Log(begun, sum(words == ["end"] for words in lines), ["overlap"] in lines)


def _check_account(plane: ControlPlane, jobs: dict[str, dict[str, Any]]) -> None:
    """That leaves sum to the capacity, and that each job's are the time for which its attempts held devices."""
    found = plane.client().ask("GET", "/api/cost?by=job&since_s=1000000")["json"]
    assert found["capacity_device_ms"] > 0
    assert sum(found["leaves_device_ms"].values()) == found["capacity_device_ms"]
    assert sum(sum(row["leaves_device_ms"].values()) for row in found["rows"]) == found["capacity_device_ms"]
    assert found["uncarried_device_ms"] == 0, "devices were given to two at once"
    told_ms = {row["job"]: sum(row["leaves_device_ms"].values()) for row in found["rows"] if row["job"]}
    for name, job in jobs.items():
        held_ms = sum(map(_held_ms, job["attempts"]))
        assert abs(told_ms.get(name, 0) - held_ms) <= _BY_ROUNDING_MS, f"{name} held {held_ms:.0f} device-ms"


def _held_ms(attempt: dict[str, Any]) -> float:
    milli = sum(milli for share in attempt["shares"] for _, milli in share["milli"])
    return (attempt["ended_s"] - attempt["placed_s"]) * float(milli)  # s x milli-devices


def _missing_milli(plane: ControlPlane) -> dict[str, Any]:
    """By node, what is free of its devices where that is not all."""
    nodes = plane.client().ask("GET", "/api/nodes")
    return {node["name"]: node["free_milli"] for node in nodes if set(node["free_milli"]) != {1000}}


def _slurm_jobs(plane: ControlPlane) -> list[str]:
    done = subprocess.run(
        ["squeue", "--noheader", "--format=%k"],
        env={"PATH": "/usr/bin:/bin", **plane.slurm.env},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise OSError(done.stderr)
    names = {f"drivetrain:{job}" for job in plane.taken.values()}
    return [line for line in done.stdout.split() if line.rpartition(".")[0] in names]
