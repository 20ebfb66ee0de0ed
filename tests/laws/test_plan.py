"""A plan gives no device twice, starts no gang in part, keeps to quotas, delays no one in front, and is stable."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from drivetrain.compute.policy.fairness import in_line
from drivetrain.compute.policy.plan import plan
from drivetrain.compute.policy.quota import Book
from drivetrain.compute.policy.values import (
    MILLI,
    Budget,
    Decision,
    Failure,
    Node,
    Pool,
    Preempt,
    Quota,
    Refuse,
    Request,
    Running,
    RunTime,
    Snapshot,
    Start,
    Wait,
    Waiting,
    Warn,
)
from drivetrain.compute.simulate.carry import carry_out

NOW_S = 10_000.0
TEAMS = ("perception", "planning", "maps")
GUESTS = ("guests", "others")


@st.composite
def requests(draw: st.DrawFn) -> Request:
    num = draw(st.sampled_from([1, 1, 1, 1, 2]))
    return Request(
        min_nodes=num,
        max_nodes=num + draw(st.sampled_from([0, 0, 1, 2])),
        gpu_milli=draw(st.sampled_from([0, 300, 500, 1000, 2000, 4000, 4000, 4000])),
        cpus=draw(st.sampled_from([0, 1, 4])),
        topology=draw(st.sampled_from(["any", "any", "rack", "node"])),
        topology_required=draw(st.booleans()),
    )


@st.composite
def waiting(draw: st.DrawFn, number: int, priorities: tuple[int, ...] = (50, 100, 200)) -> Waiting:
    median_s = draw(st.none() | st.sampled_from([60.0, 600.0, 6000.0]))
    return Waiting(
        f"w{number}",
        draw(st.sampled_from((*TEAMS, *TEAMS, *GUESTS))),
        "ana",
        draw(requests()),
        priority=draw(st.sampled_from(priorities)),
        preemptible=draw(st.sampled_from([True, True, False])),
        submitted_s=draw(st.integers(0, 5)) * 100.0,
        run_time=median_s and RunTime(median_s / 2, median_s, median_s * 2),  # type: ignore[arg-type]
    )


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    """A fleet in use, made by a plan of what runs, and others that wait."""
    num = draw(st.integers(2, 4))
    nodes = tuple(
        Node(f"n{at}", draw(st.sampled_from(["a", "a", "a", "b"])), (MILLI,) * 4, "H100", 16, 16, rack=f"r{at % 2}")
        for at in range(num)
    )
    quotas: tuple[Quota, ...] = ()
    if draw(st.booleans()):
        limits = st.none() | st.sampled_from([0, 2000, 4000])
        quotas = tuple(
            Quota(
                team,
                draw(st.sampled_from(["one", "one", "one", ""])),
                "",
                draw(st.sampled_from([0, 4000, 8000])),
                draw(limits),
                draw(limits),
            )
            for team in TEAMS
        )
    pools = (Pool("a"), Pool("b", "spot", 1_000_000))
    before = [draw(waiting(number, (50, 50, 100))) for number in range(draw(st.integers(3, 8)))]
    empty = Snapshot(nodes, pools, quotas, waiting=tuple(replace(job, job=f"r{job.job}") for job in before))
    full = carry_out(empty, plan(empty, NOW_S - 1000), NOW_S - 1000)
    return replace(
        full,
        running=tuple(draw(ran(job)) for job in full.running),
        waiting=tuple(draw(waiting(number)) for number in range(draw(st.integers(0, 8)))),
        budgets=tuple(Budget("maps", 100, spent) for spent in draw(st.sampled_from([(), (), (), (), (90,), (100,)]))),
        failures=tuple(
            Failure("n0", NOW_S, f"f{at % 2}", "lost") for at in range(draw(st.sampled_from([0, 0, 0, 0, 0, 3])))
        ),
    )


@st.composite
def ran(draw: st.DrawFn, job: Running) -> Running:
    """What became of a job by now."""
    num = len(job.shares)
    speeds = {size: size ** draw(st.sampled_from([0.2, 0.9])) for size in {num, job.request.max_nodes}}
    return replace(
        job,
        saved_s=NOW_S - draw(st.integers(0, 900)),
        leaving=draw(st.sampled_from([*[False] * 7, True])),
        speed_by_nodes=speeds if draw(st.booleans()) else {},
        idle_after_s=draw(st.sampled_from([*[None] * 9, 500.0])),
    )


def kinds(decisions: list[Decision]) -> set[type]:
    return {type(decision) for decision in decisions}


@settings(max_examples=40, deadline=None)
@given(snapshot=snapshots())
def test_no_device_is_given_twice_and_no_gang_starts_in_part(snapshot: Snapshot) -> None:
    decisions = plan(snapshot, NOW_S)
    waits = {job.job: job.request for job in snapshot.waiting}
    for start in (decision for decision in decisions if isinstance(decision, Start)):
        request = waits[start.job]
        assert request.min_nodes <= len(start.shares) <= request.max_nodes
        names = {share.node for share in start.shares}
        assert len(names) == len(start.shares) or (request.topology == "node" and len(names) == 1)
        assert all(sum(milli for _, milli in share.milli) == request.gpu_milli for share in start.shares)
        if request.topology == "rack" and request.topology_required:
            assert len({node.rack for node in snapshot.nodes if node.name in names}) == 1
        assert len({node.pool for node in snapshot.nodes if node.name in names}) == 1
    for node in carry_out(snapshot, decisions, NOW_S).nodes:
        assert min(node.free_milli) >= 0
        assert node.free_cpus >= 0


@settings(max_examples=40, deadline=None)
@given(snapshot=snapshots())
def test_no_quota_is_passed_but_by_what_others_lend(snapshot: Snapshot) -> None:
    after = carry_out(snapshot, plan(snapshot, NOW_S), NOW_S)
    used = Counter(dict.fromkeys(TEAMS, 0))
    for job in after.running:
        used[job.team] += job.request.gpu_milli * len(job.shares)
    for cohort in {quota.cohort or quota.team for quota in snapshot.quotas}:
        quotas = [quota for quota in snapshot.quotas if (quota.cohort or quota.team) == cohort]
        lent = {
            q.team: min(q.nominal_milli, q.nominal_milli if q.most_lent_milli is None else q.most_lent_milli)
            for q in quotas
        }
        for q in quotas:
            borrows = max(0, used[q.team] - q.nominal_milli)
            assert not borrows or q.cohort
            assert q.most_borrowed_milli is None or borrows <= q.most_borrowed_milli
        borrowed = sum(max(0, used[q.team] - q.nominal_milli) for q in quotas)
        spare = sum(min(lent[q.team], max(0, q.nominal_milli - used[q.team])) for q in quotas)
        assert borrowed <= sum(lent.values()) - sum(
            max(0, min(used[q.team], q.nominal_milli) - (q.nominal_milli - lent[q.team])) for q in quotas
        )
        assert spare >= 0


@settings(max_examples=40, deadline=None)
@given(snapshot=snapshots())
def test_who_owns_nothing_uses_what_nobody_owns_and_what_others_lend_and_do_not_use(snapshot: Snapshot) -> None:
    after = carry_out(snapshot, plan(snapshot, NOW_S), NOW_S)
    if not snapshot.quotas:
        return
    used = Counter(dict.fromkeys((*TEAMS, *GUESTS), 0))
    for job in after.running:
        used[job.team] += job.request.gpu_milli * len(job.shares)
    owned = sum(quota.nominal_milli for quota in snapshot.quotas)
    kept = sum(
        max(0, q.nominal_milli - q.most_lent_milli - used[q.team])
        for q in snapshot.quotas
        if q.most_lent_milli is not None
    )
    guests = sum(used[team] for team in GUESTS)
    capacity = MILLI * sum(node.num_gpus for node in snapshot.nodes)
    assert not guests or guests + sum(used[team] for team in TEAMS) + kept <= max(capacity, owned)


@settings(max_examples=40, deadline=None)
@given(snapshot=snapshots())
def test_a_plan_that_is_carried_out_leaves_nothing_to_plan(snapshot: Snapshot) -> None:
    decisions = plan(snapshot, NOW_S)
    after = carry_out(snapshot, decisions, NOW_S)
    again = plan(after, NOW_S)
    assert kinds(again) <= {Wait, Warn}
    assert [wait for wait in again if isinstance(wait, Wait)] == [w for w in decisions if isinstance(w, Wait)]


@settings(max_examples=40, deadline=None)
@given(snapshot=snapshots(), seed=st.integers(0, 100))
def test_equal_snapshots_in_another_order_give_the_same_plan(snapshot: Snapshot, seed: int) -> None:
    rng = random.Random(seed)

    def mixed(things: tuple) -> tuple:  # type: ignore[type-arg]
        return tuple(rng.sample(things, len(things)))

    other = replace(
        snapshot,
        nodes=mixed(snapshot.nodes),
        pools=mixed(snapshot.pools),
        quotas=mixed(snapshot.quotas),
        running=mixed(snapshot.running),
        waiting=mixed(snapshot.waiting),
    )
    assert plan(other, NOW_S) == plan(snapshot, NOW_S)


@settings(max_examples=40, deadline=None)
@given(snapshot=snapshots())
def test_every_waiting_job_gets_one_decision_with_its_reason(snapshot: Snapshot) -> None:
    decisions = [d for d in plan(snapshot, NOW_S) if isinstance(d, Start | Refuse | Wait)]
    assert Counter(d.job for d in decisions) == Counter(job.job for job in snapshot.waiting)
    assert all(d.reason for d in decisions)


def borrows(snapshot: Snapshot, job: Waiting) -> bool:
    """Whether the job would use more than its team owns."""
    book = Book(snapshot.quotas)
    for other in snapshot.running:
        book.use(other.team, "a", other.request.gpu_milli * len(other.shares))
    need = job.request.gpu_milli * job.request.min_nodes
    return bool(snapshot.quotas) and need > 0 and not book.owns(job.team, "a", need)


@settings(max_examples=40, deadline=None)
@given(snapshot=snapshots())
def test_nobody_behind_delays_who_is_first_in_line(snapshot: Snapshot) -> None:
    first = [d for d in plan(snapshot, NOW_S) if isinstance(d, Wait) and d.position == 1]
    if not first:
        return
    line = in_line(snapshot)
    ahead = line[: [job.job for job in line].index(first[0].job) + 1]
    without_others = plan(replace(snapshot, waiting=tuple(ahead)), NOW_S)
    alone = [d for d in without_others if isinstance(d, Wait) and d.job == first[0].job]
    if borrows(snapshot, ahead[-1]):  # what others own they may have at any time
        return
    if alone and alone[0].reserved_s is not None and first[0].reserved_s is not None:
        assert first[0].reserved_s <= alone[0].reserved_s


@settings(max_examples=40, deadline=None)
@given(snapshot=snapshots())
def test_only_those_who_may_be_asked_leave_and_for_somebody_who_then_has_a_place(snapshot: Snapshot) -> None:
    decisions = plan(snapshot, NOW_S)
    running = {job.job: job for job in snapshot.running}
    waits = {job.job: job for job in snapshot.waiting}
    line = [job.job for job in in_line(snapshot)]
    assert not {d.job for d in decisions if isinstance(d, Start)} & {d.job for d in decisions if isinstance(d, Preempt)}
    book = Book(snapshot.quotas)
    for job in carry_out(snapshot, decisions, NOW_S).running:
        book.use(job.team, "a", job.request.gpu_milli * len(job.shares))
    for asked in (d for d in decisions if isinstance(d, Preempt) and d.beneficiary):
        victim, winner = running[asked.job], waits[asked.beneficiary]
        assert (victim.preemptible and victim.priority < winner.priority) or book.borrowed(victim.team, "a")
        promised = {d.job for d in decisions if isinstance(d, Wait) and d.reserved_s == NOW_S + victim.grace_s}
        before = line[: line.index(winner.job) + 1]
        assert promised & set(before)  # it, or somebody before it takes that and leaves it what it was to have


@settings(max_examples=40, deadline=None)
@given(snapshot=snapshots(), most=st.integers(1, 3), copies=st.integers(1, 6))
def test_where_plans_over_the_first_few_of_each_kind_start_nothing_more_one_over_all_does_not_either(
    snapshot: Snapshot, most: int, copies: int
) -> None:
    waiting = tuple(
        replace(job, job=f"{job.job}.{copy}", priority=100, submitted_s=job.submitted_s + copy, run_time=None)
        for copy in range(copies)
        for job in snapshot.waiting
    )
    after = carried_out(replace(snapshot, waiting=waiting), most)
    assert not [decision for decision in plan(after, NOW_S) if isinstance(decision, Start)]


def carried_out(snapshot: Snapshot, most: int) -> Snapshot:
    """Plan over so many of each kind, and carry it out, until nothing starts."""
    while True:
        few = first(snapshot.waiting, most)
        decisions = plan(replace(snapshot, waiting=few, is_part=True), NOW_S)
        if not any(isinstance(decision, Start) for decision in decisions):
            return snapshot
        others = [job for job in snapshot.waiting if job not in few]
        snapshot = carry_out(replace(snapshot, waiting=few), decisions, NOW_S)
        snapshot = replace(snapshot, waiting=(*snapshot.waiting, *others))


def first(jobs: tuple[Waiting, ...], most: int) -> tuple[Waiting, ...]:
    """So many of each kind, the oldest first."""
    counts: Counter[object] = Counter()
    found = []
    for job in sorted(jobs, key=lambda job: (job.submitted_s, job.job)):
        kind = (job.team, job.request, job.priority, job.preemptible)
        counts[kind] += 1
        if counts[kind] <= most:
            found.append(job)
    return tuple(found)
