"""All nodes of an attempt as one: each rank's on the node that its layout says, this machine's first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from drivetrain.launch.layout import Layout, moves_of
from drivetrain.launch.node import Node
from drivetrain.launch.spec import RankRequest
from drivetrain.launch.wire import Leave

if TYPE_CHECKING:
    from drivetrain.launch.remote_node import RemoteNode


class Nodes:
    """The nodes that a leader leads; alone, just its own.

    Attributes:
      local: this machine's.
      layout: which node has which ranks; of the attempt that is on.
      waiting: nodes that have come, and that no attempt has yet.
    """

    def __init__(self, local: Node, layout: Layout) -> None:
        self.local = local
        self.layout = layout
        self.waiting: list[RemoteNode] = []
        self._remote: list[RemoteNode] = []

    def __len__(self) -> int:
        return 1 + len(self._remote)

    @property
    def num_there(self) -> int:
        """Nodes that can take part, whether or not an attempt has them."""
        others = [*self._remote, *(node for node in self.waiting if node.is_ready)]
        return 1 + sum(not node.is_gone for node in others)

    @property
    def num_come(self) -> int:
        """Nodes that are there, ready or not."""
        return 1 + sum(not node.is_gone for node in [*self._remote, *self.waiting])

    @property
    def is_ready(self) -> bool:
        """Whether ranks can be begun on all."""
        return all(node.is_ready for node in self._all())

    @property
    def lost(self) -> list[RemoteNode]:
        """Those of the attempt that are gone."""
        return [node for node in self._remote if node.is_gone]

    @property
    def kept(self) -> list[int]:
        """Ranks whose processes can go on in another attempt."""
        return sorted(rank for node in self._all() for rank in node.kept)

    def process_states(self) -> dict[int, tuple[str, int]]:
        """By rank that lives, see `Node.process_states`."""
        return {rank: state for node in self._all() for rank, state in node.process_states().items()}

    def ranks_of(self, node: RemoteNode) -> range:
        """The ranks that the layout gives to a node of the attempt; none to another."""
        return self.layout.block(1 + self._remote.index(node)) if node in self._remote else range(0)

    def take_in(self) -> None:
        """Between attempts: forget those that are gone, have those that wait and are ready."""
        new = [node for node in self.waiting if node.is_ready]
        self.waiting = [node for node in self.waiting if not node.is_ready]
        self._remote = [node for node in [*self._remote, *new] if not node.is_gone]

    def open(self) -> None:
        """Start the nurseries that are not there."""
        for node in self._all():
            if not node.is_ready:
                node.open()

    def moves(self) -> dict[int, int]:
        """Which process becomes which rank, see `moves_of`."""
        return moves_of(self.layout, [node.kept for node in self._all()])

    def begin(self, requests: tuple[RankRequest, ...], attempt: int, moves: Mapping[int, int]) -> None:
        """Begin an attempt on all, see `Node.begin`."""
        for number, node in enumerate(self._all()):
            block = self.layout.block(number)
            own = {rank: before for rank, before in moves.items() if rank in block}
            node.begin(requests[block.start : block.stop], attempt, own)

    def leave(self, leave: Leave) -> None:
        """Have every rank leave before a step."""
        self._tell(lambda node: node.leave(leave))

    def replace(self, value: bool) -> None:
        """Whether processes that end between attempts are forked anew."""

        def tell(node: Node | RemoteNode) -> None:
            node.replaces = value

        self._tell(tell)

    def signal(self, rank: int, signum: int) -> None:
        """Signal the process group of a rank."""
        if rank < self.layout.num_ranks:
            list(self._all())[self.layout.node_of(rank)].signal(rank, signum)

    def ask_for_evidence(self, folder: Path) -> None:
        """Have every rank write down where its threads are."""
        self._tell(lambda node: node.ask_for_evidence(folder))

    def keep_time(self, now_ns: int) -> int | None:
        """Do what is due; returns when to call again."""
        times = [node.keep_time(now_ns) for node in [*self._all(), *self.waiting]]
        return min((at_ns for at_ns in times if at_ns is not None), default=None)

    def close(self, *, now: bool = False, exit_code: int | None) -> None:
        """Send the others home, see `RemoteNode.close`, and end what runs here."""
        for node in [*self._remote, *self.waiting]:
            if not node.is_gone:
                node.close(exit_code)
        self._remote, self.waiting = [], []
        self.local.close(now=now)

    def _all(self) -> Iterator[Node | RemoteNode]:
        yield self.local
        yield from self._remote

    def _tell(self, say: Callable[[Node | RemoteNode], None]) -> None:
        for node in self._all():
            say(node)
