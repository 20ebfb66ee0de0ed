"""What was made, whole or invisible: folders of runs, checkpoints and data sets under one root.

root.py         the root itself, which git leaves alone
publish.py      write aside, flush, rename
manifests.py    values as readable JSON, files as size and hash
local.py        bytes by key on the local disk, behind the Protocol that buckets will use
runs.py         the folder of a run and its manifest; finding and listing runs
captures.py     what profiles of a run leave beside its traces
checkpoints.py  what a checkpoint holds; folders of them
shelf.py        where a run's checkpoints stand, folder or bucket; which one to go on from
layout.py       how tensors lie in a checkpoint's files, and which rank writes which
writing.py      a rank's part becomes a file, all parts a checkpoint; writer.py, writer_process.py: beside the training
verify.py       compare a checkpoint with its manifest
finite.py       whether numbers in memory are all finite
retention.py    which checkpoints to delete
objects.py      objects of a bucket by name, tried again where they do not answer
buckets.py      checkpoints in an object store
export.py       the weights as one safetensors file
"""

from __future__ import annotations

from drivetrain.core.lazily import lazily
from drivetrain.core.variables import home

TYPE_CHECKING = False
if TYPE_CHECKING:
    from drivetrain.store.captures import Captured as Captured
    from drivetrain.store.captures import Program as Program
    from drivetrain.store.captures import read_captured as read_captured
    from drivetrain.store.captures import read_program as read_program
    from drivetrain.store.checkpoints import CheckpointManifest as CheckpointManifest
    from drivetrain.store.checkpoints import LocalShelf as LocalShelf
    from drivetrain.store.checkpoints import SavedState as SavedState
    from drivetrain.store.checkpoints import Tier as Tier
    from drivetrain.store.checkpoints import checkpoint_folder as checkpoint_folder
    from drivetrain.store.checkpoints import drop_leftovers as drop_leftovers
    from drivetrain.store.checkpoints import list_checkpoints as list_checkpoints
    from drivetrain.store.checkpoints import read_checkpoint as read_checkpoint
    from drivetrain.store.local import LocalBlobs as LocalBlobs
    from drivetrain.store.manifests import StoredFile as StoredFile
    from drivetrain.store.manifests import file_hash as file_hash
    from drivetrain.store.manifests import manifest_json as manifest_json
    from drivetrain.store.publish import DISK_HINT as DISK_HINT
    from drivetrain.store.publish import publish_bytes as publish_bytes
    from drivetrain.store.publish import publish_file as publish_file
    from drivetrain.store.publish import publish_folder as publish_folder
    from drivetrain.store.publish import publish_into as publish_into
    from drivetrain.store.publish import publish_quickly as publish_quickly
    from drivetrain.store.publish import sync_files as sync_files
    from drivetrain.store.retention import Known as Known
    from drivetrain.store.retention import Retention as Retention
    from drivetrain.store.retention import what_to_delete as what_to_delete
    from drivetrain.store.root import make_home as make_home
    from drivetrain.store.runs import RunFolder as RunFolder
    from drivetrain.store.runs import RunManifest as RunManifest
    from drivetrain.store.runs import create_run as create_run
    from drivetrain.store.runs import list_runs as list_runs
    from drivetrain.store.runs import open_run as open_run
    from drivetrain.store.runs import run_folder as run_folder
    from drivetrain.store.shelf import Shelf as Shelf
    from drivetrain.store.shelf import newest_good as newest_good
    from drivetrain.store.shelf import open_shelf as open_shelf
    from drivetrain.store.shelf import shelf_of as shelf_of
    from drivetrain.store.verify import verify_checkpoint as verify_checkpoint

__getattr__ = lazily(
    __name__,
    {
        "Captured": "captures",
        "Program": "captures",
        "read_captured": "captures",
        "read_program": "captures",
        "CheckpointManifest": "checkpoints",
        "LocalShelf": "checkpoints",
        "SavedState": "checkpoints",
        "Tier": "checkpoints",
        "checkpoint_folder": "checkpoints",
        "drop_leftovers": "checkpoints",
        "list_checkpoints": "checkpoints",
        "read_checkpoint": "checkpoints",
        "LocalBlobs": "local",
        "StoredFile": "manifests",
        "file_hash": "manifests",
        "manifest_json": "manifests",
        "DISK_HINT": "publish",
        "publish_bytes": "publish",
        "publish_file": "publish",
        "publish_folder": "publish",
        "publish_into": "publish",
        "publish_quickly": "publish",
        "sync_files": "publish",
        "Known": "retention",
        "Retention": "retention",
        "what_to_delete": "retention",
        "make_home": "root",
        "RunFolder": "runs",
        "RunManifest": "runs",
        "create_run": "runs",
        "list_runs": "runs",
        "open_run": "runs",
        "run_folder": "runs",
        "Shelf": "shelf",
        "newest_good": "shelf",
        "open_shelf": "shelf",
        "shelf_of": "shelf",
        "verify_checkpoint": "verify",
    },
)

__all__ = [
    "DISK_HINT",
    "Captured",
    "CheckpointManifest",
    "Known",
    "LocalBlobs",
    "LocalShelf",
    "Program",
    "Retention",
    "RunFolder",
    "RunManifest",
    "SavedState",
    "Shelf",
    "StoredFile",
    "Tier",
    "checkpoint_folder",
    "create_run",
    "drop_leftovers",
    "file_hash",
    "home",
    "list_checkpoints",
    "list_runs",
    "make_home",
    "manifest_json",
    "newest_good",
    "open_run",
    "open_shelf",
    "publish_bytes",
    "publish_file",
    "publish_folder",
    "publish_into",
    "publish_quickly",
    "read_captured",
    "read_checkpoint",
    "read_program",
    "run_folder",
    "shelf_of",
    "sync_files",
    "verify_checkpoint",
    "what_to_delete",
]
