"""Ten million samples, made: what an index of that size needs."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.slow
@pytest.mark.parametrize("way", ["full", "blocks"])
def test_ten_million_samples_are_shuffled_and_read_in_less_than_500_mb(tmp_path: Path, way: str) -> None:
    script, folder = str(ROOT / "benchmarks" / "index.py"), str(tmp_path / "set")
    subprocess.run([sys.executable, script, "make", folder, "10000000"], check=True, timeout=100)
    done = subprocess.run(
        [sys.executable, script, way, folder, str(time.monotonic_ns())],
        check=True,
        capture_output=True,
        text=True,
        timeout=100,
    )
    found = re.search(r"rss_mb=([0-9]+)", done.stdout)
    assert found
    assert int(found[1]) < 500
