from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = f"{sys.executable} -m drivetrain"
SH = f"exec {PROGRAM}"


def shell(text: str, *, cwd: Path) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.run(["sh", "-c", text], cwd=cwd, env=env, capture_output=True, text=True, timeout=60)


def test_output_that_cannot_be_written_is_one_error_and_exit_74(tmp_path: Path) -> None:
    done = shell(f"{SH} data show synth > /dev/full", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (74, "error: the output cannot be written: No space left on device\n")


def test_a_reader_that_has_read_enough_is_no_error(tmp_path: Path) -> None:
    done = shell(f"({PROGRAM} data show synth --json; echo $? >&2) | :", cwd=tmp_path)
    assert done.stderr == "0\n"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_run_goes_its_way_where_standard_streams_are_closed(closed: str, tmp_path: Path) -> None:
    done = shell(f"{SH} run -- sh -c 'echo it ran > ran' {closed}", cwd=tmp_path)
    assert (done.returncode, (tmp_path / "ran").read_text()) == (0, "it ran\n")


def test_ctrl_c_while_the_command_still_imports_is_a_word_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "drivetrain").mkdir()
    (tmp_path / "drivetrain" / "__init__.py").write_text("raise KeyboardInterrupt")
    command = [sys.executable, "bin/drivetrain"]
    done = subprocess.run(command, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (130, "interrupted\n")


def test_a_bug_of_ours_is_called_one_and_exits_70() -> None:
    code = "import drivetrain.cli.group as g, drivetrain.cli.main as m; g.VERBS['no_such_file'] = ''; m.main()"
    done = subprocess.run([sys.executable, "-c", code, "no_such_file"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 70
    assert "error: a bug in drivetrain" in done.stderr
    assert done.stderr.rstrip().splitlines()[-1].startswith("hint: report it")
