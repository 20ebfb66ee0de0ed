"""What people call data sets, and how they are told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivetrain.core.units import bytes_text, duration_text

if TYPE_CHECKING:
    from drivetrain.data import DataSet, Manifest


def json_text(value: object) -> str:
    """JSON for people and programs; a number that is not finite becomes null, as JSON has none."""
    import msgspec

    return msgspec.json.format(msgspec.json.encode(value), indent=1).decode()


def dataset_folder(name: str) -> Path:
    """A name without a slash is a data set under the home; anything else is a path."""
    from drivetrain.store import home

    return Path(name) if "/" in name else home() / "datasets" / name


def find_dataset(target: str) -> Path | None:
    """The folder of a data set, by path or by name; None when the target is no data set."""
    found = [folder for folder in (Path(target), dataset_folder(target)) if (folder / "manifest.json").is_file()]
    return found[0] if found else None


def existing_dataset(target: str, version: str | None) -> DataSet:
    """Open a data set by path or name. Raises DataError: there is none, or no such version of it."""
    from drivetrain.data import DataSet

    return DataSet.open(find_dataset(target) or dataset_folder(target), version)


def dataset_json(dataset: DataSet) -> dict[str, object]:
    """Plain values of a data set's manifest, its facts among them, and where it is."""
    values = asdict(dataset.manifest)
    return {"path": str(dataset.path), **values.pop("facts"), **values}


def dataset_text(dataset: DataSet) -> str:
    """What a data set is, in lines for people."""
    manifest = dataset.manifest
    num_bytes = sum(stored.size_bytes for stored in manifest.files.values())
    lines = [
        f"{dataset.path}",
        f"  version    {manifest.version}, made from {', '.join(f'{k} ({v})' for k, v in manifest.inputs.items())}",
        f"  samples    {_samples_text(manifest)}",
        *_left_out(manifest.facts),
        *([f"  classes    {', '.join(manifest.classes)}"] if manifest.classes else []),
        f"  files      {len(manifest.files)}, {bytes_text(num_bytes)}",
    ]
    lines += [f"  skipped    {key}: {reason}" for key, reason in manifest.facts.get("skipped", {}).items()]
    unknown = manifest.facts.get("unknown_classes")
    if unknown:
        lines.append(f"  unlabelled, since the classes are not known: {', '.join(unknown)}")
    return "\n".join(lines)


def _samples_text(manifest: Manifest) -> str:
    splits = ", ".join(f"{count} {split}" for split, count in manifest.num_samples.items())
    size = f"; {manifest.width}x{manifest.height} pixels" if manifest.width else ""
    labelled = f", {manifest.facts['labelled_pct']:.1f} % labelled" if "labelled_pct" in manifest.facts else ""
    return splits + (size or f"; parts {', '.join(manifest.parts)}") + labelled


def _left_out(facts: Mapping[str, Any]) -> list[str]:
    if "num_unmatched" not in facts:
        return []
    tolerance = duration_text(facts["tolerance_ns"])
    return [
        f"  left out   {facts['num_unmatched']} frames with no labelled sweep within {tolerance}, "
        f"{len(facts['skipped'])} that cannot be used"
    ]
