"""What the fleet's ledger is told of a workload as it is played, so that its time is divided as a live fleet's is."""

from __future__ import annotations

from collections.abc import Sequence

from drivetrain.compute.policy.elastic.values import Cluster, Placement
from drivetrain.compute.policy.values import MILLI, Request, Waiting
from drivetrain.compute.simulate.training.workload import Submitted
from drivetrain.compute.simulate.values import Story
from drivetrain.compute.simulate.work import at_ns
from drivetrain.core.leaves import Leaf
from drivetrain.ledger.fleet import Alloc, Fleet, FleetEvent, Free, NodeEvent, Told, Wait, fleet_of
from drivetrain.ledger.fleet.events import LETTERS, RankTold

POOL = "cluster"
_LETTERS = LETTERS[Leaf.RESTORE] + LETTERS[Leaf.PRODUCTIVE]


class Account:
    """Who waits and who has which GPUs, from 0 s on.

    Attributes:
      stories: of each job, in the order in which they came; its team is its application. Each change of its GPUs is
        another attempt.
    """

    def __init__(self, cluster: Cluster, restart_s: float) -> None:
        self.stories: dict[str, Story] = {}
        self._restart_s = restart_s
        self._free = [list(range(cluster.gpus_per_node)) for _ in range(cluster.num_nodes)]
        self._has: dict[str, list[tuple[int, list[int]]]] = {}
        self._events: list[FleetEvent] = [
            NodeEvent(0, _node(at), POOL, "up", cluster.gpus_per_node) for at in range(cluster.num_nodes)
        ]
        self._last_s = 0.0

    def fleet(self) -> Fleet:
        """All of it in order."""
        return fleet_of(self._events, at_ns(self._last_s))

    def come(self, job: Submitted) -> None:
        """It waits for its first GPU."""
        asked = Waiting(job.name, job.application, "", Request(gpu_milli=MILLI), submitted_s=float(job.time_s))
        self.stories[job.name] = Story(asked, 0.0)
        self._wait(job.name, float(job.time_s))

    def move(self, changed: Sequence[tuple[str, Placement]], now_s: float) -> None:
        """These have other GPUs from now on, or none."""
        had = {name for name, _ in changed if name in self._has}
        for name in had:
            self._leave(name, now_s)
        for name, placement in changed:
            if placement:
                self._start(name, placement, now_s)
            elif name in had:
                self._wait(name, now_s)

    def end(self, name: str, at_s: float) -> None:
        """It has come to its end."""
        self._leave(name, at_s)
        self.stories[name].outcome = "done"

    def _wait(self, name: str, at_s: float) -> None:
        self._events.append(Wait(at_ns(at_s), name, MILLI, team=self.stories[name].job.team))
        self.stories[name].outcome = "waiting"

    def _start(self, name: str, placement: Placement, now_s: float) -> None:
        story = self.stories[name]
        has = self._has[name] = [(node, [self._free[node].pop() for _ in range(count)]) for node, count in placement]
        for node, devices in has:
            milli = tuple((device, MILLI) for device in devices)
            team = story.job.team
            self._events.append(Alloc(at_ns(now_s), name, len(story.starts_s), _node(node), milli, team=team))
        story.starts_s.append(now_s)
        story.outcome = "running"

    def _leave(self, name: str, at_s: float) -> None:
        story = self.stories[name]
        for node, devices in self._has.pop(name):
            self._free[node] += devices
        number, begun_s = len(story.starts_s) - 1, story.starts_s[-1]
        begun_ns, ended_ns = at_ns(begun_s), at_ns(at_s)
        works_ns = min(at_ns(begun_s + self._restart_s), ended_ns)
        rank = RankTold(0, 1, begun_ns, (works_ns - begun_ns, ended_ns - works_ns), _LETTERS)
        self._events += [Free(ended_ns, name, number), Told(ended_ns, name, number, (rank,))]
        story.ends_s.append(at_s)
        self._last_s = max(self._last_s, at_s)


def _node(at: int) -> str:
    return f"node-{at:05d}"
