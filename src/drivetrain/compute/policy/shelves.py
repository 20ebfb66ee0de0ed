"""Nodes by how much they have free, so that the tightest that fits is found without looking at all of them."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable, Iterator


class Shelves:
    """Sets of nodes by amount. A set is an integer with a bit a node, which makes moving one cheap."""

    def __init__(self) -> None:
        self._amounts: list[int] = []
        self._nodes: dict[int, int] = {}

    def copy(self) -> Shelves:
        """Another that changes by itself."""
        other = Shelves()
        other._amounts, other._nodes = self._amounts.copy(), self._nodes.copy()
        return other

    def put(self, node: int, amount: int) -> None:
        """The node has so much."""
        if amount not in self._nodes:
            bisect.insort(self._amounts, amount)
            self._nodes[amount] = 0
        self._nodes[amount] |= 1 << node

    def move(self, node: int, before: int, after: int) -> None:
        """The node has so much now, and no longer what it had."""
        left = self._nodes[before] ^ (1 << node)
        if left:
            self._nodes[before] = left
        else:
            del self._nodes[before]
            del self._amounts[bisect.bisect_left(self._amounts, before)]
        self.put(node, after)

    @property
    def most(self) -> int:
        """The largest amount; 0 where there is no node."""
        return self._amounts[-1] if self._amounts else 0

    def amounts(self, least: int) -> list[int]:
        """Those of `least` or more that some node has, ascending."""
        return self._amounts[bisect.bisect_left(self._amounts, least) :]

    def first(self, amounts: Iterable[int], fits: Callable[[int], bool], num_tries: int) -> int | None:
        """The first node that fits, by the order of these amounts; of equal ones the first.

        Raises: LookupError: so many did not fit, and more are left.
        """
        for tried, node in enumerate(self._nodes_of(amounts)):
            if tried == num_tries:
                raise LookupError(num_tries)
            if fits(node):
                return node
        return None

    def _nodes_of(self, amounts: Iterable[int]) -> Iterator[int]:
        for amount in amounts:
            nodes = self._nodes[amount]
            while nodes:
                first = nodes & -nodes
                yield first.bit_length() - 1
                nodes ^= first
