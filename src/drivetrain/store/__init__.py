"""What was made, whole or invisible: folders of runs, checkpoints and data sets under one root.

publish.py      write aside, flush, rename
manifests.py    values as readable JSON, files as size and hash
local.py        bytes by key on the local disk, behind the Protocol that buckets will use
runs.py         the folder of a run and its manifest; finding and listing runs
checkpoints.py  what makes a checkpoint complete; which there are, which one to use, which to delete
"""

from drivetrain.core.variables import home
from drivetrain.store.checkpoints import (
    CheckpointManifest,
    SavedState,
    checkpoint_folder,
    drop_leftovers,
    list_checkpoints,
    newest_complete,
    read_checkpoint,
    retain_checkpoints,
    verify_checkpoint,
)
from drivetrain.store.local import LocalBlobs
from drivetrain.store.manifests import StoredFile, file_hash, manifest_json
from drivetrain.store.publish import DISK_HINT, publish_bytes, publish_folder
from drivetrain.store.runs import RunFolder, RunManifest, create_run, list_runs, open_run, run_folder

__all__ = [
    "DISK_HINT",
    "CheckpointManifest",
    "LocalBlobs",
    "RunFolder",
    "RunManifest",
    "SavedState",
    "StoredFile",
    "checkpoint_folder",
    "create_run",
    "drop_leftovers",
    "file_hash",
    "home",
    "list_checkpoints",
    "list_runs",
    "manifest_json",
    "newest_complete",
    "open_run",
    "publish_bytes",
    "publish_folder",
    "read_checkpoint",
    "retain_checkpoints",
    "run_folder",
    "verify_checkpoint",
]
