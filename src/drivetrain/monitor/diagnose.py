"""From an account to findings: the largest losses first, each with its evidence, what to change, and the most to gain.

Pure: the same account and evidence always give the same findings. Thresholds are shares of allocated time and stand in
`remedies.py`; none is tuned to a particular run.
"""

from __future__ import annotations

import math
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from drivetrain.core.leaves import Leaf
from drivetrain.core.units import count_text, duration_text
from drivetrain.ledger import Account
from drivetrain.monitor.evidence import Death, Evidence, Ruined
from drivetrain.monitor.remedies import REMEDIES, RUIN_CHANGE

_ALARMS = frozenset({Leaf.UNKNOWN, Leaf.HANG})
_LONG = 10  # times the median, from which a stretch counts as long
_CONCENTRATED = 1.5  # times its fair share of a loss, from which one rank is named


@dataclass(frozen=True, slots=True)
class Finding:
    """One loss, said so that a person can act on it.

    Attributes:
      leaf: which part of the account.
      lost_ns: device time.
      share_pct: of allocated device time.
      text: what happened, one sentence with numbers and their denominators.
      evidence: what points to the cause; may be empty.
      change: what to do.
      gain: what that could bring, an upper bound, and said to be one.
      is_alarm: the account itself cannot be trusted, or the run stood still.
    """

    leaf: str
    lost_ns: int
    share_pct: float
    text: str
    evidence: str
    change: str
    gain: str
    is_alarm: bool


def findings(account: Account, evidence: Evidence | None = None) -> list[Finding]:
    """The losses worth acting on, the largest first.

    Args:
      account: of a run or a timeline.
      evidence: deaths, checkpoints and hangs, for causes; without it findings name the loss alone.
    """
    known = evidence or Evidence()
    found = [_finding(leaf, account, known) for leaf in REMEDIES if _is_worth_telling(leaf, account)]
    if known.ruined:
        found.append(_ruin(known.ruined[0], account))
    return sorted(found, key=lambda finding: (-finding.lost_ns, finding.leaf))


def _is_worth_telling(leaf: str, account: Account) -> bool:
    lost_ns = account.leaves.get(leaf, 0)
    return lost_ns > 0 and 100 * lost_ns >= REMEDIES[leaf].from_pct * account.allocated_ns


def _finding(leaf: str, account: Account, evidence: Evidence) -> Finding:
    lost_ns = account.leaves[leaf]
    share_pct = 100 * lost_ns / account.allocated_ns
    cause = _cause(leaf, evidence)
    num_ranks = len(account.by_rank)
    amount = f"{duration_text(lost_ns)} of {duration_text(account.allocated_ns)} over {count_text(num_ranks, 'rank')}"
    return Finding(
        leaf=str(leaf),
        lost_ns=lost_ns,
        share_pct=share_pct,
        text=f"{share_pct:.1f} % of allocated time ({amount}) {REMEDIES[leaf].went_to}{cause}.",
        evidence=" ".join(filter(None, (_who(leaf, account), _circumstances(leaf, account, evidence)))),
        change=_change(leaf, account, evidence),
        gain=_gain(lost_ns, account),
        is_alarm=leaf in _ALARMS,
    )


def _ruin(ruined: Ruined, account: Account) -> Finding:
    """Steps after a number is not finite any more are done, and train nothing."""
    num_vain, num_steps = ruined.to_step - ruined.from_step + 1, ruined.to_step + 1
    lost_ns = account.leaves.get(Leaf.PRODUCTIVE, 0) * num_vain // num_steps
    return Finding(
        leaf=str(Leaf.PRODUCTIVE),
        lost_ns=lost_ns,
        share_pct=100 * lost_ns / max(1, account.allocated_ns),
        text=f"`{ruined.name}` is not finite from step {ruined.from_step} to the last, {ruined.to_step}: "
        f"{count_text(num_vain, 'step')} of {num_steps} trained nothing.",
        evidence="",
        change=RUIN_CHANGE,
        gain=f"At most {duration_text(lost_ns)} of device time.",
        is_alarm=True,
    )


def _cause(leaf: str, evidence: Evidence) -> str:
    """A clause that names what made the loss, where the evidence tells it."""
    if leaf in (Leaf.LOST, Leaf.DOWN, Leaf.RESTORE) and evidence.deaths:
        told = [_death_text(death) for death in evidence.deaths[:2]]
        if len(evidence.deaths) > 2:
            told.append(count_text(len(evidence.deaths) - 2, "more failure"))
        return f" after {_enumerated(told)}"
    if leaf == Leaf.HANG and evidence.hung_ranks:
        ranks = sorted(set(evidence.hung_ranks))
        return f" (rank{'s' if len(ranks) > 1 else ''} {', '.join(map(str, ranks[:8]))})"
    return ""


def _death_text(death: Death) -> str:
    at = "before its first step" if death.step is None else f"at step {death.step}"
    return f"rank {death.rank} {_exit_text(death.code)} {at}"


def _exit_text(code: int) -> str:
    if code >= 0:
        return f"left with exit code {code}"
    try:
        return f"died of {signal.Signals(-code).name}"
    except ValueError:
        return f"died of signal {-code}"


