"""What a version of a data set is: its shards, index, added columns and deletions, and what it was made from.

manifest.json       the current version
versions/ID.json    each version, the current one too
index-00000.arrow   rows of the samples that came together: key, split, shard, columns, where each part's bytes are
column-X-HASH.arrow a column that was added later
deleted-HASH.arrow  rows that were deleted
shard-00000.tar     KEY.image.jpg, KEY.label.png, ..., one after the other
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import msgspec

from drivetrain.core.errors import DataError
from drivetrain.data.format1 import Format1, read_format_1
from drivetrain.store import StoredFile, home, manifest_json, publish_bytes

FORMAT = 2
MANIFEST_FILE, VERSIONS_FOLDER = "manifest.json", "versions"
_SHA256 = re.compile("[0-9a-f]{64}")
_MOST_VERSIONS = 100_000


def _code_version() -> str:
    from importlib.metadata import version  # takes longer than all else here

    return f"drivetrain {version('drivetrain')}"


@dataclass(frozen=True, slots=True)
class Step:
    """Something that was done on the way to a data set.

    Attributes:
      op: what it is called.
      settings: plain values that decide what it does.
      code: the version of its code.
    """

    op: str
    settings: dict[str, Any] = field(default_factory=dict)
    code: str = field(default_factory=_code_version)


@dataclass(frozen=True, slots=True)
class Manifest:
    """One version of a data set.

    Attributes:
      version: hash of the content (samples, columns, deletions, slices); not of how it came to be.
      parent: the version that this one was made from; empty for the first.
      num_samples: by split, without deleted ones.
      parts: name of each part of a sample -> its codec.
      fragments: files of the index, in the order of rows.
      columns: name of each column that was added later -> its file, whose rows are the first of the index.
      deleted: file of the deleted rows, counted over all fragments; empty when there are none.
      slices: name -> predicate over the index's columns.
      inputs: name of each log -> hash of its content.
      steps: what was done, first to last, over all ancestors.
      facts: what else its maker says of it, plain values.
      files: every file but the manifests.
      format: version of this layout.
    """

    version: str
    parent: str
    num_samples: dict[str, int]
    parts: dict[str, str]
    fragments: tuple[str, ...]
    columns: dict[str, str]
    deleted: str
    slices: dict[str, str]
    inputs: dict[str, str]
    steps: tuple[Step, ...]
    facts: dict[str, Any]
    files: dict[str, StoredFile]
    format: int = FORMAT

    @property
    def classes(self) -> tuple[str, ...]:
        """What label 0, 1, ... means; empty where samples have no label maps of ours."""
        return tuple(self.facts.get("classes", ()))

    @property
    def width(self) -> int:
        """Of images and label maps, in pixels; 0 where samples have none of one size."""
        return cast(int, self.facts.get("width", 0))

    @property
    def height(self) -> int:
        """As `width`."""
        return cast(int, self.facts.get("height", 0))


def content_id(manifest: Manifest) -> str:
    """Sixteen hex digits that name a version's content; the order in which columns and slices came changes nothing."""
    files = manifest.files
    meta = {*manifest.fragments, *manifest.columns.values(), manifest.deleted}
    lines = [f"fragment {files[name].sha256}" for name in manifest.fragments]
    lines += [f"shard {name} {files[name].sha256}" for name in sorted(files) if name not in meta]
    lines += [f"column {name} {files[file].sha256}" for name, file in sorted(manifest.columns.items())]
    lines += [f"deleted {files[manifest.deleted].sha256}"] if manifest.deleted else []
    lines += [f"slice {name} {where}" for name, where in sorted(manifest.slices.items())]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def read_manifest(path: Path, version: str | None = None) -> Manifest:
    """The manifest of a data set's folder: of its current version, or of the one that is named.

    Raises: DataError: there is none, or it is not what we write.
    """
    file = path / MANIFEST_FILE
    if version is not None:
        current = read_manifest(path)
        if version == current.version:
            return current
        file = _version_file(path, version)
    return _read(file)


