"""Whether a program will want torch, told from what it imports, so that one that will not need not wait for it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

_LIGHT = frozenset(sys.stdlib_module_names - {"importlib", "runpy"}) | {"numpy"}
"""Modules after which nothing heavy comes; those that are left out here import whatever they are told to."""
_MOST_FILES = 64
_MOST_BYTES = 1 << 20


def may_want_torch(program: Path, folder: Path) -> bool:
    """False where a script and the modules beside it import nothing but Python's own, and numpy.

    Args:
      program: the script.
      folder: of modules that it finds before any others.
    """
    seen: set[Path] = set()
    rest = [program]
    while rest:
        path = rest.pop()
        if path in seen:
            continue
        seen.add(path)
        if len(seen) > _MOST_FILES:
            return True
        for name in _imports(path):
            beside = list(_beside(folder, name))
            if not beside and name.partition(".")[0] not in _LIGHT:
                return True
            rest += beside
    return False


def _imports(path: Path) -> Iterator[str]:
    """Names of all that may be a module; `.` for what cannot be told."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            yield "."
            return
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):  # it will say so itself
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." if node.level else node.module or "."
        elif isinstance(node, ast.Name) and node.id in ("__import__", "exec", "eval"):
            yield "."


def _beside(folder: Path, name: str) -> Iterator[Path]:
    """Files beside a script that are imported with a module."""
    parts = name.split(".")
    if not parts[0]:
        return
    if (file := folder / f"{parts[0]}.py").is_file():
        yield file
    elif (package := folder / parts[0]).is_dir():
        yield from package.rglob("*.py")
