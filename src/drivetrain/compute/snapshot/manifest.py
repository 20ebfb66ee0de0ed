"""What a snapshot is: paths with modes, sizes and hashes of contents. Its id is the hash of all that.

Annotations are types here and not texts of them, which msgspec would have to compile before an agent has its code.
"""

from pathlib import PurePosixPath

import msgspec

from drivetrain.core.errors import DataError, UsageError

MOST_FILES = 200_000
_MOST_PATH_CHARS, _MOST_FOLDERS = 4000, 100
_HASH_CHARS = 64


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One file or symbolic link.

    Attributes:
      path: relative, with `/`, never out of the folder.
      is_executable: whether it may be run.
      size_bytes: of the content.
      sha256: of the content, in hex; of a link's target text for a link.
      link: what a symbolic link says; empty for a file.
    """

    path: str
    is_executable: bool
    size_bytes: int
    sha256: str
    link: str = ""


class Manifest(msgspec.Struct, frozen=True):
    """A folder of code at one moment. Attributes: entries: by path."""

    entries: tuple[Entry, ...]

    @property
    def id(self) -> str:
        """`snapshot-` and the hash of what is in it: equal folders have equal ids."""
        import hashlib

        return "snapshot-" + hashlib.sha256(self.encoded()).hexdigest()

    @property
    def hashes(self) -> set[str]:
        """Of all contents, each once."""
        return {entry.sha256 for entry in self.entries if not entry.link}

    @property
    def size_bytes(self) -> int:
        """Of all files."""
        return sum(entry.size_bytes for entry in self.entries)

    def encoded(self) -> bytes:
        """As JSON, the same for equal manifests."""
        return msgspec.json.encode(self)


def decode_manifest(data: bytes) -> Manifest:
    """Read one that somebody sent. Raises: DataError: it is none, or a path in it leads out of its folder."""
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise DataError(f"this is no snapshot: {exc}") from exc
    if len(manifest.entries) > MOST_FILES:
        raise DataError(f"a snapshot of {len(manifest.entries)} files, expected at most {MOST_FILES}")
    seen: set[str] = set()
    paths = {entry.path for entry in manifest.entries}
    folders: set[str] = set()
    for entry in manifest.entries:
        _check(entry)
        if entry.path in seen:
            raise DataError(f"snapshot: {entry.path!r} is there twice")
        seen.add(entry.path)
        folder = entry.path.rpartition("/")[0]
        while folder and folder not in folders:
            if folder in paths:
                raise DataError(f"snapshot: {entry.path!r} lies behind a link or a file")
            folders.add(folder)
            folder = folder.rpartition("/")[0]
    return manifest


def stays_inside(path: str) -> bool:
    """Whether a path, taken from a folder, names something in it."""
    parts = path.split("/")
    return bool(path) and not path.startswith("/") and "\0" not in path and not {"", ".", ".."} & set(parts)


def check_lock(manifest: Manifest, folder: str, lock: str) -> None:
    """Whether a job's environment can be made. Args: folder: where it runs, in the code; lock: path from there.

    Raises: UsageError: there is no such file. What lies behind a link may be there.
    """
    path = PurePosixPath(folder) / lock
    known = {entry.path: entry for entry in manifest.entries}
    is_behind_link = any(entry.link for parent in path.parents if (entry := known.get(str(parent))))
    if str(path) not in known and not is_behind_link:
        hint = "a path from where the job runs, of a file that git does not ignore"
        raise UsageError(f"lock {lock[:60]!r}: there is no such file in the code", hint=hint)


def link_stays_inside(path: str, target: str) -> bool:
    """Whether a link at `path` leads to something in the folder."""
    if not target or target.startswith("/") or "\0" in target:
        return False
    depth = path.count("/")
    for part in target.split("/"):
        depth += {"..": -1, ".": 0, "": 0}.get(part, 1)
        if depth < 0:
            return False
    return True


def _check(entry: Entry) -> None:
    if len(entry.path) > _MOST_PATH_CHARS or entry.path.count("/") > _MOST_FOLDERS:
        raise DataError(f"snapshot: the path {entry.path[:60]!r}... is too long, or in too many folders")
    if not stays_inside(entry.path):
        raise DataError(f"snapshot: {entry.path!r} leads out of its folder")
    if entry.link and not link_stays_inside(entry.path, entry.link):
        raise DataError(f"snapshot: the link {entry.path!r} leads out of its folder, to {entry.link!r}")
    if len(entry.sha256) != _HASH_CHARS or not set(entry.sha256) <= set("0123456789abcdef"):
        raise DataError(f"snapshot: {entry.path!r} has no hash")
    if entry.size_bytes < 0:
        raise DataError(f"snapshot: {entry.path!r} has {entry.size_bytes} bytes")
