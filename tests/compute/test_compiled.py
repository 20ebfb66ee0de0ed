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


def test_a_kernel_that_has_no_file_runs_and_is_not_kept() -> None:
    from drivetrain.compute.compiled import compiled

    namespace: dict[str, Any] = {}
    exec("def one_more(x): return x + 1", namespace)
    assert compiled(namespace["one_more"])(1) == 2
