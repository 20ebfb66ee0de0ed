"""The folder of a run: what was asked, and where each room leaves what it made."""

from __future__ import annotations

import os
import re
from pathlib import Path

import msgspec
from msgspec import Struct, field

from drivetrain.core import clock, ids
from drivetrain.core.errors import StoreError, UsageError
from drivetrain.core.variables import home
from drivetrain.store.manifests import manifest_json
from drivetrain.store.publish import publish_bytes, publish_quickly
from drivetrain.store.root import make_home

_PROFILE_FILE = r"attempt-[0-9]+\.rank-[0-9]+\.steps-[0-9]+-[0-9]+\.(?:json\.gz|memory\.pickle|stacks\.txt)"


class RunManifest(Struct, frozen=True):
    """What was asked for when the run was made.

    Attributes:
      id: the run's id; ids sort by time.
      name: what people call it.
      command: the program and its arguments.
      num_ranks: how many processes.
      made_at_ns: UTC nanoseconds.
      environment: versions and machine, see core.environment.
      config: resolved settings, plain values.
    """

    id: str
    name: str
    command: list[str]
    num_ranks: int
    made_at_ns: int
    environment: dict[str, str] = field(default_factory=dict)
    config: dict[str, object] = field(default_factory=dict)


class RunFolder(Struct, frozen=True):
    """Paths of one run; making this value touches no disk."""

    path: Path

    @property
    def id(self) -> str:
        """The run's id, which is the folder's name."""
        return self.path.name

    @property
    def manifest_file(self) -> Path:
        """`run.json`."""
        return self.path / "run.json"

    @property
    def journal(self) -> Path:
        """One file of records per process."""
        return self.path / "journal"

    @property
    def launcher_journal(self) -> Path:
        """The launcher's records, of all attempts."""
        return self.journal / "launcher.jsonl"

    def node_journal(self, number: int) -> Path:
        """The records of a launcher that follows another one's word."""
        return self.journal / f"launcher.node-{number}.jsonl"

    def rank_journal(self, attempt: int, rank: int) -> Path:
        """The records of one rank of one attempt."""
        return self.journal / f"attempt-{attempt}.rank-{rank}.jsonl"

    @property
    def logs(self) -> Path:
        """What each rank of each attempt printed."""
        return self.path / "logs"

    def rank_log(self, attempt: int, rank: int) -> Path:
        """What one rank of one attempt printed."""
        return self.logs / f"attempt-{attempt}.rank-{rank}.log"

    def evidence(self, attempt: int) -> Path:
        """Where ranks write down what they are doing when one of them hangs."""
        return self.path / "evidence" / f"attempt-{attempt}"

    @property
    def resize_range(self) -> Path:
        """How few and how many ranks its launcher can give it; absent where their number is fixed."""
        return self.path / "ranks.json"

    @property
    def resize_request(self) -> Path:
        """The number of ranks that a person asks its launcher for."""
        return self.path / "ranks.wanted"

    @property
    def checkpoints(self) -> Path:
        """One folder per checkpoint."""
        return self.path / "checkpoints"

    @property
    def compiled(self) -> Path:
        """What torch.compile made, for the next start; code that is run, so only for the run's own user."""
        return self.path / "compile"

    @property
    def kept(self) -> Path:
        """Files that the training script kept."""
        return self.path / "kept"

    @property
    def profile(self) -> Path:
        """Traces and what belongs to them."""
        return self.path / "profile"

    @property
    def profile_request(self) -> Path:
        """What a person asks running ranks to profile; absent where nothing is asked."""
        return self.path / "profile.wanted"

    @property
    def profile_files(self) -> list[Path]:
        """The traces, snapshots and stacks of the run that are whole, by name; empty where it was never profiled."""
        try:
            return sorted(path for path in self.profile.iterdir() if re.fullmatch(_PROFILE_FILE, path.name))
        except OSError:
            return []

    @property
    def profile_page(self) -> Path:
        """The page about its traces."""
        return self.path / "profile.html"

    @property
    def report_file(self) -> Path:
        """The page about the run."""
        return self.path / "report.html"

    def manifest(self) -> RunManifest:
        """Read `run.json`.

        Raises: StoreError: it is missing or is not what we write.
        """
        try:
            return msgspec.json.decode(self.manifest_file.read_bytes(), type=RunManifest)
        except (OSError, msgspec.DecodeError) as exc:
            raise StoreError(
                f"{self.manifest_file} cannot be read: {exc}", hint="the folder is not a whole run"
            ) from exc


def run_folder(run_id: str, root: Path | None = None) -> RunFolder:
    """Where the run of an id lies in the home, or will. Args: root: the home, where it is known."""
    return RunFolder((root or home()) / "runs" / run_id)


def create_run(
    command: list[str],
    num_ranks: int,
    *,
    name: str = "",
    environment: dict[str, str] | None = None,
    config: dict[str, object] | None = None,
    run_id: str = "",
    is_durable: bool = True,
) -> RunFolder:
    """Make the folder of a new run in the home.

    Args:
      run_id: where it is known before; made again, it is as it was.
      is_durable: else it is only after `sync_files` of its manifest.
    Raises: StoreError: the disk would not take it.
    """
    run_id = run_id or ids.new_id("run")
    manifest = RunManifest(
        id=run_id,
        name=name or run_id,
        command=command,
        num_ranks=num_ranks,
        made_at_ns=clock.wall_ns(),
        environment=environment or {},
        config=config or {},
    )
    make_home()
    folder = run_folder(run_id)
    (publish_bytes if is_durable else publish_quickly)(folder.manifest_file, manifest_json(manifest))
    return folder


def open_run(name: str) -> RunFolder:
    """The run of an id, of the beginning of one, of a name, of a path to its folder, or `latest`.

    Raises: UsageError: there is none, or the beginning fits several.
    """
    if os.sep in name and RunFolder(Path(name)).manifest_file.is_file():
        return RunFolder(Path(name).absolute())
    manifests = list_runs()
    known = [manifest.id for manifest in manifests]
    if not known:
        raise UsageError(f"there are no runs in {home()}", hint="make one: drivetrain demo")
    found = known[:1] if name == "latest" else [run_id for run_id in known if run_id.startswith(name)]
    found = found or [manifest.id for manifest in manifests if manifest.name == name]
    if len(found) == 1:
        return run_folder(found[0])
    if found:
        raise UsageError(f"{name} fits {len(found)} runs: {', '.join(found[:5])}", hint="write more of the id")
    from drivetrain.core.config import nearest

    guess = nearest(name, known)
    raise UsageError(
        f"there is no run {name}", hint=f"did you mean {guess}?" if guess else "drivetrain runs lists them"
    )


def list_runs() -> list[RunManifest]:
    """All runs of the home, newest first; one that cannot be read is left out, with a warning in the log."""
    manifests = []
    for path in home().glob("runs/run-*/run.json"):
        try:
            manifests.append(RunFolder(path.parent).manifest())
        except StoreError as exc:
            import logging

            logging.getLogger(__name__).warning("left out: %s", exc)
    return sorted(manifests, key=lambda manifest: (manifest.made_at_ns, manifest.id), reverse=True)
