"""Which version of its code a class has: a hash of its source file and of what that file imports from beside it.

A change of a helper that an op calls changes the op's version too; so does another release of a library that its code
imports, since codecs may change bytes. Too many reruns are an inconvenience, a stale result is an error. Imports at
the top of a file count; those inside a function do not. A file is hashed as it is when its module is first asked for,
and again once the module has been reloaded: what was edited and not reloaded is not what runs.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from importlib.util import resolve_name
from pathlib import Path
from types import ModuleType

from drivetrain.core.errors import UsageError

_OURS = "drivetrain"
_known: dict[str, tuple[dict[str, ModuleSpec | None], str]] = {}
"""Versions by module, with the specs of all modules that count: a reloaded module has a new one."""


def code_version(kind: type) -> str:
    """Sixteen hex digits, equal for equal code.

    Raises: UsageError: the class was typed into a prompt, so there is no file to tell its versions apart.
    """
    module = sys.modules.get(kind.__module__)
    if module is None or not _source(module):
        raise UsageError(
            f"the source of {kind.__name__} cannot be found, so a change of its code would not be noticed",
            hint="put it in a file of its own and import it",
        )
    return module_version(module.__name__)


def module_version(name: str) -> str:
    """That of a module that was imported, with all that it imports from its own package or folder, or from ours."""
    specs, version = _known.get(name, ({}, ""))
    if not version or any(_spec(each) is not spec for each, spec in specs.items()):
        seen, version = _hashed(sys.modules[name])
        _known[name] = {each: _spec(each) for each in seen}, version
    return version


def _spec(name: str) -> ModuleSpec | None:
    return getattr(sys.modules.get(name), "__spec__", None)


def _hashed(first: ModuleType) -> tuple[set[str], str]:
    """Names of all modules that count, and the hash of them."""
    seen: set[str] = set()
    lines: list[str] = []
    waiting = [first]
    while waiting:
        module = waiting.pop()
        if module.__name__ in seen:
            continue
        seen.add(module.__name__)
        if _belongs(module, first):
            source = _source(module)
            # The first one may be the main module here and have another name in a worker.
            lines.append(f"{'' if module is first else module.__name__} {hashlib.sha256(source).hexdigest()}")
            waiting += _imported(source, module)
        elif isinstance(release := getattr(_root(module), "__version__", None), str):
            lines.append(f"{_root(module).__name__}=={release}")
    return seen, hashlib.sha256("\n".join(sorted(set(lines))).encode()).hexdigest()[:16]


def _belongs(module: ModuleType, first: ModuleType) -> bool:
    """Whether a module's code is to be hashed, rather than the release of the library that it is from."""
    root = module.__name__.partition(".")[0]
    if not _source(module):
        return False
    is_neighbour = "." not in module.__name__ and _folder(module) == _folder(first)
    return module is first or root in (_OURS, first.__name__.partition(".")[0]) or is_neighbour


def _root(module: ModuleType) -> ModuleType:
    return sys.modules.get(module.__name__.partition(".")[0], module)


def _folder(module: ModuleType) -> Path:
    return Path(module.__file__ or "").absolute().parent


def _source(module: ModuleType) -> bytes:
    file = getattr(module, "__file__", None) or ""
    try:
        return Path(file).read_bytes() if file.endswith(".py") else b""
    except OSError:
        return b""


def _imported(source: bytes, module: ModuleType) -> Iterator[ModuleType]:
    """Modules that a file imports at its top; where it names something of a package, the module that defines that."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.Import):
            yield from (sys.modules[alias.name] for alias in node.names if alias.name in sys.modules)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = resolve_name("." * node.level + base, module.__package__ or "")
            for alias in node.names:
                found = _defined_in(base, alias.name)
                if found in sys.modules:
                    yield sys.modules[found]


def _defined_in(base: str, name: str) -> str:
    if f"{base}.{name}" in sys.modules:
        return f"{base}.{name}"
    module = sys.modules.get(base)
    if module is None or not hasattr(module, "__path__"):
        return base
    defined: str = getattr(getattr(module, name, None), "__module__", None) or base
    return defined
