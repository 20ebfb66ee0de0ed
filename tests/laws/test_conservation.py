"""Conservation: leaves sum to allocated device time exactly, and each is right, whatever crashed, jumped or was torn.

Three judges of one timeline: the truth, known because `Story` made the timeline up; `brute`, a slow reader that asks
the rules anew for every millisecond; and the account.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drivetrain.ledger import account_of_timeline, read_timeline, timeline_json
from drivetrain.ledger.events import NEEDS

Row = dict[str, Any]
PHASES = ("init", "compile", "restore", "data_wait", "comm_wait", "checkpoint", "eval", "teardown")
WALL_MS = 1_760_000_000_000
MANY = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))


@dataclass(eq=False)
class Took:
    """A rank taking steps `first` to `last` once; what came of it is known when the story is over."""

    first: int
    last: int
    ended: bool = False
    skipped: bool = False
    leaf: str = ""


@dataclass
class Mark:
    """A record at a time, and what its rank is after it; None for a record of the supervisor."""

    at: int
    row: Row
    after: str | Took | None = None
    ends: Took | None = None
    skips: Took | None = None


@dataclass
class Track:
    """What one rank would do in one attempt if nothing stopped it."""

    rank: int
    at: int
    marks: list[Mark] = field(default_factory=list)

    def mark(
        self, kind: str, after: str | Took, *, ends: Took | None = None, skips: Took | None = None, **row: Any
    ) -> None:
        self.marks.append(Mark(self.at, {"kind": kind, "rank": self.rank, **row}, after, ends, skips))


class Story:
    """A run told in full, every choice drawn, so that the truth is known as it is written.

    Each attempt is planned to its end, then cut where fate strikes; what was open there lasts until the process ends.
    Choices come from a seed: drawing each one from hypothesis is twenty times slower.
    """

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.rows: list[tuple[int, Row]] = []
        self.truth: list[tuple[int, int, int, str | Took]] = []  # rank, from, to, what
        self.num_ranks = self.int(1, 3)
        self.devices = [self.int(1, 8) for _ in range(self.num_ranks)]
        self.lease = self.int(5, 40)
        self.committed = 0
        self.read_at = 0
        self.queued = 0
        self.tell()

    def int(self, low: int, high: int) -> int:
        return self.random.randint(low, high)

    def maybe(self, one_in: int) -> bool:
        return self.int(1, one_in) == 1

    def some(self, *choices: str) -> list[str]:
        return self.random.choices(choices, k=self.int(0, 2))

    def tell(self) -> None:
        now = self.int(0, 20)
        if self.maybe(2):
            self.rows.append((0, {"kind": "submit"}))
        allocs = sorted(now + self.int(0, 4) for _ in range(self.num_ranks))
        for rank, at in enumerate(allocs):
            self.rows.append((at, {"kind": "alloc", "rank": rank, "devices": self.devices[rank], "attempt": 0}))
        if self.rows[0][1]["kind"] == "submit":
            self.queued = sum(at * devices for at, devices in zip(allocs, self.devices, strict=True))
        since, idle, fate = [max(allocs)] * self.num_ranks, "setup", "crash"
        self.truth += [(rank, at, max(allocs), "setup") for rank, at in enumerate(allocs)]
        for attempt in range(self.int(1, 4)):
            fate = self.random.choice(["crash", "crash", "hang", "finish", "abandoned", "running"])
            begins = max(since) + self.int(0, 4)
            starts = [begins + self.int(0, 3) for _ in since]
            self.truth += [(rank, since[rank], starts[rank], idle) for rank in range(self.num_ranks)]
            since, idle = self.attempt(starts, attempt, fate), "down"
            if fate not in ("crash", "hang"):
                break
        if fate in ("crash", "hang", "finish"):
            self.give_back(since)

    def give_back(self, since: list[int]) -> None:
        """Everything is released some time after the last exit, asked about much later."""
        for rank, exited in enumerate(since):
            at = max(since) + self.int(0, 5) if rank % 2 else max(since)
            self.truth.append((rank, exited, at, "down"))
            self.rows.append((at, {"kind": "release", "rank": rank}))
        self.read_at = max(since) + 10 + self.int(0, 1000)

    def attempt(self, starts: list[int], attempt: int, fate: str) -> list[int]:
        """Write one attempt up to where fate cuts it; when each rank's process ended."""
        tracks, commits = self.plan(starts, attempt)
        whole = max(track.at for track in tracks)
        cut = whole if fate == "finish" else self.int(max(starts), whole)
        marks = [mark for track in tracks for mark in track.marks if mark.at <= cut]
        marks += [Mark(at, {"kind": "commit", "step": step}) for at, step in commits if at <= cut]
        self.committed = max([self.committed, *(step for at, step in commits if at <= cut)])
        ends = [cut] * self.num_ranks
        if fate == "finish":
            ends = [track.at for track in tracks]
        elif fate == "crash":
            ends = [cut + self.int(0, 3) for _ in tracks]
        elif fate == "hang":
            ends = [cut + self.int(2, 30) for _ in tracks]
            marks += [Mark(self.int(cut, min(ends)), {"kind": "hang", "of_rank": track.rank}) for track in tracks]
        elif fate == "running":
            self.read_at = cut + self.int(0, self.lease)
            ends = [self.read_at] * self.num_ranks
            marks.append(Mark(self.int(max(min(starts), self.read_at - self.lease), cut), {"kind": "beat"}))
        else:
            marks.append(Mark(cut, {"kind": "beat"}))
            self.read_at = cut + self.lease + 1 + self.int(0, 1000)
            self.truth += [(rank, cut, cut + self.lease, "down") for rank in range(self.num_ranks)]
        marks.sort(key=lambda mark: mark.at)
        for rank, end in enumerate(ends):
            self.settle(rank, marks, end, fate)
            if fate not in ("running", "abandoned"):
                code = 0 if fate == "finish" else -9
                marks.append(Mark(end, {"kind": "exit", "rank": rank, "code": code}))
        self.rows += [(mark.at, mark.row) for mark in sorted(marks, key=lambda mark: mark.at)]
        return ends

    def settle(self, rank: int, marks: list[Mark], end: int, fate: str) -> None:
        """What one rank was until its process ended, and what came of its steps."""
        pieces: list[tuple[int, str | Took]] = []
        took: list[Took] = []
        for mark in marks:
            if mark.row.get("of_rank") == rank:
                pieces[-1] = (pieces[-1][0], "hang")
            elif mark.row.get("rank") == rank and mark.after is not None:
                pieces.append((mark.at, mark.after))
                took += [mark.after] if isinstance(mark.after, Took) else []
            for step in (mark.ends, mark.skips):
                if step is not None and mark.row["rank"] == rank:
                    step.ended = step.ended or step is mark.ends
                    step.skipped = step.skipped or step is mark.skips
        for step in took:
            is_kept = fate == "running" or (step.ended and (fate == "finish" or step.last < self.committed))
            step.leaf = "skipped" if step.skipped else "productive" if is_kept else "lost"
        self.truth += [
            (rank, begin, until, what) for (begin, what), (until, _) in pairwise([*pieces, (end, "")]) if until > begin
        ]

    def plan(self, starts: list[int], attempt: int) -> tuple[list[Track], list[tuple[int, int]]]:
        tracks = [Track(rank, at) for rank, at in enumerate(starts)]
        commits: list[tuple[int, int]] = []
        for track in tracks:
            track.mark("start", "unknown")
            if attempt:
                track.mark("resume", "unknown", step=self.committed)
            for phase in self.some("init", "compile", "restore"):
                self.phase(track, phase, "unknown")
        step = self.committed
        for _ in range(self.int(0, 5)):
            count = self.random.choice([1, 1, 1, 4])
            for track in tracks:
                self.step(track, step, count)
            step += count
            if self.maybe(3):
                self.meet(tracks)
                commits.append((tracks[0].at, step))
        for track in tracks:
            if self.maybe(2):
                self.phase(track, "teardown", "unknown")
        return tracks, commits

    def meet(self, tracks: list[Track]) -> None:
        done = max(track.at for track in tracks) + self.int(0, 4)
        for track in tracks:
            track.mark("begin", "checkpoint", phase="checkpoint")
            track.at = done
            track.mark("end", "unknown", phase="checkpoint")

    def phase(self, track: Track, name: str, outside: str | Took) -> None:
        track.mark("begin", name, phase=name)
        track.at += self.int(0, 5)
        if self.maybe(4):
            self.phase(track, self.random.choice(PHASES), name)
            track.at += self.int(0, 3)
        track.mark("end", outside, phase=name)

    def step(self, track: Track, first: int, count: int) -> None:
        took = Took(first, first + count - 1)
        track.at += self.int(0, 2)
        is_crossed = self.maybe(5)  # by a phase that opens before the step and closes inside it, or after it
        inside: str | Took = took
        if is_crossed:
            track.mark("begin", "eval", phase="eval")
            track.at += self.int(0, 2)
            inside = "eval"
        track.mark("step_begin", inside, step=first, **({"count": count} if count > 1 else {}))
        if is_crossed and self.maybe(2):
            track.at += self.int(0, 3)
            track.mark("end", took, phase="eval")
            inside = took
        self.work(track, inside)
        after = "eval" if inside == "eval" else "unknown"
        track.mark("step_end", after, ends=took, step=took.last)
        if count == 1 and self.maybe(6):
            track.mark("skip", after, skips=took, step=first)
        if after == "eval":
            track.at += self.int(0, 2)
            track.mark("end", "unknown", phase="eval")

    def work(self, track: Track, inside: str | Took) -> None:
        begun = track.at
        track.at += self.int(0, 6)
        if self.maybe(12):  # the supervisor finds it still, yet it goes on by itself
            track.at += self.int(2, 20)
            track.marks.append(Mark(self.int(begun, track.at), {"kind": "hang", "of_rank": track.rank}))
            return
        for phase in self.some("data_wait", "comm_wait"):
            self.phase(track, phase, inside)
            track.at += self.int(0, 4)

    def total(self) -> dict[str, Any]:
        leaves: Counter[str] = Counter()
        for rank, begin, end, what in self.truth:
            leaves[what.leaf if isinstance(what, Took) else what] += (end - begin) * self.devices[rank]
        leaves_ms = {leaf: ms for leaf, ms in leaves.items() if ms}
        return {"leaves_ms": leaves_ms, "allocated_ms": sum(leaves_ms.values()), "queued_ms": self.queued}

    def lines(self) -> list[str]:
        """The timeline file: each host with clocks of its own, which jump, and which were measured early or late."""
        num_hosts = self.int(1, self.num_ranks)
        mono = [self.int(0, 10**9) for _ in range(num_hosts + 1)]
        ahead = [0, *(self.random.choice([0, 0, -2000, 3000]) for _ in range(num_hosts))]
        rows = list(self.rows)
        for host in range(1, num_hosts + 1):
            if ahead[host]:
                place = self.random.choice([0, 0, len(rows)])
                at = rows[place - 1][0] if place else 0
                rows.insert(place, (at, {"kind": "clock", "of": f"node-{host}", "ahead_ms": ahead[host]}))
        head = {"timeline": 1, "name": "story", "lease_ms": self.lease, "read_at_wall_ms": WALL_MS + self.read_at}
        out, seen, jump = [json.dumps(head)], set(), [0] * (num_hosts + 1)
        for at, row in rows:
            host = 1 + row["rank"] % num_hosts if "rank" in row else 0
            if host in seen and self.maybe(20):
                jump[host] += self.int(-5000, 5000)
            seen.add(host)
            clocks = {"mono_ms": mono[host] + at, "wall_ms": WALL_MS + at + ahead[host] + jump[host]}
            out.append(json.dumps({"kind": row["kind"], "host": f"node-{host}", **clocks, **row}))
        return out


