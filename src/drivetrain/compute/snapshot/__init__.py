"""The code that a job travels with: files -> a manifest and blobs by content, and back.

`drivetrain submit` imports it, so each name loads its file at first use, and what only servers and agents need is
imported then.

listing.py    which files of a folder are its code
unchanged.py  the id of code that is as it was, without a look at what is in it
manifest.py   what a snapshot is; its id says all that is in it
taking.py     a folder -> a manifest, quickly where little has changed
batches.py    many small contents in one message
shelf.py      where contents and manifests are kept
unpacking.py  a manifest and its blobs -> a folder, whole or not at all
"""

from __future__ import annotations

from drivetrain.core.lazily import lazily

TYPE_CHECKING = False
if TYPE_CHECKING:
    from drivetrain.compute.snapshot.manifest import Entry as Entry
    from drivetrain.compute.snapshot.manifest import Manifest as Manifest
    from drivetrain.compute.snapshot.manifest import decode_manifest as decode_manifest
    from drivetrain.compute.snapshot.shelf import CodeShelf as CodeShelf
    from drivetrain.compute.snapshot.taking import MOST_BYTES as MOST_BYTES
    from drivetrain.compute.snapshot.taking import take as take
    from drivetrain.compute.snapshot.unpacking import unpack as unpack

__getattr__ = lazily(
    __name__,
    {
        "MOST_BYTES": "taking",
        "CodeShelf": "shelf",
        "Entry": "manifest",
        "Manifest": "manifest",
        "decode_manifest": "manifest",
        "take": "taking",
        "unpack": "unpacking",
    },
)

__all__ = ["MOST_BYTES", "CodeShelf", "Entry", "Manifest", "decode_manifest", "take", "unpack"]
