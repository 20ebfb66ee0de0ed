"""What was made, whole or invisible: folders of runs, checkpoints and data sets under one root.

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

from drivetrain.core.variables import home
from drivetrain.store.captures import Captured, Program, read_captured, read_program
from drivetrain.store.checkpoints import (
    CheckpointManifest,
    LocalShelf,
    SavedState,
    Tier,
    checkpoint_folder,
    drop_leftovers,
    list_checkpoints,
    read_checkpoint,
)
from drivetrain.store.local import LocalBlobs
from drivetrain.store.manifests import StoredFile, file_hash, manifest_json
from drivetrain.store.publish import (
    DISK_HINT,
    publish_bytes,
    publish_file,
    publish_folder,
    publish_into,
    publish_quickly,
    sync_files,
)
from drivetrain.store.retention import Known, Retention, what_to_delete
from drivetrain.store.runs import RunFolder, RunManifest, create_run, list_runs, open_run, run_folder
from drivetrain.store.shelf import Shelf, newest_good, open_shelf, shelf_of
from drivetrain.store.verify import verify_checkpoint

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