# ------------------------------------------------------------------------------------ the rules, asked each millisecond


def brute(text: bytes) -> dict[str, Any]:
    """Every leaf of a timeline, by asking of each rank what it was at each millisecond."""
    head, *rows = _readable(text)
    _place(rows)
    ranks = sorted({row["rank"] for row in rows if "rank" in row})
    judges = [_Brute(rank, rows, head["lease_ms"], head["read_at_wall_ms"]) for rank in ranks]
    leaves = sum((judge.count() for judge in judges), Counter[str]())
    submit = next((row["at"] for row in rows if row["kind"] == "submit"), None)
    allocs = [next((row for row in judge.own if row["kind"] == "alloc"), None) for judge in judges]
    queued = 0 if submit is None else sum(max(0, row["at"] - submit) * row["devices"] for row in allocs if row)
    return {"leaves_ms": dict(leaves), "allocated_ms": sum(leaves.values()), "queued_ms": queued}


def _readable(text: bytes) -> list[Row]:
    rows = []
    for line in text.split(b"\n"):
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return [row for row in rows if isinstance(row, dict)]


def _place(rows: list[Row]) -> None:
    ahead = {row["of"]: row["ahead_ms"] for row in rows if row["kind"] == "clock"}
    firsts: dict[str, Row] = {}
    for index, row in enumerate(rows):
        first = firsts.setdefault(row["host"], row)
        row["index"] = index
        row["at"] = first["wall_ms"] - ahead.get(row["host"], 0) + row["mono_ms"] - first["mono_ms"]


