"""The rules by name, and what each makes of what is asked for."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from drivetrain.compute.policy.packing.words import Machine, Shape, models_of
from drivetrain.core.errors import UsageError

if TYPE_CHECKING:
    from drivetrain.compute.policy.packing.kernels.costs import Knowledge


class Rule(Protocol):
    """How a place is chosen among those that are possible; none of them ever refuses what is possible."""

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    @property
    def code(self) -> int:
        """Of its cost among those of `kernels.costs`."""
        ...

    @property
    def learns_by_time(self) -> bool:
        """Whether it learns from what is there at a time, rather than from what comes."""
        ...

    def learn(self, seen: Sequence[Shape], machines: Sequence[Machine]) -> Knowledge:
        """What it makes of a sample of what is asked for, in a cluster of these nodes."""
        ...


@dataclass(frozen=True, slots=True)
class Cost:
    """A rule that is one of the kernels' costs. Attributes: has_prices: whether it goes by what parts are worth."""

    name: str
    code: int
    has_prices: bool = False

    @property
    def learns_by_time(self) -> bool:
        """Prices are of what is there; FGD's typical pods are those that come."""
        return self.has_prices

    def learn(self, seen: Sequence[Shape], machines: Sequence[Machine]) -> Knowledge:
        """Typical shapes, and prices for a rule that has them."""
        import numpy as np

        from drivetrain.compute.policy.packing.arrays import shapes_arrays
        from drivetrain.compute.policy.packing.kernels.costs import Knowledge
        from drivetrain.compute.policy.packing.prices import prices_of
        from drivetrain.compute.policy.packing.typical import typical

        frequencies = typical(seen)
        return Knowledge(
            typical=shapes_arrays(list(frequencies), models_of(machines)),
            frequency=np.array(list(frequencies.values()), np.float64),
            prices=prices_of(seen if self.has_prices else (), machines),
        )


RULES: tuple[Rule, ...] = (
    Cost("priced", 3, has_prices=True),
    Cost("fgd", 2),
    Cost("best-fit", 1),
    Cost("random", 0),
)
"""The best first."""


def rule_named(name: str) -> Rule:
    """A rule by its name, however it is written: `BestFit` is `best-fit`. Raises UsageError: there is none."""
    by_name = {_plain(rule.name): rule for rule in RULES}
    if _plain(name) in by_name:
        return by_name[_plain(name)]
    near = difflib.get_close_matches(_plain(name), by_name, n=1)
    raise UsageError(
        f"no packing policy {name[:40]!r}; there are {', '.join(rule.name for rule in RULES)}",
        hint=f"did you mean {by_name[near[0]].name}?" if near else "",
    )


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")
