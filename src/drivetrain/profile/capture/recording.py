"""All that is on while steps are recorded: torch's profiler, and what the spec asks for besides."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity
from torch.profiler.profiler import _KinetoProfile

from drivetrain.core.errors import UsageError
from drivetrain.core.profiling import ProfileSpec, Subject
from drivetrain.profile.capture import files
from drivetrain.profile.capture.annotations import Annotations
from drivetrain.profile.capture.modules import Modules
from drivetrain.profile.capture.stacks import Stacks
from drivetrain.store import publish_bytes


class Recording:
    """In the training thread, but for `write`. The order: `prepare`, `start`, `stop`, `write`; `cancel` at any time.

    Attributes:
      annotations: of steps and phases.
    """

    def __init__(self, subject: Subject, spec: ProfileSpec, device: torch.device) -> None:
        self.annotations = Annotations(subject.phase)
        self._spec = spec
        self._is_cuda = device.type == "cuda"
        self._modules = None if subject.is_compiled or subject.model is None else Modules(subject.model)
        self._stacks = Stacks() if spec.stacks else None
        self._snapshot: object = None
        self._is_prepared = self._is_on = False
        activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * self._is_cuda
        # torch.profiler.profile numbers steps from 0; its base, documented too, leaves steps to us.
        self._profile = _KinetoProfile(activities=activities, record_shapes=True, profile_memory=spec.memory)
        if not torch.distributed.is_initialized():
            info = {"backend": "", "rank": subject.rank, "world_size": 1}
            self._profile.preset_metadata_json("distributedInfo", json.dumps(info))
        about = {
            "attempt": subject.attempt,
            "rank": subject.rank,
            "device": device.type,
            "precision": subject.precision,
        }
        self._profile.preset_metadata_json("drivetrain", json.dumps(about))

    def prepare(self) -> None:
        """Let the profiler warm up: what it does first takes longest. Raises UsageError: the program uses it."""
        _refuse_second()
        self._is_prepared = True
        self._profile.prepare_trace()

    def start(self) -> None:
        """Record from here on."""
        _refuse_second()
        if not self._is_prepared:
            self.prepare()
        if self._spec.memory and self._is_cuda:
            files.record_history(True)
        self._is_on = True
        self._profile.start_trace()
        if self._modules is not None:
            self._modules.start()
        if self._stacks is not None:
            self._stacks.start()
        self.annotations.start()

    def stop(self) -> None:
        """Until here; waits for an accelerator."""
        self.annotations.stop()
        if self._modules is not None:
            self._modules.stop()
        if self._stacks is not None:
            self._stacks.stop()
        if self._spec.memory and self._is_cuda:
            self._snapshot = files.take_snapshot()
            files.record_history(False)
        self._is_prepared = self._is_on = False
        self._profile.stop_trace()

    def cancel(self) -> None:
        """Leave nothing on, whatever it takes."""
        with suppress(Exception):
            if self._is_prepared and not self._is_on:  # torch ends no profiler that has not begun
                self._profile.start_trace()
                self._is_on = True
            if self._is_on:
                self.stop()

    def write(self, folder: Path, stem: str) -> tuple[str, ...]:
        """All files, in any thread; returns their names. Raises StoreError: the disk would not take one."""
        files.write_trace(self._profile, folder / f"{stem}.json.gz")
        names = [f"{stem}.json.gz"]
        if self._snapshot is not None:
            files.write_memory(self._snapshot, folder / f"{stem}.memory.pickle")
            names.append(f"{stem}.memory.pickle")
        if self._stacks is not None:
            publish_bytes(folder / f"{stem}.stacks.txt", self._stacks.text().encode())
            names.append(f"{stem}.stacks.txt")
        return tuple(names)


def _refuse_second() -> None:
    """Torch would end the one that is on, without a word."""
    if torch.autograd._profiler_enabled():  # type: ignore[attr-defined]  # torch lists it nowhere
        raise UsageError("the program has a profiler of its own on already")
