"""What was told of an attempt that runs -> the same as of another moment, until it is told anew (pure)."""

from __future__ import annotations

from collections import defaultdict

import msgspec

from drivetrain.core.units import NS_PER_S
from drivetrain.ledger.fleet.events import RankTold, Told
from drivetrain.ledger.fleet.explain import divided

_MINUTE_NS = 60 * NS_PER_S


def told_at(told: Told, at_ns: int) -> Told:
    """What was told of an attempt, as of another moment if it runs.

    What its account says of a rank that has its devices ends with the moment at which it was told: the state of its
    last record went on up to then. Time since, `unknown` if it were left as it is, has the leaves of as much time
    before, of a minute at least, each minute in their proportion. Told later than that moment, it is cut.

    Args:
      at_ns: on the controller's clock.
    """
    more_ns = at_ns - told.t
    if not told.is_running or not more_ns:
        return told
    ends_ns = [rank.start_ns + sum(rank.spans_ns) for rank in told.ranks]
    last_ns = max(ends_ns, default=0)
    ranks = []
    for rank, end_ns in zip(told.ranks, ends_ns, strict=True):
        beyond_ns = end_ns - last_ns - more_ns
        if more_ns < 0 < beyond_ns:
            ranks.append(_cut(rank, beyond_ns))
        else:
            ranks.append(_longer(rank, more_ns) if more_ns > 0 and end_ns == last_ns else rank)
    return msgspec.structs.replace(told, t=at_ns, ranks=tuple(ranks))


def _longer(rank: RankTold, more_ns: int) -> RankTold:
    recent_ns: dict[str, int] = defaultdict(int)
    left_ns = max(more_ns, _MINUTE_NS)
    for span_ns, letter in zip(reversed(rank.spans_ns), reversed(rank.leaves), strict=True):
        if not left_ns:
            break
        recent_ns[letter] += min(span_ns, left_ns)
        left_ns -= min(span_ns, left_ns)
    if not recent_ns:
        return rank
    minutes_ns = divided(more_ns, [1] * -(-more_ns // _MINUTE_NS))
    spans_ns = [span_ns for minute_ns in minutes_ns for span_ns in divided(minute_ns, [*recent_ns.values()])]
    leaves = rank.leaves + "".join(recent_ns) * len(minutes_ns)
    return msgspec.structs.replace(rank, spans_ns=(*rank.spans_ns, *spans_ns), leaves=leaves)


def _cut(rank: RankTold, beyond_ns: int) -> RankTold:
    num = len(rank.spans_ns)
    while num and rank.spans_ns[num - 1] <= beyond_ns:
        num -= 1
        beyond_ns -= rank.spans_ns[num]
    spans_ns = (*rank.spans_ns[: num - 1], rank.spans_ns[num - 1] - beyond_ns) if num else ()
    return msgspec.structs.replace(rank, spans_ns=spans_ns, leaves=rank.leaves[:num])
