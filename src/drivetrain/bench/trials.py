"""Runs one trial of a recipe in fresh processes, and says what it measured or why it failed."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from drivetrain.bench.measure import Measured, measure
from drivetrain.core import clock, environment, ids, variables
from drivetrain.core.errors import DrivetrainError
from drivetrain.core.trials import FACTS, Facts, Trial
from drivetrain.launch import Launcher, LaunchSpec, Progress
from drivetrain.ledger import read_history
from drivetrain.store import RunFolder, RunManifest, manifest_json, publish_bytes

_COMPILED = "TORCHINDUCTOR_CACHE_DIR"  # shared, so that only the first trial that compiles something waits for it
_PRELOAD = ("numpy", "torch", "torch._dynamo", "drivetrain.train")  # what a trial needs: it saves no checkpoints
_BY_SIGNAL = 128  # a launcher that a person stopped exits with this and the signal


class StoppedError(Exception):
    """A person stopped a trial (Ctrl-C, SIGTERM): what is known so far is all there will be."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A trial that did not come to its end, in one paragraph."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What is tried: a command, as `drivetrain run` takes it.

    Attributes:
      command: program and arguments.
      num_ranks: processes on this machine.
      root: folder that the trials are left in, as runs.
    """

    command: tuple[str, ...]
    num_ranks: int
    root: Path


class Trials:
    """Runs trials of one recipe, one after the other.

    Attributes:
      facts: what the newest trial that got so far found out about recipe and machine.
    """

    def __init__(self, recipe: Recipe, on_progress: Callable[[str], None]) -> None:
        """Prepare; starts nothing.

        Args:
          on_progress: called several times a second with a few words on the trial that runs.
        """
        self._recipe = recipe
        self._on_progress = on_progress
        self._environment = environment.capture()
        self._compiled = {} if _COMPILED in os.environ else {_COMPILED: str(recipe.root / "compiled")}
        self.facts: Facts | None = None

    def run(self, name: str, trial: Trial) -> Measured | Failed:
        """Run a trial to its end.

        Args:
          name: what it is called in progress and in its run.
        Raises:
          StoppedError: a person stopped it.
          UsageError: there is no such program.
        """
        self._recipe.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = self._make_run(name)
        spec = LaunchSpec(
            command=self._recipe.command,
            num_ranks=self._recipe.num_ranks,
            restarts=0,
            env={variables.TRIAL: trial.text(), **self._compiled},
            preload=_PRELOAD,
        )

        def show(progress: Progress) -> None:
            self._on_progress(f"{name}, step {0 if progress.step is None else progress.step + 1}")

        self._on_progress(name)
        outcome = Launcher(spec, folder, output=lambda *_: None, on_progress=show).run()
        if outcome.exit_code > _BY_SIGNAL:
            raise StoppedError
        if outcome.exit_code:
            return Failed(outcome.reason)
        return self._measured(folder)

    def _measured(self, folder: RunFolder) -> Measured | Failed:
        try:
            self.facts = msgspec.json.decode((folder.kept / FACTS).read_bytes(), type=Facts)
            return measure(read_history(folder).events)
        except FileNotFoundError:
            return Failed("it made no dt.Run, or never went over run.steps, so that nothing can be tried on it")
        except DrivetrainError as exc:
            return Failed(exc.message)

    def _make_run(self, name: str) -> RunFolder:
        folder = RunFolder(self._recipe.root / "runs" / ids.new_id("run"))
        manifest = RunManifest(
            id=folder.id,
            name=name,
            command=list(self._recipe.command),
            num_ranks=self._recipe.num_ranks,
            made_at_ns=clock.wall_ns(),
            environment=self._environment,
        )
        publish_bytes(folder.manifest_file, manifest_json(manifest))
        return folder
