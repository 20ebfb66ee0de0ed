"""A job on the virtual clock: what it holds, how far it is, and what its own agent has measured.

The rules are those of Pollux's published simulator: a new placement costs a fixed time, batch sizes are chosen again at
each decision and at the end of each epoch, and a job ends after its application's number of epochs.
"""

from __future__ import annotations

from drivetrain.compute.policy.elastic.speed import batch_array, fit, speed_array
from drivetrain.compute.policy.elastic.values import ElasticJob, Knowledge, Measured, Placement, Speed
from drivetrain.compute.simulate.training.profiles import Profile
from drivetrain.compute.simulate.training.workload import Submitted


class PlayedJob:
    """One job; `advance` plays it, `place` gives it GPUs, `told` says what a policy may know of it."""

    def __init__(self, submitted: Submitted, profile: Profile, *, tunes_batch: bool, most_gpus: int) -> None:
        """Describe the job.

        Args:
          tunes_batch: it chooses batch sizes by what it has measured, where its user allows; else as submitted.
          most_gpus: of the cluster.
        """
        self.submitted, self.profile = submitted, profile
        self.finished_s: float | None = None
        self.placement: Placement = ()
        self.num_restarts = -1
        self.restarting_s = 0.0
        self.held_gpu_s = 0.0
        self.progress = 0.0
        self.epoch = 0
        self._tunes_batch = tunes_batch
        self._most_gpus = 1 if profile.fixed_batch else min(most_gpus, profile.most_gpus)
        self._fixed_batch = profile.fixed_batch if tunes_batch else submitted.batch
        self._local, self._parts = 0, 0
        self._noise = (0.0, 0.0)
        self._measured: dict[tuple[int, int, int], Measured] = {}
        self._told_measured: tuple[Measured, ...] = ()
        self._speed: Speed | None = None

    def place(self, placement: Placement, restart_s: float) -> None:
        """Give it other GPUs, or none."""
        self.placement = placement
        if placement:
            self.num_restarts += 1
            self.restarting_s = restart_s
            self._choose_batch()

    def advance(self, now_s: float, seconds: float, slowed: float = 1.0) -> None:
        """Play from `now_s` on for so long, or until it has finished."""
        if not self.placement:
            return
        waits = min(self.restarting_s, seconds)
        self._hold(waits)
        self.restarting_s -= waits
        now_s, seconds = now_s + waits, seconds - waits
        while seconds > 0 and self.finished_s is None:
            rate = self._rate() * slowed
            goal = float(self.profile.progress_E[self.epoch])
            if self.progress + rate * seconds < goal:
                self.progress += rate * seconds
                passed = seconds
            else:
                passed = min(float(round((goal - self.progress) / rate)), seconds)
                self.progress = goal
                self.epoch += 1
                if self.epoch == self.profile.num_epochs:
                    self.finished_s = now_s + passed
            self._hold(passed)
            now_s, seconds = now_s + passed, seconds - passed
            self._choose_batch()

    def told(self, knowledge: Knowledge, declared: float) -> ElasticJob:
        """What a policy may know of it; `declared` is the work that its user declared."""
        named = knowledge is not Knowledge.BLIND
        return ElasticJob(
            name=self.submitted.name,
            application=self.submitted.application if named else "",
            submitted_s=float(self.submitted.time_s),
            batch=self.profile.batch,
            fixed_batch=self._fixed_batch,
            most_gpus=self._most_gpus,
            requested_gpus=self.submitted.num_gpus,
            placement=self.placement,
            restarting=bool(self.placement) and self.restarting_s > 0,
            num_restarts=max(self.num_restarts, 0),
            held_gpu_s=self.held_gpu_s,
            measured=self._told_measured,
            speed=self._speed,
            noise=self._noise,
            progress=self.progress,
            declared=declared if knowledge is Knowledge.DECLARED else None,
        )

    @property
    def num_gpus(self) -> int:
        """That it holds."""
        return sum(count for _, count in self.placement)

    def _hold(self, seconds: float) -> None:
        self.held_gpu_s += seconds * self.num_gpus

    def _rate(self) -> float:
        """Progress a second of now, by what was measured of its application; it measures on the way."""
        from drivetrain.compute.policy.elastic.kernels.step import worth

        counts = tuple(count for _, count in self.placement)
        step_s, sync_s = self.profile.step_time_s(counts, self._local)
        batch = self.num_gpus * self._local * (self._parts + 1)
        self._noise = self.profile.noise(batch, self.epoch)
        key = (len(counts), self.num_gpus, self._local)
        if key not in self._measured:
            self._measured[key] = Measured(*key, step_s, sync_s)
            self._told_measured = tuple(self._measured.values())
            self._speed = fit(self._told_measured) if self._tunes_batch else None
        gain = worth(*self._noise, batch / self.profile.batch.smallest)
        return float(gain / (step_s + self._parts * max(step_s - sync_s, 0.0)))

    def _choose_batch(self) -> None:
        """Samples that a GPU takes at once, and how often more it accumulates, for what it holds now."""
        from drivetrain.compute.policy.elastic.kernels.step import best_batch, shared_out

        batch = self.profile.batch
        speed = None if self._fixed_batch else self._speed
        if speed is None:
            size = self._fixed_batch or max(batch.smallest, batch.smallest_local * self.num_gpus)
            local, parts = shared_out(size, self.num_gpus, batch.smallest, batch.largest_local)
        else:
            _, local, parts = best_batch(
                speed_array(speed), *self._noise, batch_array(batch), len(self.placement), self.num_gpus
            )
        self._local = min(local, batch.largest // (self.num_gpus * (parts + 1)))
        self._parts = parts
