"""What all tests share: where the real inputs are, a home of their own, and a check that nothing is left behind."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SET_BY_LIBRARIES = ("PYTEST", "TORCHINDUCTOR_", "LD_LIBRARY_PATH")  # pytest, torch, and OpenCV when imported


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real inputs; a test that wants it is skipped where it is absent, and fails in CI."""
    folder = Path(os.environ.get("DRIVETRAIN_TEST_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        reason = f"no real inputs at {folder}; set DRIVETRAIN_TEST_DATA"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_works() -> None:
    """A shell that started the tests in the background has them, and all they start, ignore Ctrl-C."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def leaves_no_trace() -> Iterator[None]:
    """Fail a test that leaves an environment variable or a thread of ours behind; undone last, after monkeypatch."""
    before = dict(os.environ)
    yield
    threads = [t.name for t in threading.enumerate() if t.name.startswith("drivetrain")]
    assert not threads, f"threads left running: {threads}"
    added = {k for k in os.environ if k not in before and not k.startswith(SET_BY_LIBRARIES)}
    assert not added, f"environment variables left set: {added}"


@pytest.fixture(autouse=True)
def own_home(leaves_no_trace: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of its own for each test, and none of the variables that a launcher sets."""
    for name in [name for name in os.environ if name.startswith(("DRIVETRAIN_", "TORCHELASTIC_"))]:
        if name != "DRIVETRAIN_TEST_DATA":
            monkeypatch.delenv(name)
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "home"
    monkeypatch.setenv("DRIVETRAIN_HOME", str(home))
    return home
