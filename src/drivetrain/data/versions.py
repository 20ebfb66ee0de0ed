"""Data sets appear whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from drivetrain.data.dataset import DataSet
from drivetrain.data.manifest import Manifest, Step, with_id, write_manifest
from drivetrain.data.sample import Encoded
from drivetrain.data.shards import Written, write_samples
from drivetrain.store import publish_folder


def write_dataset(
    out: Path | str,
    samples: Iterable[Encoded],
    *,
    columns: Mapping[str, pa.DataType] | None = None,
    inputs: Mapping[str, str] | None = None,
    steps: Sequence[Step] = (),
    facts: Mapping[str, Any] | None = None,
) -> DataSet:
    """Make a data set of samples, in the order given.

    Args:
      out: the folder to make; nothing is there until all of it is.
      samples: read once.
      columns: Arrow types of columns by name; others are told from the samples.
      inputs: name of each log -> hash of its content.
      steps: what was done to make the samples.
      facts: plain values about all of them, such as `classes`; read when the last sample has been.
    Raises:
      DataError: two samples have one key, or a column's values are of several kinds.
      StoreError: `out` exists, or the disk would not take it.
    """
    out = Path(out)
    with publish_folder(out) as folder:
        written = write_samples(folder, samples, columns)
        write_first_manifest(folder, written, inputs=inputs or {}, steps=steps, facts=facts or {})
    return DataSet.open(out)


def write_first_manifest(
    folder: Path, written: Written, *, inputs: Mapping[str, str], steps: Sequence[Step], facts: Mapping[str, Any]
) -> Manifest:
    """Describe what a `ShardWriter` wrote into a folder as the first version of a data set."""
    manifest = Manifest(
        version="",
        parent="",
        num_samples=written.num_samples,
        parts=written.parts,
        fragments=(written.fragment,),
        columns={},
        deleted="",
        slices={},
        inputs=dict(inputs),
        steps=tuple(steps),
        facts=dict(facts),
        files=written.files,
    )
    manifest = with_id(manifest)
    write_manifest(folder, manifest)
    return manifest
