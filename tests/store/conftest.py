"""A real S3 server for the tests of what stores in buckets."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

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
