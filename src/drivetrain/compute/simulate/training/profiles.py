"""What was measured of an application: step times by placement and batch size, gradient noise and progress by epoch.

A folder of Pollux's traces holds, for an application, `placements.csv` and `scalability.csv` (step times) and
`validation-BATCH.csv` (a line an epoch). Between what was measured, values are interpolated as its publisher does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.compute.policy.elastic.values import Batch
from drivetrain.compute.simulate.training.tables import read_table
from drivetrain.core.errors import DataError

Floats = npt.NDArray[np.float64]

LARGEST_LOCAL = {"yolov3": 8}
"""Where it is less than what was measured: the publisher's `applications.py`."""
FIXED_BATCH = {"ncf": 32768}
"""Played with one GPU and this batch size by every policy: the publisher's `simulator.py`."""
MOST_NODES = 16
"""More nodes are as fast as so many: the publisher's rule."""
LARGEST_SIZE = 10**9
"""Of what is counted in a table."""
LONGEST_S = 366 * 24 * 3600
"""That a job may take at its fastest: a simulation ends."""
_DIGITS = 9  # of a placement's id: GPUs of a node are a digit


@dataclass(frozen=True)
class Profile:
    """An application.

    Attributes:
      batches: sizes for which epochs were measured, ascending; B of them.
      progress_E, noise_BE2: progress at the end of each epoch, and (squared norm, variance) of the gradient in it.
      by_placement: placement id -> (local batch, step_s, sync_s) as columns, rows by local batch.
      points_N5: (nodes, GPUs, local batch, step_s, sync_s) of all that was measured, for what lies between.
    """

    name: str
    batch: Batch
    fixed_batch: int | None
    batches: tuple[int, ...]
    progress_E: Floats
    noise_BE2: Floats
    by_placement: Mapping[int, Floats] = field(repr=False)
    points_N5: Floats = field(repr=False)
    _known: dict[object, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def num_epochs(self) -> int:
        """After which a job ends."""
        return len(self.progress_E)

    @property
    def most_per_node(self) -> int:
        """GPUs of one node that were measured."""
        return max(int(digit) for placement in self.by_placement for digit in str(placement))

    @property
    def most_gpus(self) -> int:
        """GPUs that were measured, of all nodes together, and that its largest batch can keep busy."""
        return min(int(self.points_N5[:, 1].max()), self.batch.largest // self.batch.smallest_local)

    @property
    def progress(self) -> float:
        """Of a whole job."""
        return float(self.progress_E[-1])

    def step_time_s(self, counts: tuple[int, ...], local_batch: int) -> tuple[float, float]:
        """Seconds of a step and of its exchange of gradients, with so many GPUs on each node.

        Raises: DataError: it lies outside what was measured.
        """
        counts = min(counts[k:] + counts[:k] for k in range(len(counts)))
        key = (counts, local_batch)
        if key not in self._known:
            self._known[key] = self._step_time_s(counts, local_batch)
        found: tuple[float, float] = self._known[key]
        return found

    def noise(self, batch: int, epoch: int) -> tuple[float, float]:
        """Squared norm and variance of the gradient in an epoch, at a batch size within those measured."""
        key = (batch, epoch)
        if key not in self._known:
            at_B2 = self.noise_BE2[:, epoch]
            self._known[key] = tuple(float(np.interp(batch, self.batches, at_B2[:, k])) for k in range(2))
        found: tuple[float, float] = self._known[key]
        return found

    def _step_time_s(self, counts: tuple[int, ...], local_batch: int) -> tuple[float, float]:
        table = self.by_placement.get(int("".join(map(str, counts)))) if len(counts) <= _DIGITS else None
        if table is not None:
            if not table[0, 0] <= local_batch <= table[-1, 0]:
                raise self._not_measured(counts, local_batch)
            return tuple(float(np.interp(local_batch, table[:, 0], table[:, k])) for k in (1, 2))  # type: ignore[return-value]
        if "between" not in self._known:
            from scipy.interpolate import LinearNDInterpolator

            try:
                self._known["between"] = LinearNDInterpolator(self.points_N5[:, :3], self.points_N5[:, 3:])
            except (RuntimeError, ValueError) as exc:  # too few points, or all in one plane
                raise self._not_measured(counts, local_batch) from exc
        step_s, sync_s = self._known["between"]([min(len(counts), MOST_NODES), sum(counts), local_batch])[0]
        if not step_s > 0:
            raise self._not_measured(counts, local_batch)
        return float(step_s), float(sync_s)

    def _not_measured(self, counts: tuple[int, ...], local_batch: int) -> DataError:
        return DataError(
            f"{self.name}: no step time was measured near {sum(counts)} GPUs on {len(counts)} nodes with {local_batch} "
            "samples each",
            hint="ask for fewer GPUs, or for a batch size that shares out among them",
        )


def read_profile(folder: Path, application: str) -> Profile:
    """Read the traces of an application. Raises DataError: there are none, or a file is not what it should be."""
    traces = folder / application
    paths = {path: path.stem.removeprefix("validation-") for path in traces.glob("validation-*.csv")}
    by_batch = sorted(
        (int(size), path) for path, size in paths.items() if size.isdecimal() and 0 < int(size) < LARGEST_SIZE
    )
    if not by_batch:
        there = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
        raise DataError(
            f"{folder} has no profile of {application}: no validation-BATCH.csv in {traces}",
            hint=f"there are {', '.join(there)}" if there else "--profiles is a folder with a folder an application",
        )
    epochs = [read_table(path, ("progress", "grad_sqr", "grad_var")) for _, path in by_batch]
    num_epochs = min(map(len, epochs))
    placed = read_table(traces / "placements.csv", ("placement", "local_bsz", "step_time", "sync_time"))
    placed = placed[np.lexsort((placed[:, 1], placed[:, 0]))]
    scaled = read_table(
        traces / "scalability.csv", ("num_nodes", "num_replicas", "local_bsz", "step_time", "sync_time")
    )
    _check_step_times(traces / "placements.csv", placed)
    _check_step_times(traces / "scalability.csv", scaled)
    progress_E = np.min([table[:num_epochs, 0] for table in epochs], axis=0)
    if not (np.diff(progress_E, prepend=0.0) > 0).all():
        raise DataError(f"{traces}: progress does not grow from epoch to epoch in its validation-BATCH.csv")
    batches = tuple(size for size, _ in by_batch)
    largest_local = LARGEST_LOCAL.get(application, int(placed[:, 1].max()))
    batch = Batch(batches[0], batches[-1], int(placed[:, 1].min()), largest_local)
    if batch.smallest_local > batch.largest:
        raise DataError(
            f"{traces / 'placements.csv'}: a GPU was measured with {batch.smallest_local} samples and more, and the "
            f"largest batch of a validation-BATCH.csv has {batch.largest}"
        )
    points_N5 = np.concatenate([_by_size(placed), scaled])
    least_s = float(progress_E[-1] * batch.smallest / batch.largest * points_N5[:, 3].min())
    if least_s > LONGEST_S:
        raise DataError(
            f"{traces}: {application} takes {least_s / 86400:.0f} days or more; up to {LONGEST_S // 86400} are played",
            hint="progress is counted in steps at the smallest batch, step times are seconds",
        )
    return Profile(
        name=application,
        batch=batch,
        fixed_batch=FIXED_BATCH.get(application),
        batches=batches,
        progress_E=progress_E,
        noise_BE2=np.array([table[:num_epochs, 1:] for table in epochs]),
        by_placement={int(key): placed[placed[:, 0] == key][:, 1:] for key in np.unique(placed[:, 0])},
        points_N5=points_N5,
    )


def _check_step_times(path: Path, table: Floats) -> None:
    """The last two columns are times, those before them sizes. Raises DataError: they are none."""
    sizes, step_s = table[:, :-2], table[:, -2]
    if not (step_s > 0).all():
        raise DataError(f"{path} has a step_time of 0; a step takes time")
    wrong = sizes[(sizes != np.floor(sizes)) | (sizes < 1) | (sizes >= LARGEST_SIZE)]
    if not len(wrong) and path.name == "placements.csv":
        wrong = np.array([placement for placement in table[:, 0] if "0" in str(int(placement))])
    if len(wrong):
        raise DataError(
            f"{path} has a placement or size of {wrong[0]:g}",
            hint="nodes, GPUs and samples are whole numbers from 1; a placement has the GPUs of each node as a digit",
        )


def _by_size(placed_N4: Floats) -> Floats:
    """Means over placements of equally many nodes and GPUs, ordered by (nodes, GPUs, local batch)."""
    digits = [str(int(placement)) for placement in placed_N4[:, 0]]
    sizes_N3 = np.array([[len(d), sum(map(int, d)), b] for d, b in zip(digits, placed_N4[:, 1], strict=True)])
    keys, inverse = np.unique(sizes_N3, axis=0, return_inverse=True)
    inverse = inverse.reshape(-1)
    counts = np.bincount(inverse)
    means = [np.bincount(inverse, weights=placed_N4[:, k]) / counts for k in (2, 3)]
    return np.column_stack([keys, *means])