def _is_open(rows: list[Row], rank: int) -> bool:
    kinds = [row["kind"] for row in rows if row.get("rank") == rank and row["kind"] in ("alloc", "release")]
    return bool(kinds) and kinds[-1] == "alloc"


class _Brute:
    """One rank of a timeline, asked about one millisecond at a time."""

    def __init__(self, rank: int, rows: list[Row], lease: int, asked: int) -> None:
        self.rank, self.rows = rank, rows
        self.own = [row for row in rows if row.get("rank") == rank]
        beats = [row["at"] for row in rows if row["kind"] == "beat"]
        self.beat = beats[-1] if beats else max(row["at"] for row in rows)
        run_is_open = any(_is_open(rows, row["rank"]) for row in rows if "rank" in row)
        self.is_running = run_is_open and asked - self.beat <= lease
        self.is_abandoned = run_is_open and not self.is_running
        self.closes = asked if self.is_running else self.beat + lease
        lives = [row for row in self.own if row["kind"] in ("start", "exit")]
        self.ended_well = not run_is_open and bool(lives) and lives[-1].get("code") == 0

    def count(self) -> Counter[str]:
        leaves: Counter[str] = Counter()
        end = self.closes if _is_open(self.rows, self.rank) else self.own[-1]["at"]
        for at in range(self.own[0]["at"], end):
            before = [row for row in self.own if row["at"] <= at]
            held = [row for row in before if row["kind"] in ("alloc", "release")]
            if held and held[-1]["kind"] == "alloc":
                leaves[self.leaf(at, before)] += held[-1]["devices"]
        return leaves

    def leaf(self, at: int, before: list[Row]) -> str:
        life = [row for row in before if row["kind"] in ("alloc", "start", "exit")][-1]
        if self.is_abandoned and at >= self.beat and life["kind"] != "exit":
            return "down"
        if any(self.hung(at, row["index"]) for row in self.rows if row.get("of_rank") == self.rank):
            return "hang"
        if life["kind"] != "start":
            return {"alloc": "setup", "exit": "down"}[life["kind"]]
        here = [row for row in before if row["index"] > life["index"]]
        opened: list[str] = []
        for row in here:
            if row["kind"] == "begin":
                opened.append(row["phase"])
            elif row["kind"] == "end":
                opened.reverse()
                opened.remove(row["phase"])
                opened.reverse()
        steps = [row for row in here if row["kind"] in ("step_begin", "step_end")]
        if opened:
            return opened[-1]
        return self.verdict(steps[-1]) if steps and steps[-1]["kind"] == "step_begin" else "unknown"

    def hung(self, at: int, index: int) -> bool:
        before = [row["at"] for row in self.own if row["index"] < index]
        after = [row["at"] for row in self.own if row["index"] > index]
        return bool(before) and before[-1] <= at < (after[0] if after else self.closes)

    def verdict(self, begin: Row) -> str:
        """Of a whole `step_begin`; these timelines never keep a part of steps recorded at once."""
        later = [row for row in self.own if row["index"] > begin["index"]]
        again = [row["index"] for row in later if row["kind"] in ("step_begin", "resume", "start")]
        until = min(again, default=len(self.rows))
        if any(row["kind"] == "skip" and row["step"] == begin["step"] and row["index"] < until for row in later):
            return "skipped"
        if any(row["kind"] == "resume" and row["step"] <= begin["step"] for row in later):
            return "lost"
        ends = [row["kind"] for row in later if row["kind"] in ("step_end", "exit", "release")]
        if not (ends[0] == "step_end" if ends else self.is_running):
            return "lost"
        commits = [row["step"] for row in self.rows if row["kind"] == "commit" and row["index"] > begin["index"]]
        is_covered = max(commits, default=-1) > begin["step"]
        return "productive" if is_covered or self.is_running or self.ended_well else "lost"


