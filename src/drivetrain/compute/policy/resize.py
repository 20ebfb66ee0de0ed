"""Elastic jobs give what others need, and get what nobody does, by the speed that was measured at each size.

A job has a right to its fewest nodes alone. What it has on top it gives, before anybody is preempted, to a job of at
least its priority that waits: first where least speed is lost by it. What nobody who waits can have goes to where it
brings most, if the time it saves is more than what the change costs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from drivetrain.compute.policy.ends import expected_end_s
from drivetrain.compute.policy.fleet import Fleet
from drivetrain.compute.policy.place import place_gang
from drivetrain.compute.policy.quota import Book
from drivetrain.compute.policy.values import Running, Share, Waiting

LEAST_WORTH = 2.0


def speed(job: Running, num: int) -> float | None:
    """Measured at so many nodes, or between the next smaller and larger ones that were; None outside of them."""
    known = sorted(size for size, value in job.speed_by_nodes.items() if value > 0)
    below = [size for size in known if size <= num]
    above = [size for size in known if size >= num]
    if not below or not above:
        return None
    low, high = below[-1], above[0]
    part = (num - low) / (high - low) if high > low else 0.0
    return (1 - part) * job.speed_by_nodes[low] + part * job.speed_by_nodes[high]


def choose_shrinks(
    job: Waiting, pool: str, running: Iterable[Running], fleet: Fleet, book: Book, end_s: float
) -> dict[str, tuple[Share, ...]] | None:
    """What elastic jobs keep so that the job fits, those of them that change; None where that is not enough.

    Args:
      running: those of the pool.
      fleet, book: once those have left that were told to, and with what is promised taken; left as they were.
    """
    jobs = {other.job: other for other in running if _may_give(job, other)}
    kept = {name: list(other.shares) for name, other in jobs.items()}
    book = book.copy()
    given: list[tuple[str, Share]] = []

    def move(name: str, share: Share, sign: int) -> None:
        (fleet.give if sign > 0 else fleet.take)([share])
        book.use(jobs[name].team, pool, -sign * jobs[name].request.gpu_milli)

    def fits() -> bool:
        room = book.room(job.team, pool)
        enough = room is None or room >= job.request.gpu_milli * job.request.min_nodes
        return enough and place_gang(fleet, job.request, end_s=end_s) is not None

    while not fits():
        loss = {name: _loss(jobs[name], len(kept[name])) for name in kept if _has_more(jobs[name], kept[name])}
        if not loss:
            break
        name = min(loss, key=lambda name: (loss[name], name))
        given.append((name, kept[name].pop()))
        move(*given[-1], 1)
    enough = fits()
    needed = list(given)
    for name, share in given:
        move(name, share, -1)
        if enough and fits():
            needed.remove((name, share))
        else:
            move(name, share, 1)
    for name, share in needed:
        move(name, share, -1)
    if not enough:
        return None
    gone = {name: {share for other, share in needed if other == name} for name, _ in needed}
    return {name: tuple(s for s in jobs[name].shares if s not in gone[name]) for name in sorted(gone)}


def choose_size(job: Running, most: int, now_s: float) -> int:
    """How many nodes a running job should have of up to `most`; as many as it has where more bring it nothing.

    One whose speed at its size is not known yet stays. Past what was tried it goes to twice as many at once.
    """
    num = len(job.shares)
    most = min(most, job.request.max_nodes)
    now_speed = job.speed_by_nodes.get(num, 0.0)
    if most <= num or not now_speed or job.leaving or job.next_shares or job.request.topology == "node":
        return num
    left_s = expected_end_s(job, now_s) - now_s
    tried = max(job.speed_by_nodes)
    best, saved_s = num, 0.0
    for size in range(num + 1, most + 1):
        then = speed(job, size)
        if then is None:
            then = now_speed * size / num if size <= 2 * tried else 0.0
        worth = left_s * (1 - now_speed / then) - LEAST_WORTH * job.restart_s if then else 0.0
        if worth > saved_s:
            best, saved_s = size, worth
    return best


def gain_per_node(job: Running, size: int) -> float:
    """Relative speed that each node on top brings; as if it were in proportion where nothing is known."""
    num = len(job.shares)
    now_speed, then = job.speed_by_nodes.get(num), speed(job, size)
    if not now_speed or then is None:
        return 1 / num
    return (then / now_speed - 1) / (size - num)


def reason(job: Running, size: int, why: str) -> str:
    """Such as `4 nodes instead of 2: nobody else can use them; 1.8 times as fast as measured`."""
    speeds: Mapping[int, float] = job.speed_by_nodes
    num = len(job.shares)
    then, now_speed = speed(job, size), speeds.get(num)
    text = f"{size} nodes instead of {num}: {why}"
    return f"{text}; {then / now_speed:.2g} times as fast, as measured" if then and now_speed else text


def _may_give(job: Waiting, other: Running) -> bool:
    return (
        other.priority <= job.priority
        and other.request.topology != "node"
        and not other.leaving
        and other.next_shares is None
        and len(other.shares) > other.request.min_nodes
    )


def _has_more(job: Running, kept: list[Share]) -> bool:
    return len(kept) > job.request.min_nodes


def _loss(job: Running, num: int) -> float:
    """Relative speed lost by going from `num` nodes to one less."""
    now_speed, then = speed(job, num), speed(job, num - 1)
    if not now_speed or then is None:
        return 1 / num
    return 1 - then / now_speed
