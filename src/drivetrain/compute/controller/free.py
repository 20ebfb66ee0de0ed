"""What is free of each node, worked out anew only where an attempt came or went or the node changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from drivetrain.compute.controller.nodes import NodeRecord, with_what_is_free
from drivetrain.compute.controller.states import AttemptRecord
from drivetrain.compute.policy.values import Node


class Free:
    """As `with_what_is_free` has it; with thousands of nodes most of them are as they were at the last plan."""

    def __init__(self, records: Iterable[NodeRecord], attempts: Iterable[AttemptRecord]) -> None:
        self._nodes: dict[str, Node] = {}
        self._on: dict[str, dict[str, AttemptRecord]] = {}
        self._stale = {record.name for record in records}
        self._listed: tuple[Node, ...] = ()
        for attempt in attempts:
            self.come(attempt)

    def change(self, node: str) -> None:
        """It is not as it was."""
        self._stale.add(node)

    def come(self, attempt: AttemptRecord) -> None:
        """It has its shares from now on."""
        for share in attempt.shares:
            self._on.setdefault(share.node, {})[attempt.id] = attempt
            self._stale.add(share.node)

    def go(self, attempt: AttemptRecord) -> None:
        """It has them no longer."""
        for share in attempt.shares:
            self._on.get(share.node, {}).pop(attempt.id, None)
            self._stale.add(share.node)

    def nodes(self, records: Mapping[str, NodeRecord]) -> tuple[Node, ...]:
        """All of them, by name. Args: records: as they are now."""
        if self._stale:
            changed = [records[name] for name in self._stale if name in records]
            there = {attempt.id: attempt for node in changed for attempt in self._on.get(node.name, {}).values()}
            is_new = any(node.name not in self._nodes for node in changed)
            self._nodes |= {node.name: node for node in with_what_is_free(changed, there.values())}
            if is_new:
                self._nodes = {name: self._nodes[name] for name in sorted(self._nodes)}
            self._listed = tuple(self._nodes.values())
            self._stale.clear()
        return self._listed
