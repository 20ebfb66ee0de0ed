"""Whether a program will want torch is told from what it imports, and in doubt it may."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivetrain.launch.imports import may_want_torch


@pytest.fixture
def program(tmp_path: Path) -> Path:
    (tmp_path / "light.py").write_text("import json\nimport numpy as np\n")
    (tmp_path / "heavy.py").write_text("import torch\n")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("")
    (tmp_path / "package" / "deep.py").write_text("def late():\n    import torch.nn\n")
    (tmp_path / "round.py").write_text("import round\nimport light\n")
    return tmp_path / "program.py"


@pytest.mark.parametrize(
    ("text", "may"),
    [
        ("print(1)\n", False),
        ("import os, sys\nfrom collections import deque\n", False),
        ("import light\n", False),
        ("import round\n", False),
        ("import numpy.linalg\n", False),
        ("import torch\n", True),
        ("from torch import nn\n", True),
        ("if False:\n    import torch\n", True),
        ("import drivetrain\n", True),
        ("import heavy\n", True),
        ("from light import x\nimport heavy\n", True),
        ("import package\n", True),
        ("from . import light\n", True),
        ("import importlib\n", True),
        ("import runpy\n", True),
        ("__import__(name)\n", True),
        ("exec(text)\n", True),
        ("eval(text)\n", True),
        ("this is no Python\n", False),  # it will say so itself
    ],
)
def test_it_is_told_from_all_that_is_imported(program: Path, text: str, may: bool) -> None:
    program.write_text(text)
    assert may_want_torch(program, program.parent) is may


def test_what_is_too_much_to_read_may_want_it(program: Path) -> None:
    program.write_text("x = 1\n" * 200_000)
    assert may_want_torch(program, program.parent)
    names = [f"part{number}" for number in range(70)]
    for name in names:
        (program.parent / f"{name}.py").write_text("")
    program.write_text("".join(f"import {name}\n" for name in names))
    assert may_want_torch(program, program.parent)


def test_a_program_that_is_not_there_wants_nothing(tmp_path: Path) -> None:
    assert not may_want_torch(tmp_path / "none.py", tmp_path)
