"""Measures one case in this process and reports to a file: `python -P sample.py ORDER`.

A script that stands alone: the code measured may be of any commit, also of one that has no such room. What it borrows
(`stats.py`, `counters.py`) it loads by its file, under names that no suite has.

A case is a function of the suite. What it gives says how it is measured:

  a callable     the function prepares, the callable is measured, again and again until its times have settled
  nothing        the function itself is measured so
  an iterator    each turn is one step; a number that it yields is the loss after the step
  a mapping      numbers by name, that the function has measured itself
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
import itertools
import json
import math
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

PREFIX = "bench_"
_SETTINGS = ("LIMIT_S", "MEMORY_BYTES", "NUM_CORES", "NUM_SAMPLES", "HIGHER_IS_BETTER", "JUDGED")
_LEAST_BATCH_NS = 2_000_000  # shorter calls are timed several at once, so that reading clocks costs nothing
_FEWEST_BATCHES, _WANTED_BATCHES, _MOST_BATCHES = 5, 20, 400
_BATCHES_A_TURN = 2
_SETTLED_SHARE = 0.5  # of the batches: an earlier end of the warm-up leaves enough
_OWN_PID = os.getpid()
_Numbers = dict[str, list[float]]


class Spoilt(Exception):  # noqa: N818 - says what is wrong with the suite
    """The case cannot be measured as it is."""


def main() -> None:
    """Do what the order says; the report is written whole, or not at all."""
    order = json.loads(sys.argv[1])
    threads = set(threading.enumerate())
    report: dict[str, Any]
    try:
        for descriptor in order["baton"]:
            os.set_inheritable(descriptor, False)
        sys.path[:0] = order["paths"]
        os.environ["PYTHONPATH"] = os.pathsep.join([*order["paths"], os.environ.get("PYTHONPATH", "")]).rstrip(
            os.pathsep
        )
        suite = _load(order["suite"], order["module"])
        report = _listed(suite) if order["case"] is None else _measured(suite, order)
    except BaseException as exc:  # noqa: BLE001 - whatever a suite raises is its failure, KeyboardInterrupt and SystemExit too
        report = {"failure": _last_words(exc, order["suite"]), "kind": type(exc).__name__}
        traceback.print_exc()
    _end_copy()
    left = [each.name for each in threading.enumerate() if each not in threads and not each.daemon]
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # the suite may have closed or replaced it
            stream.flush()
    aside = Path(order["report"] + ".part")
    aside.write_text(json.dumps({**report, "threads": left}), encoding="utf-8")
    aside.replace(order["report"])
    os._exit(0)  # without waiting for threads of the suite


def _end_copy() -> None:
    """End a copy of this process that has come back from the case: it would measure, and report, once more."""
    if os.getpid() != _OWN_PID:
        Path(json.loads(sys.argv[1])["report"] + ".copy").touch()
        os._exit(0)


def _load(file: str, module: str) -> Any:
    spec = importlib.util.spec_from_file_location(module, file)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    sys.modules[module] = found
    spec.loader.exec_module(found)
    return found


def _last_words(exc: BaseException, suite: str) -> str:
    """What went wrong and the line of the suite where it did."""
    words = str(exc) if isinstance(exc, Spoilt) else f"{type(exc).__name__}: {exc}".rstrip(": ")
    lines = [frame.lineno for frame in traceback.extract_tb(exc.__traceback__) if frame.filename == suite]
    return " ".join(words.split())[:500] + (f" (line {lines[-1]})" if lines else "")


def _listed(suite: Any) -> dict[str, Any]:
    """The cases of a suite, and its settings."""
    functions = [(name, value) for name, value in vars(suite).items() if name.startswith(PREFIX) and callable(value)]
    cases = [
        {"case": name.removeprefix(PREFIX), "params": params} for name, value in functions for params in _grid(value)
    ]
    settings = {name: getattr(suite, name) for name in _SETTINGS if hasattr(suite, name)}
    settings = {name: list(value) if isinstance(value, set | frozenset) else value for name, value in settings.items()}
    return {"cases": cases, "settings": settings}


def _grid(function: Callable[..., Any]) -> Iterator[dict[str, Any]]:
    """Each combination of parameters: a default that is a list or tuple is tried value by value."""
    choices: dict[str, list[Any]] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.default is parameter.empty:
            raise Spoilt(f"{function.__name__} has no default for {name}: give it a value, or a tuple of values to try")
        default = parameter.default
        choices[name] = list(default) if isinstance(default, list | tuple) else [default]
        if not choices[name] or not all(map(_is_plain, choices[name])):
            raise Spoilt(f"{function.__name__}({name}={default!r}) must be text, numbers or truth values")
    return (dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values()))


def _is_plain(value: object) -> bool:
    return isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value))


def _measured(suite: Any, order: dict[str, Any]) -> dict[str, Any]:
    function = getattr(suite, PREFIX + order["case"])
    call = functools.partial(function, **order["params"])
    counter = _beside("counters").open_counter() if order["counts_instructions"] else None
    clocks = _Clocks(counter)
    before = clocks.read()
    made = call()
    _end_copy()
    first = clocks.since(before)
    if callable(made) or made is None:
        again = call if made is None else made
        with _Turns(order["baton"], goes_first=order["goes_first"]) as turns:
            found = _repeated(again, clocks, order["budget_s"], turns, [first] if made is None else [])
    elif isinstance(made, Iterator):
        found = _steps(made, clocks)
    elif isinstance(made, Mapping):
        found = {"numbers": {name: [value] for name, value in first.items()} | _own(made), "form": "numbers"}
    else:
        raise Spoilt(f"bench_{order['case']} gave {type(made).__name__}: give nothing, a callable, steps or numbers")
    found["numbers"].setdefault("peak_bytes", [_peak_bytes()])
    return found


class _Turns:
    """Taking turns with the process that measures the other side: whoever holds the baton, a byte in a pipe, runs.

    Both go on alone where the other has ended. Closing passes the baton on for good.
    """

    def __init__(self, baton: Sequence[int], *, goes_first: bool) -> None:
        self._baton = tuple(baton)
        if goes_first:
            self.give()  # the other is started once this one is ready

    def __enter__(self) -> _Turns:
        return self

    def __exit__(self, *_: object) -> None:
        self.give()
        self._close()

    @property
    def is_alone(self) -> bool:
        return not self._baton

    def take(self) -> None:
        if self._baton and not os.read(self._baton[0], 1):
            self._close()

    def give(self) -> None:
        if self._baton:
            try:
                os.write(self._baton[1], b".")
            except BrokenPipeError:
                self._close()

    def _close(self) -> None:
        for descriptor in self._baton:
            os.close(descriptor)
        self._baton = ()


class _Clocks:
    """What passes while something runs."""

    def __init__(self, counter: Callable[[], int] | None) -> None:
        self._counter = counter

    def read(self) -> tuple[int, ...]:
        counted = (self._counter(),) if self._counter else ()
        return (*counted, _cpu_ns(), time.perf_counter_ns())

    def since(self, before: tuple[int, ...], num_calls: int = 1) -> dict[str, float]:
        wall_ns, cpu_ns = time.perf_counter_ns(), _cpu_ns()
        counted = (self._counter(),) if self._counter else ()
        found = {"wall_s": (wall_ns - before[-1]) / 1e9, "cpu_s": (cpu_ns - before[-2]) / 1e9}
        if counted:
            found["instructions"] = counted[0] - before[0]
        return {name: value / num_calls for name, value in found.items()}


def _cpu_ns() -> int:
    """Of all threads of this process, and of the processes it has waited for."""
    times = os.times()
    return time.process_time_ns() + round(1e9 * (times.children_user + times.children_system))


def _repeated(
    call: Callable[[], object], clocks: _Clocks, budget_s: float, turns: _Turns, batches: list[dict[str, float]]
) -> dict[str, Any]:
    """Times of a call, one for each batch of calls, from when they have settled; two batches a turn (ABBA)."""
    num_calls, spent_s, had_other = 1, 0.0, not turns.is_alone
    while True:
        turns.take()
        for _ in range(_BATCHES_A_TURN):
            before = clocks.read()
            for _ in range(num_calls):
                call()
            _end_copy()
            batches.append(clocks.since(before, num_calls))
            batch_s = batches[-1]["wall_s"] * num_calls
            spent_s += batch_s
            if 1e9 * batch_s < _LEAST_BATCH_NS and spent_s < budget_s:
                num_calls, batches = 2 * num_calls, []
        is_left = had_other and turns.is_alone and len(batches) >= _FEWEST_BATCHES
        if batches and (spent_s >= budget_s or is_left or _have_settled(batches)):
            break
        turns.give()
    return {**_settled(batches, {"peak_bytes": [_peak_bytes()]} | _allocations(call)), "form": "calls"}


def _have_settled(batches: list[dict[str, float]]) -> bool:
    """Whether enough came after the warm-up."""
    if len(batches) < _WANTED_BATCHES or len(batches) % 5 > 1:
        return len(batches) >= _MOST_BATCHES
    skipped = _beside("../stats").num_warmup([each["wall_s"] for each in batches])
    return bool(skipped <= _SETTLED_SHARE * len(batches) - 5)


def _settled(batches: list[dict[str, float]], more: _Numbers | None = None) -> dict[str, Any]:
    """What came after the warm-up, found by wall time, and whether it had an end."""
    skipped = _beside("../stats").num_warmup([each["wall_s"] for each in batches])
    kept = batches[skipped:]
    return {
        "numbers": {name: [each[name] for each in kept] for name in kept[0]} | (more or {}),
        "is_settled": not 0 < skipped == len(batches) // 2,
    }


def _steps(turns: Iterator[Any], clocks: _Clocks) -> dict[str, Any]:
    """Times of steps from when they have settled, and the loss after a quarter, half and all of them."""
    steps: list[dict[str, float]] = []
    losses: list[float] = []
    before = clocks.read()
    for loss in turns:
        _end_copy()
        steps.append(clocks.since(before))
        if loss is not None:
            losses.append(_number("loss", loss))
        before = clocks.read()
    if not steps:
        raise Spoilt("it made no step")
    found = _settled(steps)
    marks = {len(losses) // 4, len(losses) // 2, len(losses)} - {0}
    found["numbers"] |= {f"loss_at_{at}": [losses[at - 1]] for at in sorted(marks)}
    return {**found, "form": "steps"}


def _own(numbers: Mapping[Any, Any]) -> _Numbers:
    return {str(name): [_number(name, each) for each in _each(value)] for name, value in numbers.items()}


def _each(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list | tuple) else [value]


def _number(name: object, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError) as exc:
        raise Spoilt(f"{name}={value!r} is no number") from exc
    if not math.isfinite(number):
        raise Spoilt(f"{name} is {number}, where a finite number was expected")
    return number


def _allocations(call: Callable[[], Any]) -> _Numbers:
    """The most that Python and NumPy held for a call beyond what was there before it."""
    import tracemalloc

    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    call()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return {"alloc_peak_bytes": [float(peak - before)]}


def _peak_bytes() -> float:
    """The most that this process ever held resident."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return 1024.0 * int(line.split()[1])
    raise Spoilt("this system does not tell a process its peak memory")


def _beside(name: str) -> Any:
    """A module of this room that imports nothing of ours either."""
    private = "_drivetrain_" + name.removeprefix("../")
    if private not in sys.modules:
        _load(str(Path(__file__).parent / f"{name}.py"), private)
    return sys.modules[private]


if __name__ == "__main__":
    main()
