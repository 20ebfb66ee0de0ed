"""The suites at an address and the cases in them, found without importing any of it here."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from drivetrain.bench.suites.sandbox import Job, Limits, Order, carry_out
from drivetrain.core.errors import DataError, UsageError

_LIMIT_S = 120.0
_MEMORY_SHARE = 0.75
_LONGEST_NAME = 100
_MARK = re.compile(r"^def bench_\w+\(", re.MULTILINE)


class Case(msgspec.Struct, frozen=True):
    """One function with one choice of its parameters.

    Attributes:
      case: the function's name without `bench_`.
      params: by name.
    """

    case: str
    params: dict[str, str | bool | int | float]

    @property
    def name(self) -> str:
        """For people: `decode[size=256]`."""
        return self.case + (
            f"[{','.join(f'{key}={value}' for key, value in self.params.items())}]" if self.params else ""
        )


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="upper"):
    """What a suite may set for all of its cases, as constants of these names in capitals.

    Attributes:
      limit_s: time limit of one sample.
      memory_bytes: memory limit of each process; None for three quarters of the machine's.
      num_samples: of each case and side, unless another number is asked for.
      num_cores: that a sample is pinned to; 0 for all, unpinned.
      higher_is_better: numbers of the suite's own that should grow; those that end in `_per_s` always should.
      judged: numbers that verdicts rest on; None for all but those that only explain.
    """

    limit_s: float = _LIMIT_S
    memory_bytes: int | None = None
    num_samples: int = 10
    num_cores: int = 1
    higher_is_better: frozenset[str] = frozenset()
    judged: frozenset[str] | None = None


_DEFAULTS = Settings()


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A file of cases.

    Attributes:
      file: absolute.
      name: of its results.
      module: what it is called when it is imported.
      cases: in the order of the file.
      settings: the suite's own.
    """

    file: Path
    name: str
    module: str
    cases: tuple[Case, ...] = ()
    settings: Settings = _DEFAULTS

    def only(self, *begins: str) -> Suite:
        """The suite with the cases whose name begins with one of these. Raises UsageError: none does with one."""
        for text in begins:
            if not any(case.name.startswith(text) for case in self.cases):
                raise UsageError(f"{self.name} has no case {text!r}", hint=f"it has {_listed(self.cases)}")
        return replace(self, cases=tuple(case for case in self.cases if case.name.startswith(begins)))

    def limits(self, cores: tuple[int, ...]) -> Limits:
        """Of a sample."""
        memory_bytes = self.settings.memory_bytes or int(_MEMORY_SHARE * _machine_bytes())
        return Limits(limit_s=self.settings.limit_s, memory_bytes=memory_bytes, cores=cores)


def suite_files(address: str) -> list[Path]:
    """The files that an address means: a file, a folder's files that define cases, or a module such as `mine.suites`.

    Raises: UsageError: there is nothing of the kind.
    """
    path = Path(address)
    if not path.exists() and re.fullmatch(r"[\w.]+", address):
        dotted = Path(*address.split("."))
        path = dotted if dotted.is_dir() else dotted.with_suffix(".py")
    if path.is_file():
        return [path.resolve()]
    if not path.is_dir():
        raise UsageError(f"there is no suite {address}", hint="a Python file, a module, or a folder of such files")
    found = [file.resolve() for file in sorted(path.glob("*.py")) if _MARK.search(_text(file))]
    if not found:
        raise UsageError(f"no file in {address} has a function bench_...")
    return found


def read_suite(file: Path, paths: Sequence[str], *, folder: Path, log: Path) -> Suite:
    """Import a suite in a process of its own and list its cases.

    Args:
      paths: put before all others that modules are looked for in.
      folder: working directory of the process.
      log: what it prints goes there.
    Raises: DataError: it does not import in time, or has no cases, or settings that are none.
    """
    name = re.sub(r"[^A-Za-z0-9_]", "_", file.stem).lstrip("_")[:_LONGEST_NAME] or "suite"
    suite = Suite(file=file, name=name, module=_module(file, paths))
    order = Order(suite=file, module=suite.module, paths=tuple(paths))
    [outcome] = carry_out(
        Job(order=order, limits=suite.limits(()), folder=folder, report=log.with_suffix(".report"), log=log)
    )
    if outcome.report is None:
        raise DataError(f"{file} cannot be read as a suite: {outcome.troubles[0].why}", hint=f"try python {file}")
    try:
        cases = msgspec.convert(outcome.report.get("cases"), tuple[Case, ...])
        settings = msgspec.convert(outcome.report.get("settings"), Settings)
    except msgspec.ValidationError as exc:
        raise DataError(f"{file} has settings that are none: {exc}") from exc
    if not cases:
        raise DataError(f"{file} has no function whose name begins with bench_")
    if settings.num_samples < 1 or settings.limit_s <= 0 or (settings.memory_bytes or 1) <= 0:
        raise DataError(f"{file}: NUM_SAMPLES, LIMIT_S and MEMORY_BYTES must be more than 0")
    return replace(suite, cases=cases, settings=settings)


def _module(file: Path, paths: Sequence[str]) -> str:
    """The dotted name where a file lies in a package, so that its relative imports work; else its own."""
    if not (file.parent / "__init__.py").exists():
        return file.stem
    for path in paths:
        if file.is_relative_to(path):
            return ".".join(file.relative_to(path).with_suffix("").parts)
    return file.stem


def _listed(cases: Sequence[Case]) -> str:
    names: Any = dict.fromkeys(case.name for case in cases)
    return ", ".join(list(names)[:8]) + (", ..." if len(names) > 8 else "")


def _machine_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