def _who(leaf: str, account: Account) -> str:
    """Names the rank that holds more of a loss than its share; for waiting on others, the rank that waits least."""
    by_rank = {rank: leaves.get(leaf, 0) for rank, leaves in account.by_rank.items()}
    total = sum(by_rank.values())
    if len(by_rank) < 2 or not total:
        return ""
    most, least = max(by_rank, key=lambda rank: by_rank[rank]), min(by_rank, key=lambda rank: by_rank[rank])
    if leaf == Leaf.COMM_WAIT and by_rank[least] * len(by_rank) * 2 < total:
        return f"Rank {least} waits least ({duration_text(by_rank[least])}): the others wait for it."
    if by_rank[most] * len(by_rank) > _CONCENTRATED * total:
        return f"Rank {most} has {100 * by_rank[most] / total:.0f} % of it."
    return ""


def _circumstances(leaf: str, account: Account, evidence: Evidence) -> str:
    """Counts that put the loss in proportion."""
    if leaf == Leaf.LOST:
        return f"{count_text(account.num_steps_lost, 'step')} lost, {account.num_steps_kept} kept."
    if leaf == Leaf.CHECKPOINT and evidence.num_commits:
        each_ns = _checkpoint_ns(account, evidence)
        return f"{count_text(evidence.num_commits, 'checkpoint')}, {duration_text(each_ns)} each on every rank."
    return _stretches(leaf, account)


def _stretches(leaf: str, account: Account) -> str:
    """Whether a loss comes in many like stretches or in a few long ones, which have different causes."""
    found = [interval for interval in account.intervals if interval.leaf == leaf]
    longest = max(found, key=lambda interval: interval.end_ns - interval.start_ns)
    lengths_ns = sorted(interval.end_ns - interval.start_ns for interval in found)
    median_ns = lengths_ns[len(lengths_ns) // 2]
    at_ns = longest.start_ns - account.start_ns
    told = (
        f"{count_text(len(found), 'stretch', 'stretches')}, median {duration_text(median_ns)}, longest "
        f"{duration_text(lengths_ns[-1])} on rank {longest.rank} at {duration_text(at_ns)}"
    )
    long_ns = [length for length in lengths_ns if length > _LONG * median_ns]
    if sum(long_ns) * 2 > sum(lengths_ns):
        return f"{told}. Few long ones make most of it: {len(long_ns)} of them {duration_text(sum(long_ns))}."
    return f"{told}."


def _change(leaf: str, account: Account, evidence: Evidence) -> str:
    """What to do; for checkpoints and lost work with the interval that balances the two."""
    usual = REMEDIES[leaf].change
    every = evidence.commit_every_steps
    if leaf not in (Leaf.LOST, Leaf.CHECKPOINT) or not every:
        return usual
    best = balanced_interval_steps(account, evidence)
    if leaf == Leaf.LOST:
        advice = f"Checkpoint more often than every {every} steps"
        return f"{advice}: about every {best} would balance it with their cost." if best and best < every else usual
    if best and best > every:
        return (
            f"{usual} They are {every} steps apart; about {best} would balance their cost with work lost to failures."
        )
    return usual


def balanced_interval_steps(account: Account, evidence: Evidence) -> int | None:
    """Steps between checkpoints that lose least in sum to writing them and to redoing work, None without evidence.

    Source: J. W. Young, "A first order approximation to the optimum checkpoint interval", CACM 17(9), 1974:
    sqrt(2 x time to write one x mean time between failures).
    """
    num_steps = account.num_steps_kept + account.num_steps_lost
    if not (evidence.deaths and evidence.num_commits and num_steps):
        return None
    run_ns = account.end_ns - account.start_ns
    interval_ns = math.sqrt(2 * _checkpoint_ns(account, evidence) * run_ns / len(evidence.deaths))
    working_ns = account.leaves.get(Leaf.PRODUCTIVE, 0) + account.leaves.get(Leaf.LOST, 0)
    step_ns = working_ns / max(_num_devices(account), 1) / num_steps
    return max(1, round(interval_ns / step_ns)) if step_ns and interval_ns else None


def _checkpoint_ns(account: Account, evidence: Evidence) -> int:
    """Wall time of one checkpoint on one device, on average."""
    total_ns = account.leaves.get(Leaf.CHECKPOINT, 0)
    return round(total_ns / max(_num_devices(account), 1) / max(evidence.num_commits, 1))


def _num_devices(account: Account) -> int:
    by_rank: Mapping[int, int] = {interval.rank: interval.devices for interval in account.intervals}
    return sum(by_rank.values())


def _gain(lost_ns: int, account: Account) -> str:
    kept_ns = account.leaves.get(Leaf.PRODUCTIVE, 0)
    rest_ns = account.allocated_ns - lost_ns
    if rest_ns <= 0 or not kept_ns:
        return f"At most {duration_text(lost_ns)} of device time."
    now_pct, then_pct = 100 * kept_ns / account.allocated_ns, 100 * kept_ns / rest_ns
    return (
        f"At most {duration_text(lost_ns)} of device time: with none of it, goodput would be {then_pct:.1f} % of "
        f"{duration_text(rest_ns)} instead of {now_pct:.1f} % of {duration_text(account.allocated_ns)}."
    )


def _enumerated(parts: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))
