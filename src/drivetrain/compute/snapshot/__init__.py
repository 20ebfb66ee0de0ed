"""The code that a job travels with: files -> a manifest and blobs by content, and back.

`drivetrain submit` imports it, so each name loads its file at first use, and what only servers and agents need is
imported then.

listing.py    which files of a folder are its code
unchanged.py  the id of code that is as it was, without a look at what is in it
manifest.py   what a snapshot is; its id says all that is in it
take.py       a folder -> a manifest, quickly where little has changed
shelf.py      where contents and manifests are kept
unpack.py     a manifest and its blobs -> a folder, whole or not at all
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from drivetrain.compute.snapshot.manifest import Entry as Entry
    from drivetrain.compute.snapshot.manifest import Manifest as Manifest
    from drivetrain.compute.snapshot.manifest import decode_manifest as decode_manifest
    from drivetrain.compute.snapshot.shelf import CodeShelf as CodeShelf
    from drivetrain.compute.snapshot.take import MOST_BYTES as MOST_BYTES
    from drivetrain.compute.snapshot.take import take as take
    from drivetrain.compute.snapshot.unpack import unpack as unpack

_FILES = {
    "MOST_BYTES": "take",
    "CodeShelf": "shelf",
    "Entry": "manifest",
    "Manifest": "manifest",
    "decode_manifest": "manifest",
    "take": "take",
    "unpack": "unpack",
}

__all__ = ["MOST_BYTES", "CodeShelf", "Entry", "Manifest", "decode_manifest", "take", "unpack"]


def __getattr__(name: str) -> object:
    if name not in _FILES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(f"{__name__}.{_FILES[name]}"), name)
    globals()[name] = value  # a file's name may be that of what it has: `take`
    return value
