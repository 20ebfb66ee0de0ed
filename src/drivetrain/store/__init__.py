"""What was made, whole or invisible: folders of runs, checkpoints and data sets under one root.

publish.py      write aside, flush, rename; content hashes
runs.py         the folder of a run and its manifest; finding and listing runs
"""

from drivetrain.store.publish import file_hash, publish_bytes, publish_folder
from drivetrain.store.runs import RunFolder, RunManifest, create_run, home, list_runs, open_run

__all__ = [
    "RunFolder",
    "RunManifest",
    "create_run",
    "file_hash",
    "home",
    "list_runs",
    "open_run",
    "publish_bytes",
    "publish_folder",
]
