"""Which node runs which ranks, and which process becomes which rank when their number changes (pure)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from msgspec import Struct


class Layout(Struct, frozen=True):
    """The ranks of an attempt: the first node has the first ones, the next node those that follow.

    Attributes:
      sizes: how many ranks each node has.
      host: where rank 0 and the place where ranks meet listen, as all nodes reach it.
    """

    sizes: tuple[int, ...]
    host: str = "127.0.0.1"

    @property
    def num_ranks(self) -> int:
        """How many there are."""
        return sum(self.sizes)

    def block(self, node: int) -> range:
        """The ranks of a node."""
        first = sum(self.sizes[:node])
        return range(first, first + self.sizes[node])

    def node_of(self, rank: int) -> int:
        """The node that has a rank."""
        return next(node for node in range(len(self.sizes)) if rank in self.block(node))

    def environment(self, rank: int) -> dict[str, str]:
        """What torchrun would tell a rank of its place."""
        node = self.node_of(rank)
        return {
            "RANK": str(rank),
            "LOCAL_RANK": str(rank - self.block(node).start),
            "WORLD_SIZE": str(self.num_ranks),
            "LOCAL_WORLD_SIZE": str(self.sizes[node]),
            "GROUP_RANK": str(node),
            "GROUP_WORLD_SIZE": str(len(self.sizes)),
            "MASTER_ADDR": self.host,
        }


def moves_of(layout: Layout, living: Sequence[Collection[int]]) -> dict[int, int]:
    """By rank of the next attempt, the rank that its process had; ranks that are not named get a new process.

    A process stays on its node and, where it can, keeps its number; others fill the holes in order. Those that there is
    no room for are not named.

    Args:
      living: by node, the ranks whose processes can go on.
    """
    moves: dict[int, int] = {}
    for node, ranks in enumerate(living):
        block = layout.block(node)
        moves |= {rank: rank for rank in ranks if rank in block}
        holes = [rank for rank in block if rank not in moves]
        moves |= dict(zip(holes, sorted(rank for rank in ranks if rank not in block), strict=False))
    return moves


def finished_after(
    layout: Layout, moves: Mapping[int, int], finished: Mapping[int, int], before: int
) -> tuple[dict[int, int], int | None]:
    """What is known of the steps finished, by rank of the next attempt; and what all ranks that are gone had finished.

    Args:
      moves: from `moves_of`.
      finished: by rank of the attempt before, the last step whose turn of the loop it finished.
      before: how many ranks that had.
    Returns: the first has no rank of which nothing is known; the second is None where no rank is gone.
    """
    gone = [finished.get(rank, -1) for rank in range(before) if rank not in moves.values()]
    base = min(gone) if gone else max(finished.values(), default=-1)
    after = {rank: finished.get(moves[rank], -1) if rank in moves else base for rank in range(layout.num_ranks)}
    return after, base if gone else None
