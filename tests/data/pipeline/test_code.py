"""Which version of its code an op has: that of what runs."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from drivetrain.data.pipeline.code import code_version

OPS = "from beside_ops import STEP\n\nclass Add:\n    by = STEP\n"


def _edit(module: ModuleType, text: str) -> None:
    Path(str(module.__file__)).write_text(text, encoding="utf-8")
    importlib.invalidate_caches()


def test_an_edit_counts_once_the_module_is_reloaded(import_file: Callable[[str, str], ModuleType]) -> None:
    beside = import_file("beside_ops", "STEP = 1\n")
    module = import_file("adding_ops", OPS)
    before = code_version(module.Add)
    _edit(module, OPS + "    # another\n")
    assert code_version(module.Add) == before, "the edited code does not run yet"
    importlib.reload(module)
    reloaded = code_version(module.Add)
    assert reloaded != before
    _edit(beside, "STEP = 12345\n")
    importlib.reload(beside)
    assert code_version(module.Add) != reloaded, "what it imports from beside it counts too"
