"""A source of numbers and a few ops, in a file that child processes and cluster workers can import as well."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

NUMBERS = '''
"""Items that carry arrays of a number, and ops on them."""

import hashlib
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from drivetrain.core.errors import SampleError
from drivetrain.data.pipeline import Item, Op, Opened, Sink, Source


@dataclass(frozen=True)
class Numbers(Source):
    """Numbers 0 to n, each in an array of `size` of them."""

    n: int
    size: int = 4

    def open(self):
        class Items(Sequence):
            def __len__(_): return self.n
            def __getitem__(_, i):
                if not 0 <= i < self.n:
                    raise IndexError(i)
                return Item(f"n{i}", i, {"x": np.full(self.size, i, np.int64)}, {"n": i})
        return Opened("numbers", Items(), lambda: f"{self.n} {self.size}", "1")


def note(folder, name, item):
    """Leave a trace of a call that processes share."""
    if folder:
        with open(Path(folder) / name, "a") as file:
            file.write(item.key + "\\n")


@dataclass(frozen=True)
class Add(Op):
    amount: int
    calls: str = ""

    def __call__(self, item):
        note(self.calls, f"add{self.amount}", item)
        return item.with_parts(x=item.read("x") + self.amount)


@dataclass(frozen=True)
class Slow(Op):
    """Python code that holds the GIL, in a process of its own."""

    holds_gil: ClassVar[bool] = True
    rounds: int = 10

    def __call__(self, item):
        total = sum(i * i for i in range(self.rounds))
        return item.with_columns(total=total)


@dataclass(frozen=True)
class Twice(Op):
    """Two items of one, none of multiples of three."""

    is_cheap: ClassVar[bool] = True

    def __call__(self, item):
        if item.number % 3 == 0:
            return None
        from dataclasses import replace
        return [replace(item, key=f"{item.key}{end}") for end in "ab"]


@dataclass(frozen=True)
class Refuse(Op):
    """Raises on these numbers."""

    numbers: tuple[int, ...]

    def __call__(self, item):
        if item.number in self.numbers:
            raise ZeroDivisionError("by zero")
        return item


@dataclass(frozen=True)
class Die(Op):
    """Kills its process on these numbers, until a file says that it has."""

    numbers: tuple[int, ...]
    once: str = ""
    holds_gil: ClassVar[bool] = True

    def __call__(self, item):
        if item.number in self.numbers:
            mark = Path(self.once) / str(item.number) if self.once else None
            if mark is None or not mark.exists():
                if mark is not None:
                    mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return item


@dataclass(frozen=True)
class Grow(Op):
    """Arrays of as many bytes as a table says for the number."""

    sizes: tuple[int, ...]

    def __call__(self, item):
        return item.with_parts(x=np.full(self.sizes[item.number % len(self.sizes)], item.number % 251, np.uint8))


@dataclass(frozen=True)
class Toil(Op):
    """Slower than what feeds it, so that queues fill."""

    def __call__(self, item):
        for _ in range(4):
            hashlib.sha256(item.read("x")).digest()
        return item


@dataclass(frozen=True)
class Hash(Op):
    """The sum of x instead of x."""

    def __call__(self, item):
        return item.with_parts(x=int(item.read("x").sum()))


@dataclass(frozen=True)
class Collect(Sink):
    """What comes out, as plain values; stops after some where it is told to."""

    stop_after: int = -1

    def write(self, items, tally):
        found = []
        for item in items:
            if len(found) == self.stop_after:
                raise KeyboardInterrupt
            x = item.read("x")
            found.append((item.key, x.tolist() if isinstance(x, np.ndarray) else x, dict(item.columns)))
        return found
'''


@pytest.fixture
def import_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], ModuleType]]:
    """`import_file(name, text)`: a module of this text, importable here and by processes that start from here."""
    folder, names = tmp_path / "code", []
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))

    def imported(name: str, text: str) -> ModuleType:
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
        names.append(name)
        return importlib.import_module(name)

    yield imported
    for name in names:
        del sys.modules[name]


@pytest.fixture
def numbers(import_file: Callable[[str, str], ModuleType]) -> ModuleType:
    """The module above."""
    return import_file("numbers_ops", NUMBERS)
