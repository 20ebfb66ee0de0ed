"""What all tests share: where the real inputs are, a home of their own, and a check that nothing is left behind."""

from __future__ import annotations

import functools
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from tests import warm_nursery

hypothesis.settings.register_profile("shared machine", deadline=None)  # a slow moment of it is no failure
hypothesis.settings.load_profile("shared machine")

ROOT = Path(__file__).resolve().parents[1]
NUM_SEEDS = 10  # of chaos, in CI
SET_BY_LIBRARIES = ("PYTEST", "TORCHINDUCTOR_", "LD_LIBRARY_PATH")  # pytest, torch, and OpenCV when imported


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those that may take longest come first, so that no worker ends with one while the others have nothing to do."""

    def seconds(item: pytest.Item) -> float:
        limit = item.get_closest_marker("timeout")
        return float(limit.args[0]) if limit and limit.args else 0.0

    items.sort(key=seconds, reverse=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    """How many seeds of chaos."""
    parser.addoption("--seeds", type=int, default=NUM_SEEDS, help="of the chaos of the control plane")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests that take a seed of chaos; the first seeds are slow tests as others are."""
    if "seed" in metafunc.fixturenames and metafunc.module.__name__.endswith("integration.test_chaos"):
        seeds = range(metafunc.config.getoption("--seeds"))
        slow = [pytest.param(seed, marks=pytest.mark.slow) for seed in seeds[:NUM_SEEDS]]
        metafunc.parametrize("seed", [*slow, *seeds[NUM_SEEDS:]])


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
def signals_work() -> None:
    """A shell that started the tests in the background has them, and all they start, ignore Ctrl-C; nohup, SIGHUP."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


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


BUCKET = "checkpoints"


@pytest.fixture(scope="module")
def s3_server() -> Iterator[str]:
    """The URL of a moto server process with an empty bucket; it keeps everything in memory."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _make_bucket(url, server)
        yield url
    finally:
        server.terminate()
        server.wait(timeout=10)


def _make_bucket(url: str, server: subprocess.Popen[bytes]) -> None:
    request = urllib.request.Request(f"{url}/{BUCKET}", method="PUT")
    end = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(request, timeout=5).close()
            return
        except (urllib.error.URLError, ConnectionError) as exc:
            if server.poll() is not None or time.monotonic() > end:
                raise RuntimeError("the S3 server did not start") from exc
            time.sleep(0.05)


@pytest.fixture
def s3(s3_server: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """The address of an empty prefix in the bucket; the environment holds what reaches it."""
    for name, value in {
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "secret-of-the-test",
        "AWS_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true",
    }.items():
        monkeypatch.setenv(name, value)
    return f"s3://{BUCKET}/{re.sub('[^a-z0-9]+', '-', request.node.name.lower())}"


@pytest.fixture(scope="session")
def warm() -> str:
    """The address of the process that nurseries are forked from."""
    return warm_nursery.address()


@pytest.fixture
def warm_nurseries(warm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Launchers of this process have nurseries that need not import torch first."""
    make = functools.partial(warm_nursery.warm_nursery, warm)
    monkeypatch.setattr("drivetrain.launch.local.NurseryProcess", make)
