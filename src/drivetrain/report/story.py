"""Everything a page says about a run, gathered from its folder as values."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from drivetrain.core.errors import CheckpointIncomplete, StoreError
from drivetrain.ledger import Account, Recovery, account_of, read_history, recoveries, scalars
from drivetrain.monitor import Evidence, Finding, evidence_of, findings
from drivetrain.report.kept import Gallery, Result, read_gallery, read_results
from drivetrain.report.profile_findings import ProfileFinding, read_profile_findings
from drivetrain.store import (
    Captured,
    CheckpointManifest,
    LocalShelf,
    Program,
    RunFolder,
    RunManifest,
    Shelf,
    read_captured,
    read_program,
    shelf_of,
)

logger = logging.getLogger(__name__)

Status = Literal["no records", "running", "finished", "stopped", "failed"]

Scalars = Mapping[str, Sequence[tuple[int, int, float]]]
"""Metric -> (step, UTC ns, value), by step; one value a step."""


@dataclass(frozen=True, slots=True)
class CheckpointLine:
    """One checkpoint as the page lists it.

    Attributes:
      step: training goes on from it with this step.
      manifest: what it holds, or None when that cannot be read.
      problem: why training would not go on from it, in words, or empty.
    """

    step: int
    manifest: CheckpointManifest | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Story:
    """What is known about a run at one moment.

    Attributes:
      manifest: what was asked for.
      account: where the device time went.
      evidence: deaths, checkpoints, hangs.
      findings: the losses worth acting on.
      recoveries: how each attempt followed the one before.
      scalars: metrics over steps.
      gallery: pictures.
      results: final values.
      results_error: what is wrong with `results.json`, or empty.
      checkpoints: those still there, by step.
      profiles: steps that were profiled, by rank and step.
      profile_findings: what their traces say, largest loss first.
      program: what they told of the program; None where nothing was measured.
      profile_page: the name of the page about them, beside this one; empty where there is none.
      num_unreadable: lines of its journals that could not be read.
      as_of_ns: when this was gathered, UTC.
    """

    manifest: RunManifest
    account: Account
    evidence: Evidence
    findings: Sequence[Finding]
    recoveries: Sequence[Recovery]
    scalars: Scalars
    gallery: Gallery
    results: Sequence[Result]
    results_error: str
    checkpoints: Sequence[CheckpointLine]
    profiles: Sequence[Captured]
    profile_findings: Sequence[ProfileFinding]
    program: Program | None
    profile_page: str
    num_unreadable: int
    as_of_ns: int

    @property
    def newest(self) -> CheckpointManifest | None:
        """What training would go on from: the newest checkpoint without a problem."""
        return next((line.manifest for line in reversed(self.checkpoints) if not line.problem), None)

    @property
    def status(self) -> Status:
        """How the run stands."""
        return status_of(self.account, self.evidence)


def status_of(account: Account, evidence: Evidence) -> Status:
    """How a run stands: `no records` when nothing was ever allocated; `stopped` when a person or a scheduler ended it;
    `failed` when it ended otherwise than well.
    """
    if not account.intervals:
        return "no records"
    if account.is_running:
        return "running"
    if evidence.was_stopped:
        return "stopped"
    return "finished" if evidence.has_finished else "failed"


def gather(run: RunFolder) -> Story:
    """Read a run's folder.

    Raises:
      StoreError: the folder has no readable `run.json`.
      DataError: a journal cannot be read.
      LedgerError: the account contradicts itself.
    """
    manifest = run.manifest()
    records = read_history(run)
    as_of_ns = records.now_ns()
    account = account_of(records.events, records.lease_ns, as_of_ns)
    account.check()
    evidence = evidence_of(records.events)
    results, results_error = read_results(run.kept / "results.json")
    return Story(
        manifest=manifest,
        account=account,
        evidence=evidence,
        findings=findings(account, evidence),
        recoveries=recoveries(records.events),
        scalars=scalars(records.events),
        gallery=read_gallery(run.kept),
        results=results,
        results_error=results_error,
        checkpoints=_checkpoint_lines(shelf_of(run.checkpoints)),
        profiles=read_captured(run.profile),
        profile_findings=read_profile_findings(run),
        program=read_program(run.profile),
        profile_page=run.profile_page.name if run.profile_page.is_file() else "",
        num_unreadable=records.num_unreadable,
        as_of_ns=as_of_ns,
    )


def _checkpoint_lines(shelf: Shelf) -> list[CheckpointLine]:
    try:
        return [_checkpoint_line(shelf, step) for step in shelf.steps()]
    except StoreError as exc:
        logger.warning("the checkpoints are left out: %s", exc.message)
        return []


def _checkpoint_line(shelf: Shelf, step: int) -> CheckpointLine:
    try:
        manifest = shelf.manifest(step)
    except CheckpointIncomplete:
        return CheckpointLine(step, None, "damaged: its manifest cannot be read")
    if not manifest.finite:
        return CheckpointLine(step, manifest, "never: its weights are not finite")
    damage = _file_damage(shelf, manifest)
    return CheckpointLine(step, manifest, f"damaged: {damage}" if damage else "")


def _file_damage(shelf: Shelf, manifest: CheckpointManifest) -> str:
    """What a look at its files' sizes finds; nothing in a bucket, where each look is a request."""
    if not isinstance(shelf, LocalShelf):
        return ""
    sizes = {name: file.size_bytes for name, file in manifest.files.items()}
    sizes |= {name: shard.size_bytes for name, shard in manifest.shards.items()}
    for name, expected_bytes in sizes.items():
        try:
            size_bytes = Path(shelf.path(manifest.step, name)).stat().st_size
        except OSError as exc:
            return f"{name} cannot be read: {exc.strerror}"
        if size_bytes != expected_bytes:
            return f"{name} has {size_bytes} bytes; the manifest says {expected_bytes}"
    return ""
