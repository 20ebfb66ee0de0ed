"""From figures to at most five sentences: the largest loss first, each with its evidence and what to do.

Pure. A rule measures one process and, where that is worth telling, puts it in words. Of several processes the one that
loses most is told, with the others beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from drivetrain.core.units import duration_text
from drivetrain.report.profile.facts import Facts
from drivetrain.report.profile.thresholds import MOST_FINDINGS
from drivetrain.report.profile_findings import ProfileFinding


@dataclass(frozen=True, slots=True)
class Words:
    """What a rule says of one process: `ProfileFinding` has what each is."""

    text: str
    evidence: str
    change: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of loss.

    Attributes:
      kind: its name.
      share: measures it, 0 to 1.
      worth: the share from which it is told.
      words: puts it so.
      loss: of the step, 0 to 1, for ranking; None where that is `share`.
      has_gain: whether without the loss the step would be shorter by it, at most.
    """

    kind: str
    share: Callable[[Facts], float]
    worth: float
    words: Callable[[Facts], Words]
    loss: Callable[[Facts], float] | None = None
    has_gain: bool = True


def find(processes: Sequence[Facts], rules: Sequence[Rule]) -> list[ProfileFinding]:
    """At most five findings, the largest first.

    Args:
      processes: ranks of one run, or traces that are looked at side by side; in order.
      rules: what to look for.
    """
    if not processes:
        return []
    found = [finding for rule in rules if (finding := _worst(rule, processes)) is not None]
    return sorted(found, key=lambda finding: (-finding.lost_ns, finding.kind))[:MOST_FINDINGS]


def _worst(rule: Rule, processes: Sequence[Facts]) -> ProfileFinding | None:
    """What the rule says of the process that loses the largest share, with the others' shares as evidence."""
    shares = [rule.share(facts) for facts in processes]
    index = max(range(len(shares)), key=lambda i: shares[i])
    if shares[index] < rule.worth:
        return None
    facts, words = processes[index], rule.words(processes[index])
    lost_ns = round(facts.step_ns * (rule.loss or rule.share)(facts))
    others = [
        (other.label, share) for i, (other, share) in enumerate(zip(processes, shares, strict=True)) if i != index
    ]
    return ProfileFinding(
        kind=rule.kind,
        label=facts.label if others else "",
        share=shares[index],
        lost_ns=lost_ns,
        text=f"{facts.label}: {words.text}" if others else words.text[:1].upper() + words.text[1:],
        evidence=" ".join(filter(None, (words.evidence, _others_text(others)))),
        change=words.change,
        gain=_gain(lost_ns, facts) if rule.has_gain else "",
    )


def _others_text(others: Sequence[tuple[str, float]]) -> str:
    if not others:
        return ""
    if len(others) <= 2:
        return f"Beside it, {' and '.join(f'{label}: {pct(share)}' for label, share in others)}."
    shares = sorted(share for _, share in others)
    least, most = pct(shares[0]), pct(shares[-1])
    return f"The other {len(others)}: {least if least == most else f'{least} to {most}'}."


def pct(share: float) -> str:
    """A share for a sentence: `44 %`, `1.2 %`."""
    return f"{100 * share:.0f} %" if share >= 0.0995 else f"{100 * share:.1f} %"


def of_step(part_ns: int, facts: Facts) -> str:
    """A part of the step, with both numbers: `35.5 ms of 153 ms`."""
    return f"{duration_text(part_ns)} of {duration_text(facts.step_ns)}"


def _gain(lost_ns: int, facts: Facts) -> str:
    rest_ns = facts.step_ns - lost_ns
    if lost_ns <= 0 or rest_ns <= 0:
        return ""
    return f"At most {duration_text(lost_ns)} a step: {facts.step_ns / rest_ns:.2f} times as fast."
