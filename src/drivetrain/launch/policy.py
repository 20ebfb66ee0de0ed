"""Decides, from values alone: which rank failed first, whether to try again, and the words for it."""

from __future__ import annotations

import signal
from collections.abc import Sequence

from msgspec import Struct

from drivetrain.core.errors import PERMANENT_EXIT_CODES
from drivetrain.core.units import count_text, duration_text
from drivetrain.launch.lost import is_peer_lost

_FROM_OUTSIDE = frozenset({-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP})


class RankEnd(Struct, frozen=True):
    """How one rank of an attempt ended.

    Attributes:
      code: exit code; negative for a signal.
      at_ns: monotonic.
      was_told: whether the launcher had told it to end before.
      last_words: the last lines of its stderr.
    """

    rank: int
    code: int
    at_ns: int
    was_told: bool = False
    last_words: tuple[str, ...] = ()

    @property
    def is_consequence(self) -> bool:
        """Whether it failed because it lost a peer, by its last words."""
        return self.code != 0 and any(is_peer_lost(line) for line in self.last_words)


class Failure(Struct, frozen=True):
    """Why an attempt failed.

    Attributes:
      first: the rank that failed first; of a hang, the one that got least far.
      step: the last step that rank began; None when it recorded none.
      furthest_step: the last step that any rank began; None when none was recorded.
      silent_ns: for a hang, how long no rank had recorded anything.
      is_busy: of a hang, whether ranks did record, and no step was done for so long.
    """

    attempt: int
    first: RankEnd
    step: int | None = None
    furthest_step: int | None = None
    silent_ns: int | None = None
    is_busy: bool = False

    @property
    def exit_code(self) -> int:
        """What the launcher exits with because of it: the rank's own code when it is from 1 to 125, else 1."""
        return self.first.code if self.silent_ns is None and 1 <= self.first.code <= 125 else 1

    def __str__(self) -> str:
        where = "" if self.step is None else f" at step {self.step}"
        return f"rank {self.first.rank} {self._how()}{where}"

    def _how(self) -> str:
        if self.silent_ns is not None and self.is_busy:
            return f"hung: it goes on, but no step was done for {duration_text(self.silent_ns)}; it was last seen"
        if self.silent_ns is not None:
            return f"hung: no rank had recorded anything for {duration_text(self.silent_ns)}; it was last seen"
        if self.first.code < 0:
            return f"was killed by {_signal_name(-self.first.code)}"
        return f"left with exit code {self.first.code}"


def first_to_fail(ends: Sequence[RankEnd]) -> RankEnd | None:
    """The rank whose failure explains those of the others, or None when all ended well.

    A rank that lost its peer is explained by that peer, even if it left first: an exception takes a while to leave a
    process. A rank that the launcher told to end explains nothing. What remains is told apart by time.
    """
    failed = [end for end in ends if end.code != 0]
    return min(failed, key=lambda end: (end.was_told, end.is_consequence, end.at_ns), default=None)


def why_give_up(failures: Sequence[Failure], restarts: int) -> str | None:
    """Why not to try again after these failures, the last one just now; None to try again.

    A signal from outside says nothing about the program, so that only the number of restarts limits those. An exit,
    a crash or a hang that comes again without a step more than before would come for ever.
    """
    last = failures[-1]
    if is_permanent(last):
        return f"exit code {last.first.code} says that trying again cannot help"
    if len(failures) > 1 and _is_own_fault(last) and _is_own_fault(failures[-2]) and not _got_further(failures):
        return "it got no further than the attempt before, so that another would end the same way"
    if len(failures) > restarts:
        return f"all {restarts} restarts are used up" if restarts else "no restarts are allowed"
    return None


def is_permanent(failure: Failure) -> bool:
    """Whether its exit code says that trying again cannot help."""
    return failure.silent_ns is None and failure.first.code in PERMANENT_EXIT_CODES


def failure_text(failures: Sequence[Failure], why: str, log: str) -> str:
    """One paragraph: what happened, where, the last words, how many attempts, why there is no other, what to do.

    Args:
      why: from `why_give_up`.
      log: path of the log of the rank at fault.
    """
    last = failures[-1]
    words = " / ".join(line.strip() for line in last.first.last_words[-3:])
    is_killed = last.silent_ns is None and last.first.code == -signal.SIGKILL
    silence = ", without a word on stderr" + (", as it is where memory runs out" if is_killed else "")
    told = f", its last words: {words}" if words else silence
    return f"{last}{told}. Gave up after {count_text(len(failures), 'attempt')}: {why}. All that it printed is in {log}"


def hint_for(failure: Failure) -> str:
    """What to do about it."""
    if failure.silent_ns is not None and failure.is_busy:
        return "does it catch every error and try again? If a step may take so long, allow more: --hang-after 5m"
    if failure.silent_ns is not None:
        return "if the program may be silent for so long, allow more: --hang-after 1m"
    if failure.first.code == -signal.SIGKILL:
        return "SIGKILL often means that memory ran out: see `dmesg`, or use a smaller batch"
    return "mend the cause, then continue the same run: drivetrain run --run latest"


def _is_own_fault(failure: Failure) -> bool:
    return failure.silent_ns is not None or failure.first.code not in _FROM_OUTSIDE


def _got_further(failures: Sequence[Failure]) -> bool:
    before, now = failures[-2].furthest_step, failures[-1].furthest_step
    return now is not None and (before is None or now > before)


def _signal_name(signum: int) -> str:
    try:
        return signal.Signals(signum).name
    except ValueError:
        return f"signal {signum}"
