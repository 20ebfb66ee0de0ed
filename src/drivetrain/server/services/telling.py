"""What runs tell of their attempts, read no more often than a server can afford.

A run's account is made of all its journals, which takes a second where it took some ten thousand steps, and `top` is
asked again and again of hundreds of runs. So what was told is kept:

1. Of an attempt that is settled for ever, from a reading after that.
2. A run is read at once where an attempt was never told of, has ended since, or has written its first since.
3. Any other is read again as far as a twentieth of the time since the last such readings allows it: those first that
   were read longest ago for what it takes, so that each has the same share, and one that has just begun is soon known
   to train. Not at all where its journals are as they were, and no time of it is open.
4. Meanwhile an attempt that runs is taken to go on as it did (`ledger.fleet.told_at`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock

import msgspec

from drivetrain import ledger
from drivetrain.core.errors import LedgerError, StoreError
from drivetrain.core.units import NS_PER_S
from drivetrain.ledger.accounting import Account
from drivetrain.ledger.fleet import Attempt, Told, told_at, told_of
from drivetrain.ledger.fleet.tell import MOST_STRETCHES
from drivetrain.store import run_folder

PACE = 20
"""For each second of reading runs again, how many go by in which none is."""
_SETTLED_STRETCHES = 512
"""Of an attempt that is kept for ever."""
_MOST_SETTLED = 4000
_NEVER_NS = 1 << 62

_pack, _unpack = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder(Told | None).decode
_Journals = frozenset[tuple[str, int]]
"""Their names and sizes."""
_Named = Mapping[str, Attempt]


@dataclass(frozen=True, slots=True)
class _Asked:
    """One moment: on the clock of `Telling`, and on the controller's."""

    s: float
    at_ns: int


@dataclass(frozen=True, slots=True)
class _Reading:
    """What a run told of its attempts that are not settled.

    Attributes:
      read_s: when.
      took_s: of the CPU.
      journals: what was read.
      is_over: no rank had devices, or nobody lived who could say so: it changes with its journals alone.
      told: by attempt, when that had ended, and what it was; packed, which is a sixth of the size.
    """

    read_s: float
    took_s: float
    journals: _Journals
    is_over: bool
    told: Mapping[str, tuple[int | None, bytes]]

    def ratio(self, now_s: float) -> float:
        """How long ago it was, for what it takes."""
        return (now_s - self.read_s) / max(self.took_s, 1e-6)

    def has(self, attempts: _Named) -> bool:
        """Whether it is of all of them, and no older than the end of any."""
        return all(name in self.told and self.told[name][0] == each.end_ns for name, each in attempts.items())

    def of(self, name: str, at_ns: int) -> Told | None:
        """What was told of an attempt, up to now if it runs."""
        end_ns, packed = self.told[name]
        told = _unpack(packed)
        return told if told is None or end_ns is not None else told_at(told, at_ns)


@dataclass(slots=True)
class Telling:
    """What runs told. For several threads: who asks while another reads waits, and finds it read.

    Attributes:
      clock: seconds.
      spent: seconds of the CPU, by the thread that asks.
    """

    clock: Callable[[], float] = time.monotonic
    spent: Callable[[], float] = time.thread_time
    _settled: dict[str, Told | None] = field(default_factory=dict)
    _readings: dict[str, _Reading] = field(default_factory=dict)
    _paid_s: float = float("-inf")
    """Up to when time has been spent on reading again."""
    _lock: Lock = field(default_factory=Lock)

    def tell(self, of_runs: Mapping[str, Sequence[Attempt]], at_ns: int, is_settled: Callable[[Attempt], bool]) -> None:
        """Tell each attempt what its run says of it.

        Args:
          of_runs: all attempts that are not on the books, by run; what runs told of others is forgotten.
          is_settled: whether nothing of an attempt can change.
        """
        asked = _Asked(self.clock(), at_ns)
        with self._lock:
            if len(self._settled) > _MOST_SETTLED:
                self._settled.clear()
            self._readings = {run: reading for run, reading in self._readings.items() if run in of_runs}
            settled_of = {run: {_name(a): a for a in each if is_settled(a)} for run, each in of_runs.items()}
            open_of = {run: {_name(a): a for a in each if not is_settled(a)} for run, each in of_runs.items()}
            known = [run for run in of_runs if self._knows(run, settled_of[run], open_of[run])]
            for run in of_runs.keys() - known:
                self._read(run, settled_of[run], open_of[run], asked)
            self._read_again([run for run in known if open_of[run]], open_of, asked)
            for run in of_runs:
                for name, attempt in settled_of[run].items():
                    attempt.told = self._settled[name]
                for name, attempt in open_of[run].items():
                    attempt.told = self._readings[run].of(name, at_ns)

    def _knows(self, run: str, settled: _Named, others: _Named) -> bool:
        if not settled.keys() <= self._settled.keys():
            return False
        reading = self._readings.get(run)
        if not others or reading is None:
            return not others
        return reading.has(others) and (bool(reading.journals) or not _journals(run))

    def _read_again(self, runs: Sequence[str], open_of: Mapping[str, _Named], asked: _Asked) -> None:
        for run in sorted(runs, key=lambda run: -self._readings[run].ratio(asked.s)):
            reading = self._readings[run]
            if reading.is_over and reading.journals == _journals(run):
                continue
            if asked.s - self._paid_s < PACE * reading.took_s:
                return
            self._read(run, {}, open_of[run], asked)
            self._paid_s += PACE * self._readings[run].took_s
        self._paid_s = max(self._paid_s, self.clock())

    def _read(self, run: str, settled: _Named, others: _Named, asked: _Asked) -> None:
        begun_s, journals = self.spent(), _journals(run)
        account, read_s = _account(run, self.clock)
        for name, attempt in settled.items():
            self._settled[name] = _told(account, attempt, asked.at_ns, _SETTLED_STRETCHES)
        told_ns = asked.at_ns + int((read_s - asked.s) * NS_PER_S)
        told = {name: (each.end_ns, _pack(_told(account, each, told_ns))) for name, each in others.items()}
        is_over = account is not None and not account.is_running
        self._readings[run] = _Reading(read_s, self.spent() - begun_s, journals, is_over, told)


def _name(attempt: Attempt) -> str:
    return f"{attempt.job}.{attempt.number}"


def _journals(run: str) -> _Journals:
    try:
        with os.scandir(run_folder(run).journal) as entries:
            return frozenset((entry.name, entry.stat().st_size) for entry in entries)
    except (StoreError, OSError):
        return frozenset()


def _account(run: str, clock: Callable[[], float]) -> tuple[Account | None, float]:
    """As of when it is true, with that moment; nothing where the run never began, or cannot be read."""
    try:
        history = ledger.read_history(run_folder(run))
    except (StoreError, LedgerError, OSError):
        return None, clock()
    read_s = clock()
    return ledger.account_of(history.events, history.lease_ns, history.now_ns()), read_s


def _told(account: Account | None, attempt: Attempt, at_ns: int, most_stretches: int = MOST_STRETCHES) -> Told | None:
    """What a run's account says of an attempt. Args: at_ns: of the account; that may end later than a question's."""
    if account is None:
        return None
    until_ns = _NEVER_NS if attempt.end_ns is None else attempt.end_ns
    return told_of(
        account,
        attempt.job,
        attempt.number,
        at_ns=at_ns,
        since_ns=attempt.start_ns,
        until_ns=until_ns,
        most_stretches=most_stretches,
    )
