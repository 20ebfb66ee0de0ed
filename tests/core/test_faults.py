"""Planned failures: their text, when they strike, and what they do to a process."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import psutil
import pytest

from drivetrain.core.errors import UsageError
from drivetrain.core.faults import Fault, planned


@pytest.mark.parametrize("kind", ["kill", "stop", "hang", "raise", "full", "room"])
def test_a_fault_reads_what_it_writes(kind: str) -> None:
    fault = Fault(kind, 1, 48, 2)
    assert Fault.parse(str(fault)) == fault
    assert Fault.parse(f"{kind}:rank=1,step=48") == Fault(kind, 1, 48)


def test_an_unknown_fault_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="'melt:rank=0,step=1' is no fault") as refused:
        Fault.parse("melt:rank=0,step=1")
    assert "kill, stop, hang, raise, full, room" in str(refused.value)


def test_only_faults_of_this_rank_and_attempt_are_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIVETRAIN_FAULT", "kill:rank=1,step=4;hang:rank=1,step=9,attempt=1;raise:rank=0,step=4")
    assert planned(1, 0) == {4: Fault("kill", 1, 4)}
    assert planned(1, 1) == {9: Fault("hang", 1, 9, 1)}
    assert planned(0, 1) == {}


def struck(*kinds: str) -> str:
    """What a process prints that writes a large file after each of these faults, and has a child do so."""
    script = f"""
    import subprocess, sys
    from drivetrain.core.faults import Fault

    writes = "open('large', 'wb').write(bytes(1 << 20))"
    child = f"for line in sys.stdin:\\n  try:\\n    {{writes}}; print('wrote')\\n  except OSError: print('full')"
    child = subprocess.Popen([sys.executable, "-uc", f"import sys\\n{{child}}"], stdin=-1, stdout=-1, text=True)
    for kind in {kinds}:
        Fault(kind, 0, 0).strike()
        try:
            exec(writes)
            print("wrote", end=" ")
        except OSError:
            print("full", end=" ")
        print("go", file=child.stdin, flush=True)
        print(child.stdout.readline().strip())
    child.communicate()
    """
    return subprocess.check_output([sys.executable, "-c", textwrap.dedent(script)], text=True)


def test_a_full_disk_is_full_for_what_the_process_started_too_until_there_is_room(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert struck("full", "room").splitlines() == ["full full", "wrote wrote"]


def test_a_stopped_process_goes_on_when_it_is_told_to() -> None:
    script = "from drivetrain.core.faults import Fault\nFault('stop', 0, 0).strike()\nprint('went on')"
    process = subprocess.Popen([sys.executable, "-c", script], stdout=-1, text=True)
    watched = psutil.Process(process.pid)
    while watched.status() != psutil.STATUS_STOPPED:
        assert process.poll() is None
    watched.resume()
    assert process.communicate(timeout=30)[0] == "went on\n"