# ------------------------------------------------------------------------------------------------------------- the laws


def told(seed: int) -> tuple[bytes, dict[str, Any]]:
    """A timeline file and its truth."""
    story = Story(seed)
    return "\n".join([*story.lines(), ""]).encode(), story.total()


def accounted(text: bytes, tmp_path: Path) -> dict[str, Any]:
    """What the account says of a timeline file, once it has passed its own check."""
    path = tmp_path / "timeline.jsonl"
    path.write_bytes(text)
    timeline = read_timeline(path)
    account = account_of_timeline(timeline)
    account.check()
    found = timeline_json(timeline.name, account)
    assert found.pop("name") == json.loads(text.split(b"\n")[0])["name"]
    return found


SEEDS = st.integers(0, 2**62)


@MANY
@given(seed=SEEDS)
def test_the_account_tells_the_truth_to_the_millisecond_whatever_happens_to_a_run(seed: int, tmp_path: Path) -> None:
    text, truth = told(seed)
    assert accounted(text, tmp_path) == truth


@settings(MANY, max_examples=100)
@given(seed=SEEDS, torn_at=st.floats(0, 1))
def test_a_reader_that_asks_each_millisecond_agrees_wherever_the_file_is_torn(
    seed: int, torn_at: float, tmp_path: Path
) -> None:
    text, truth = told(seed)
    assert brute(text) == truth
    head = text.index(b"\n") + 1
    torn = text[: head + round(torn_at * (len(text) - head))]
    assert accounted(torn, tmp_path) == brute(torn)


