"""Sessions with two sides, made of numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from drivetrain.bench.results import Metric, Result

Numbers = Mapping[str, Sequence[float]]


def result(side: str, numbers: Numbers, *, case: str = "step", session: str = "s1", at_ns: int = 1) -> Result:
    metrics = {
        name: Metric(
            unit="s",
            samples=tuple(map(float, samples)),
            better="higher" if name.endswith("_per_s") else "lower",
            is_judged=not name.startswith("seen_"),
        )
        for name, samples in numbers.items()
    }
    return Result(
        suite="train",
        case=case,
        metrics=metrics,
        commit="aaaaaaaaaaaa" if side == "A" else "bbbbbbbbbbbb",
        at_ns=at_ns,
        session=session,
        side="A" if side == "A" else "B",
        against="aaaaaaaaaaaa" if side == "B" else "",
        order="ABBA",
    )


def pair(before: Numbers, after: Numbers, *, case: str = "step") -> tuple[Result, Result]:
    return result("A", before, case=case), result("B", after, case=case)
