"""Operations put together: one after another, one of several, or only sometimes; each is an operation again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from drivetrain.data.augment.view import View


class Op(Protocol):
    """A frozen description of a change of views.

    Pure: the same view and the same state of the generator give the same view, on any thread; arrays are never changed
    in place. What it does to pixels it does to intrinsics, pose, points and boxes too.
    """

    def __call__(self, view: View, rng: np.random.Generator, /) -> View:
        """The view, changed by an amount drawn from `rng`."""
        ...


@dataclass(frozen=True, init=False)
class Sequence:
    """All of its operations, in order."""

    ops: tuple[Op, ...]

    def __init__(self, *ops: Op) -> None:
        object.__setattr__(self, "ops", ops)

    def __call__(self, view: View, rng: np.random.Generator) -> View:
        """Each is handed what the one before gave."""
        for op in self.ops:
            view = op(view, rng)
        return view


@dataclass(frozen=True, init=False)
class OneOf:
    """One of its operations, each as likely as the others. Raises ValueError: there is none."""

    ops: tuple[Op, ...]

    def __init__(self, *ops: Op) -> None:
        if not ops:
            raise ValueError("OneOf needs at least one operation to choose from")
        object.__setattr__(self, "ops", ops)

    def __call__(self, view: View, rng: np.random.Generator) -> View:
        """Only the chosen one draws more from `rng`."""
        return self.ops[int(rng.integers(len(self.ops)))](view, rng)


@dataclass(frozen=True)
class Maybe:
    """An operation that happens with a probability.

    Attributes:
      op: what may happen.
      probability: 0 never, 1 always.
    """

    op: Op
    probability: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise ValueError(f"probability is {self.probability}; it must be from 0 to 1")

    def __call__(self, view: View, rng: np.random.Generator) -> View:
        """The view as it is where the coin falls the other way."""
        return self.op(view, rng) if rng.random() < self.probability else view
