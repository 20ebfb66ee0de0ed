"""Looks at every step's numbers, tells people and the ledger of bad ones, and says when to go back or to stop."""

from __future__ import annotations

import contextlib
import math
import warnings
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

import msgspec
import torch

from drivetrain.core.errors import AnomalyError, UsageError
from drivetrain.ledger import Recorder
from drivetrain.train.anomaly import History, Reading, Verdict, judge
from drivetrain.train.settings import Anomaly
from drivetrain.train.spikes import Spikes

ANOMALIES = "anomalies.jsonl"


class Watch:
    """One rank's view of a run's numbers; they are the same on every rank, so that all decide alike.

    Rank 0 warns of each bad step and adds it to `anomalies.jsonl` among what the run keeps.
    """

    def __init__(
        self, policy: Anomaly, recorder: Recorder, kept: Path | None, samples_of: Callable[[int], Sequence[str]]
    ) -> None:
        self._policy = policy
        self._recorder = recorder
        self._kept = kept  # None on ranks other than 0
        self._samples_of = samples_of
        self._spikes = None if policy.spike is None else Spikes(policy.spike)
        self._history = History()
        self._readings: deque[Reading | _Late] = deque()
        self.limit = math.inf

    @property
    def is_calm(self) -> bool:
        """Whether the last step was good; only then is the state worth saving."""
        return not self._history.streak

    def leaves_out(self, step: int) -> bool:
        """Whether this step's update is not to be applied, whatever its numbers."""
        return step in self._history.suspects

    def add(self, reading: Reading) -> None:
        """A step's numbers, known already."""
        self._readings.append(reading)

    def add_late(self, step: int, numbers: torch.Tensor, limit: float) -> None:
        """A step's loss, norm and loss scale, which the device is still to compute."""
        self._readings.append(_Late(step, numbers, limit))

    def settle(self, *, everything: bool) -> bool:
        """Judge the steps whose numbers are there, or `everything`, which may wait for the device.

        Returns: whether the run is to go back to its newest checkpoint.
        Raises: AnomalyError: it is to stop.
        """
        while self._readings:
            first = self._readings[0]
            if isinstance(first, _Late):
                if not everything and len(self._readings) == 1:
                    return False
                first = first.read()
            self._readings.popleft()
            if self._judge(first) == "back":
                self._readings.clear()
                return True
        return False

    def went_back(self, to: int, history: History) -> None:
        """The run is at an earlier step again, and must not forget why."""
        self._history = history
        if self._kept is not None:
            reached = history.furthest
            warnings.warn(f"went back from step {reached} to the checkpoint of step {to}", stacklevel=5)  # likewise

    @property
    def history(self) -> History:
        """What is remembered from step to step."""
        return self._history

    def state_dict(self) -> dict[str, Any]:
        """History, recent losses and what is not judged yet; plain. Waits for numbers that are on their way.

        A checkpoint is written when all is judged; a rank that dies in between finds the rest in a peer's memory.
        """
        return {
            "history": self._history.plain(),
            "losses": [] if self._spikes is None else self._spikes.state(),
            "readings": [list(astuple(r.read() if isinstance(r, _Late) else r)) for r in self._readings],
        }

    def load_state_dict(self, state: Mapping[str, Any], /) -> None:
        """Go back to what `state_dict` gave."""
        self._history = History.of(state["history"])
        self._readings = deque(Reading(*numbers) for numbers in state["readings"])
        if self._spikes is not None:
            self._spikes.load(state["losses"])
            self.limit = self._spikes.limit

    def _judge(self, reading: Reading) -> Verdict:
        step = reading.step
        if self.leaves_out(step):
            self._tell(reading, "its update came before everything was wrong", "left out")
            return "skip"
        if reading.is_overflow:
            self._recorder.skip(step)
            return "skip"
        wrong = reading.wrong
        self._history, verdict = judge(self._history, self._policy, step, is_anomalous=bool(wrong))
        if verdict != "good":
            self._tell(reading, wrong, "its update is skipped")
        elif self._spikes is not None:
            self._spikes.add(reading.loss)
            self.limit = self._spikes.limit
        if verdict == "stop":
            raise self._stopped(reading)
        return verdict

    def _tell(self, reading: Reading, wrong: str, then: str) -> None:
        self._recorder.skip(reading.step)
        if self._kept is None:
            return
        samples = self._samples(reading.step)
        row = {"step": reading.step, "loss": reading.loss, "norm": reading.norm, "wrong": wrong, "samples": samples}
        with contextlib.suppress(OSError):  # a full disk must not stop training, and the warning says the same
            self._kept.mkdir(parents=True, exist_ok=True)
            with (self._kept / ANOMALIES).open("ab") as file:
                file.write(msgspec.json.encode(row) + b"\n")
        warnings.warn(f"step {reading.step}{_named(samples)}: {wrong}; {then}", stacklevel=6)  # the loop over run.steps

    def _stopped(self, reading: Reading) -> AnomalyError:
        streak = self._history.streak
        named = [f"{step}{_named(self._samples(step))}" for step in streak]
        went_back = self._history.furthest >= 0
        return AnomalyError(
            f"{len(streak)} steps in a row went wrong: {', '.join(named)}; in the last one {reading.wrong}"
            + (f"; the run had gone back from step {self._history.furthest}, which did not help" if went_back else ""),
            hint="look at these samples, lower the learning rate, or clip; see 'When numbers go wrong' in the guide",
        )

    def _samples(self, step: int) -> list[str]:
        """Names of a step's samples; none where the loader cannot tell."""
        try:
            return list(self._samples_of(step))
        except UsageError:
            return []


def _named(samples: list[str], num_shown: int = 3) -> str:
    if not samples:
        return ""
    more = len(samples) - num_shown
    return f" ({', '.join(samples[:num_shown])}{f' and {more} more' if more > 0 else ''})"


class _Late:
    """Numbers on their way from the device."""

    def __init__(self, step: int, numbers: torch.Tensor, limit: float) -> None:
        self._step, self._limit = step, limit
        self._arrived = None
        if numbers.is_cuda:
            self._numbers = torch.empty(numbers.shape, pin_memory=True).copy_(numbers, non_blocking=True)
            self._arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]  # torch has no types here
            self._arrived.record()
        else:
            self._numbers = numbers.clone()

    def read(self) -> Reading:
        """Wait for them, though seldom: they were sent a step ago."""
        if self._arrived is not None:
            self._arrived.synchronize()
        loss, norm, loss_scale = self._numbers.tolist()
        return Reading(self._step, loss, norm, self._limit, loss_scale)
