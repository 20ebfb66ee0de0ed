"""Ctrl-C in mid-epoch leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from drivetrain.data import DataSet

SCRIPT = Path(__file__).with_name("interrupted.py")


@pytest.mark.parametrize("where", ["waiting", "using"])
def test_ctrl_c_in_mid_epoch_ends_the_process_with_all_that_it_started(
    small_dataset: DataSet, tmp_path: Path, where: str
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), str(small_dataset.path), where],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(scratch)},
        start_new_session=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "in the middle\n"
        assert len(list(Path(f"/proc/{process.pid}/task").iterdir())) > 3
        assert "/dev/shm" not in Path(f"/proc/{process.pid}/maps").read_text()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == -signal.SIGINT
        assert process.stderr.read().rstrip().endswith("KeyboardInterrupt")
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    assert list(scratch.iterdir()) == []