KINDS = st.sampled_from([*NEEDS, "shout"])
ROWS = st.fixed_dictionaries(
    {
        "kind": KINDS,
        "host": st.sampled_from(["a", "b"]),
        "mono_ms": st.integers(0, 1000),
        "wall_ms": st.integers(0, 1000),
        "rank": st.integers(0, 2),
        "of_rank": st.integers(0, 2),
        "step": st.integers(-1, 6),
        "count": st.integers(1, 4),
        "phase": st.sampled_from([*PHASES, "lunch"]),
        "devices": st.integers(0, 9),
        "attempt": st.integers(0, 2),
        "code": st.sampled_from([0, 1, -9]),
        "of": st.sampled_from(["a", "b"]),
        "ahead_ms": st.integers(-500, 500),
    }
)


@MANY
@given(rows=st.lists(ROWS, max_size=60), lease=st.integers(0, 100), asked=st.integers(0, 2000), torn=st.integers(0, 40))
def test_leaves_sum_to_allocated_time_for_records_in_any_order(
    rows: list[Row], lease: int, asked: int, torn: int, tmp_path: Path
) -> None:
    head = {"timeline": 1, "name": "soup", "lease_ms": lease, "read_at_wall_ms": asked}
    text = "\n".join(json.dumps(row) for row in [head, *rows]).encode()
    found = accounted(text[: max(len(json.dumps(head)), len(text) - torn)], tmp_path)
    assert sum(found["leaves_ms"].values()) <= found["allocated_ms"]  # shares of steps recorded at once are below 1 ms
    assert all(ms >= 0 for ms in found["leaves_ms"].values())


@pytest.mark.slow
def test_thousands_of_stories_are_accounted_for(tmp_path: Path) -> None:
    for seed in range(3000):
        text, truth = told(seed)
        assert accounted(text, tmp_path) == truth, seed
        if seed % 10 == 0:
            assert brute(text) == truth, seed