def with_id(manifest: Manifest) -> Manifest:
    """The same with the version that its content asks for."""
    return replace(manifest, version=content_id(manifest))


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Make a version the current one; raises StoreError, and then the one before stays.

    A version that was there before keeps its own story.
    """
    file = folder / VERSIONS_FOLDER / f"{manifest.version}.json"
    if file.is_file():
        publish_bytes(folder / MANIFEST_FILE, file.read_bytes())
    else:
        publish_bytes(file, manifest_json(manifest))
        publish_bytes(folder / MANIFEST_FILE, manifest_json(manifest))


def keep_version(folder: Path) -> None:
    """See to it that the current version has a file of its own; those of the first format have none."""
    file = folder / VERSIONS_FOLDER / f"{read_manifest(folder).version}.json"
    if not file.is_file():
        publish_bytes(file, (folder / MANIFEST_FILE).read_bytes())


def all_versions(path: Path) -> list[Manifest]:
    """Every version in a data set's folder, in no order; raises DataError as `read_manifest` does."""
    files = sorted((path / VERSIONS_FOLDER).glob("*.json"))
    return [read_manifest(path), *(_read(file) for file in files)]


def list_versions(path: Path) -> list[Manifest]:
    """The current version of a data set and those it came from, first to last; raises as `read_manifest` does."""
    found = [read_manifest(path)]
    while found[-1].parent and len(found) < _MOST_VERSIONS:
        found.append(read_manifest(path, found[-1].parent))
    return found[::-1]


def _confine(file: Path, names: Iterable[str]) -> None:
    """Raises DataError: a manifest names a file that is not directly in its data set's folder."""
    for name in names:
        if Path(name).name != name or name in ("", ".", ".."):
            raise DataError(f"{file} names a file {name!r} outside of the data set's folder")


def _version_file(path: Path, version: str) -> Path:
    folder = path / VERSIONS_FOLDER
    known = sorted(file.stem for file in folder.glob("*.json"))
    found = [name for name in known if len(version) >= 4 and name.startswith(version)]
    if len(found) != 1:
        raise DataError(
            f"data set {path} has {len(found) or 'no'} versions {version!r}"[:400],
            hint=f"it has {', '.join(known)}" if known else "it has one version",
        )
    return folder / f"{found[0]}.json"


def _elsewhere(file: Path) -> str:
    """What commands call by a name lies in the home; here, it is a path that counts."""
    named = home() / "datasets" / file.parent.name
    if file.parent.parent == Path() and (named / MANIFEST_FILE).is_file():
        return f"did you mean {named}? a name alone is only for commands"
    return "make one: `drivetrain data ingest LOG --out NAME` prints where it is"


def _read(file: Path) -> Manifest:
    try:
        data = file.read_bytes()
    except OSError as exc:
        raise DataError(
            f"there is no data set at {file.parent}: cannot read {file.name}: {exc.strerror}", hint=_elsewhere(file)
        ) from exc
    try:
        number = msgspec.json.decode(data, type=dict[str, Any]).get("format")
        if number not in (1, FORMAT):
            raise DataError(f"{file} has format {number}; this version reads formats 1 and {FORMAT}")
        manifest = _from_format_1(read_format_1(data)) if number == 1 else msgspec.json.decode(data, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise DataError(f"{file} is not a data set's manifest: {exc}") from exc
    _confine(file, [*manifest.files, manifest.version])
    for name, stored in manifest.files.items():
        if not _SHA256.fullmatch(stored.sha256):
            raise DataError(f"{file} says that {name} has the SHA-256 {stored.sha256!r:.80}, which is none")
    if number == 1:
        return manifest
    absent = {*manifest.fragments, *manifest.columns.values(), *filter(None, [manifest.deleted])} - set(manifest.files)
    if absent or content_id(manifest) != manifest.version:
        raise DataError(
            f"{file} was altered: it says version {manifest.version}, but its content is another",
            hint=f"files under {VERSIONS_FOLDER}/ name the versions that were written",
        )
    return manifest


def _from_format_1(old: Format1) -> Manifest:
    facts = ("num_unmatched", "tolerance_ns", "labelled_pct", "skipped", "unknown_classes")
    return Manifest(
        version=old.version,
        parent="",
        num_samples=old.num_samples,
        parts={"image.jpg": "jpg", "label.png": "png"},
        fragments=("index.arrow",),
        columns={},
        deleted="",
        slices={},
        inputs=old.inputs,
        steps=(),
        facts={name: getattr(old, name) for name in ("classes", "width", "height", *facts)},
        files=old.files,
        format=1,
    )
