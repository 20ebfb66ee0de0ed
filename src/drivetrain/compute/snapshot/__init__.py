"""The code that a job travels with: files -> a manifest and blobs by content, and back.

`drivetrain submit` imports it, so that what only servers and agents need is imported at first use.

manifest.py  what a snapshot is; its id says all that is in it
take.py      a folder -> a manifest, quickly where little has changed
shelf.py     where contents and manifests are kept
unpack.py    a manifest and its blobs -> a folder, whole or not at all
"""

from drivetrain.compute.snapshot.manifest import Entry, Manifest, decode_manifest
from drivetrain.compute.snapshot.shelf import CodeShelf
from drivetrain.compute.snapshot.take import MOST_BYTES, take
from drivetrain.compute.snapshot.unpack import unpack

__all__ = ["MOST_BYTES", "CodeShelf", "Entry", "Manifest", "decode_manifest", "take", "unpack"]
