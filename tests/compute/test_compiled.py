"""Kernels as machine code that is kept."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

KERNEL = """
from drivetrain.compute.compiled import compiled

@compiled
def {name}(x):
    return {what}
"""


def printed(folder: Path) -> str:
    """What `outer.outer(1)` gives in a fresh process."""
    program = f"import sys; sys.path.insert(0, {str(folder)!r}); from outer import outer; print(outer(1))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


def test_a_kernel_is_made_anew_when_one_that_it_calls_has_changed_in_another_file(tmp_path: Path) -> None:
    (tmp_path / "inner.py").write_text(KERNEL.format(name="inner", what="x + 1"))
    (tmp_path / "outer.py").write_text("from inner import inner\n" + KERNEL.format(name="outer", what="10 * inner(x)"))
    assert printed(tmp_path) == "20"
    assert list(tmp_path.rglob("outer.outer-*.nbc"))
    (tmp_path / "inner.py").write_text(KERNEL.format(name="inner", what="x + 2"))
    assert printed(tmp_path) == "30"


MEETING = """
import pathlib, sys, time
import numba.core.caching as caching
folder, mine = pathlib.Path(sys.argv[1]), sys.argv[2]
sys.path.insert(0, str(folder))
from twice import twice
read = caching.IndexDataCacheFile._load_index
def read_and_meet(self):
    known = read(self)
    if is_keeping:
        (folder / f"met.{mine}").touch()
        until = time.monotonic() + 3
        while len(list(folder.glob("met.*"))) < 2 and time.monotonic() < until:
            time.sleep(0.01)
    return known
keep = caching.IndexDataCacheFile.save
def save(self, *args):
    global is_keeping
    is_keeping = True
    keep(self, *args)
is_keeping = False
caching.IndexDataCacheFile._load_index = read_and_meet
caching.IndexDataCacheFile.save = save
twice({"int": 2, "float": 2.5}[mine])
"""


def test_two_processes_that_keep_a_kernel_at_once_for_other_types_keep_both(tmp_path: Path) -> None:
    (tmp_path / "twice.py").write_text(KERNEL.format(name="twice", what="2 * x"))
    begun = [subprocess.Popen([sys.executable, "-c", MEETING, str(tmp_path), each]) for each in ("int", "float")]
    assert [process.wait(timeout=60) for process in begun] == [0, 0]
    found = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from twice import twice; print(twice(2), twice(2.5))"
    hits = "print(sum(twice.stats.cache_hits.values()))"
    done = subprocess.run(
        [sys.executable, "-c", f"{found}; {hits}"], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == ["4", "5.0", "2"]


def test_a_kernel_that_has_no_file_runs_and_is_not_kept() -> None:
    from drivetrain.compute.compiled import compiled

    namespace: dict[str, Any] = {}
    exec("def one_more(x): return x + 1", namespace)
    assert compiled(namespace["one_more"])(1) == 2
