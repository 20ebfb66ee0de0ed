"""What a plan decides, and what it says of it."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from drivetrain.compute.policy.plan import plan
from drivetrain.compute.policy.values import (
    MILLI,
    Budget,
    Cordon,
    Decision,
    Failure,
    Node,
    Pool,
    Preempt,
    Quota,
    Refuse,
    Request,
    Resize,
    Running,
    RunTime,
    Share,
    Snapshot,
    Start,
    Stop,
    Wait,
    Waiting,
    Warn,
)
from drivetrain.compute.simulate.carry import carry_out

NOW_S = 100_000.0


def node(name: str, *, pool: str = "a", gpus: int = 8, **more: Any) -> Node:
    return Node(name, pool, (MILLI,) * gpus, "H100", **more)


def job(name: str, gpus: float = 8, *, nodes: int = 1, team: str = "maps", hours: float = 1, **more: Any) -> Waiting:
    request = more.pop("request", None) or Request(nodes, more.pop("most", nodes), round(gpus * MILLI))
    return Waiting(name, team, "ana", request, run_time=RunTime(hours * 1800, hours * 3600, hours * 7200), **more)


def fleet(*nodes: Node, running: tuple[Waiting, ...] = (), ago_s: float = 0.0, **more: Any) -> Snapshot:
    """Nodes on which these run since so long."""
    before = Snapshot(nodes, more.pop("pools", (Pool("a"),)), waiting=running)
    after = carry_out(before, plan(before, NOW_S - ago_s), NOW_S - ago_s)
    assert not after.waiting
    return replace(after, **more)


def busy(*nodes: Node, running: tuple[Waiting, ...], changes: dict[str, Any] | None = None, **more: Any) -> Snapshot:
    """As `fleet`, and what is different of each that runs."""
    snapshot = fleet(*nodes, running=running, **more)
    return replace(snapshot, running=tuple(replace(runs, **(changes or {})) for runs in snapshot.running))


def of(decisions: list[Decision], name: str) -> Decision:
    (found,) = [d for d in decisions if getattr(d, "job", None) == name]
    return found


def reason(decisions: list[Decision], name: str) -> str:
    found = of(decisions, name)
    assert isinstance(found, Start | Wait | Refuse | Preempt | Stop | Resize)
    return found.reason


def test_a_gang_waits_whole_until_all_of_its_nodes_are_free() -> None:
    snapshot = busy(node("n1"), node("n2"), running=(job("r", hours=1),), waiting=(job("w", nodes=2),))
    wait = of(plan(snapshot, NOW_S), "w")
    assert isinstance(wait, Wait)
    assert wait.reason == ("needs 2 free 8-GPU nodes (1 in pool a now, it is kept for whoever is first); first in line")
    assert wait.reserved_s == NOW_S + 3600


def test_a_borrower_is_told_so() -> None:
    quotas = (Quota("perception", "all", nominal_milli=8000), Quota("planning", "all", nominal_milli=16_000))
    waits = (job("w", nodes=2, team="perception"),)
    started = plan(fleet(node("n1"), node("n2"), node("n3"), quotas=quotas, waiting=waits), NOW_S)
    assert reason(started, "w") == "2 nodes of pool a; team perception is 8 over quota, borrowed from planning"
    full = busy(node("n1"), node("n2"), quotas=quotas, running=(job("r", team="planning"),), waiting=waits)
    assert reason(plan(full, NOW_S), "w") == (
        "needs 2 free 8-GPU nodes (1 in pool a now, it is kept for whoever is first); team perception is 8 "
        "over quota, borrowed from planning; first in line"
    )


def test_what_is_lent_is_asked_back_from_whom_it_costs_least() -> None:
    quotas = (Quota("maps", "all", nominal_milli=8000), Quota("planning", "all", nominal_milli=8000))
    running = (job("old", team="maps"), job("saved", team="maps"))
    snapshot = busy(node("n1"), node("n2"), running=running, ago_s=3000, quotas=quotas)
    runs = tuple(replace(r, saved_s=NOW_S - 60) if r.job == "saved" else r for r in snapshot.running)
    decisions = plan(replace(snapshot, running=runs, waiting=(job("w", team="planning"),)), NOW_S)
    (asked,) = [d for d in decisions if isinstance(d, Preempt)]
    assert (asked.job, asked.beneficiary, asked.lost_s) == ("saved", "w", 8 * 90.0)
    assert "team maps borrowed what team planning asks back" in asked.reason
    waits = of(decisions, "w")
    assert isinstance(waits, Wait)
    assert waits.reason.endswith("others make room for it")
    assert waits.reserved_s == NOW_S + 30


def test_what_is_not_lent_stays_and_what_is_past_the_limit_is_not_borrowed() -> None:
    waits = (job("w", 2, team="maps"),)
    kept = (Quota("maps", "all"), Quota("planning", "all", nominal_milli=8000, most_lent_milli=1000))
    waiting = of(plan(fleet(node("n1"), quotas=kept, waiting=waits), NOW_S), "w")
    assert isinstance(waiting, Wait)
    assert "needs 2 GPUs in pool a, of which team maps may use no more than 1" in waiting.reason
    few = (Quota("maps", "all", most_borrowed_milli=3000), Quota("planning", "all", nominal_milli=8000))
    decisions = plan(fleet(node("n1"), quotas=few, waiting=(*waits, job("x", 2, team="maps"))), NOW_S)
    assert isinstance(of(decisions, "w"), Start)
    assert "may have 1 more now" in reason(decisions, "x")


def test_a_team_without_a_quota_borrows_what_nobody_owns_and_what_others_lend_and_gives_it_back() -> None:
    quotas = (Quota("planning", nominal_milli=8000), Quota("maps", nominal_milli=4000, most_lent_milli=0))
    waits = tuple(job(f"w{number}", gpus=4, team="guests") for number in range(4))
    snapshot = fleet(node("n1"), node("n2"), quotas=quotas, waiting=waits)
    decisions = plan(snapshot, NOW_S)
    assert [d.job for d in decisions if isinstance(d, Start)] == ["w0", "w1", "w2"]
    assert reason(decisions, "w0") == "n1 of pool a; team guests owns nothing here and borrows from planning"
    assert "team guests owns nothing here and may have 0 more now" in reason(decisions, "w3")
    after = carry_out(snapshot, decisions, NOW_S)
    ran = tuple(replace(r, started_s=NOW_S - 3000, saved_s=NOW_S - 60, restart_s=30) for r in after.running)
    after = replace(after, waiting=(job("own", team="planning"), job("mine", gpus=4, team="maps")), running=ran)
    asked = plan(after, NOW_S)
    assert isinstance(of(asked, "mine"), Start)
    assert len([d for d in asked if isinstance(d, Preempt) and d.beneficiary == "own"]) in (1, 2)


def test_no_quota_refuses_a_job_that_waits() -> None:
    quotas = (Quota("planning", "all", nominal_milli=8000, most_lent_milli=0),)
    waits = (job("guest", team="guests"), job("more", nodes=2, team="planning"))
    decisions = plan(fleet(node("n1"), node("n2", state="down"), quotas=quotas, waiting=waits), NOW_S)
    assert "team guests may use no more than 0 by its quota and what others lend" in reason(decisions, "guest")
    assert isinstance(of(decisions, "more"), Wait)


def test_cores_are_not_given_to_who_asks_for_gpus() -> None:
    cores = replace(node("n1", gpus=2), gpu="cpu")
    waits = (
        replace(job("w"), request=Request(gpu_milli=1000, cpus=1)),
        replace(job("c"), request=Request(gpu_milli=1000, gpu="cpu")),
    )
    decisions = plan(fleet(cores, waiting=waits), NOW_S)
    assert isinstance(of(decisions, "c"), Start)
    assert reason(decisions, "w") == (
        "no node of any pool has a GPU; nearest that could be: a node with 1 core (cores are asked for with --cpus)"
    )
    both = plan(fleet(cores, replace(node("n2", gpus=1), gpu="H100"), waiting=(job("w", gpus=1),)), NOW_S)
    found = of(both, "w")
    assert isinstance(found, Start)
    assert [share.node for share in found.shares] == ["n2"]


def test_a_job_of_higher_priority_has_a_preemptible_one_save_and_leave_once_it_has_run_its_time() -> None:
    waits = (job("w", priority=200),)
    for ran_s, preemptible, leaves in ((100, True, False), (700, True, True), (700, False, False)):
        running = (job("r", preemptible=preemptible, min_runtime_s=600),)
        decisions = plan(fleet(node("n1"), running=running, ago_s=ran_s, waiting=waits), NOW_S)
        assert any(isinstance(d, Preempt) for d in decisions) is leaves
    assert "saves and leaves for w, of priority 200 (this has 100)" in reason(
        plan(fleet(node("n1"), running=(job("r", preemptible=True),), ago_s=60, waiting=waits), NOW_S), "r"
    )


def test_short_jobs_fill_the_gap_before_the_first_in_line_and_long_ones_do_not() -> None:
    snapshot = busy(node("n1"), node("n2"), running=(job("r", hours=2),))
    first = job("first", nodes=2, submitted_s=1)
    short, long = job("short", hours=0.5, submitted_s=2), job("long", hours=3, submitted_s=3)
    decisions = plan(replace(snapshot, waiting=(first, long, short)), NOW_S)
    assert isinstance(of(decisions, "short"), Start)
    assert isinstance(of(decisions, "long"), Wait)
    assert isinstance(of(plan(replace(snapshot, waiting=(long,)), NOW_S), "long"), Start)


def test_elastic_jobs_give_before_anybody_is_preempted_and_get_what_nobody_needs() -> None:
    elastic = job("e", nodes=1, most=2, hours=10)
    speeds = {"speed_by_nodes": {1: 1.0, 2: 1.9}}
    wide = busy(node("n1"), node("n2"), running=(elastic,), changes=speeds, ago_s=600)
    assert len(wide.running[0].shares) == 2
    decisions = plan(replace(wide, waiting=(job("w"),)), NOW_S)
    kept = of(decisions, "e")
    assert isinstance(kept, Resize)
    assert kept.shares == wide.running[0].shares[:1]
    assert kept.reason == "1 nodes instead of 2: w needs the rest more; 0.53 times as fast, as measured"
    assert not any(isinstance(d, Preempt) for d in decisions)
    narrow = busy(node("n1"), running=(elastic,), changes=speeds, ago_s=600)
    grown = of(plan(replace(narrow, nodes=(*narrow.nodes, node("n2"))), NOW_S), "e")
    assert isinstance(grown, Resize)
    assert [share.node for share in grown.shares] == ["n1", "n2"]


def test_an_elastic_job_that_more_nodes_do_not_help_is_left_alone() -> None:
    narrow = busy(node("n1"), running=(job("e", most=2, hours=10),), changes={"speed_by_nodes": {1: 1.0, 2: 1.0}})
    assert plan(replace(narrow, nodes=(*narrow.nodes, node("n2"))), NOW_S) == []


def test_what_no_pool_can_give_is_refused_with_the_nearest() -> None:
    nodes = (node("n1", rack="r1"), node("n2", rack="r2"))

    def nearest(request: Request) -> tuple[str, str]:
        (decision,) = plan(Snapshot(nodes, (Pool("a"),), waiting=(job("w", request=request),)), NOW_S)
        assert isinstance(decision, Refuse)
        return decision.nearest, decision.reason

    assert nearest(Request(3, 3, 8000))[0] == "2 nodes with 8 GPUs in pool a"
    assert nearest(Request(1, 1, 16_000))[0] == "a node with 8 GPUs"
    assert nearest(Request(1, 1, 1000, gpu="H200"))[0] == "H100"
    assert nearest(Request(1, 1, 1000, pool="aa"))[0] == "a"
    found, why = nearest(Request(2, 2, 8000, topology="rack", topology_required=True))
    assert found == "1 node with 8 GPUs in pool a"
    assert why.startswith("pool a has 1 node of one rack that can take 8 GPUs")


def test_what_no_pool_can_give_any_more_waits_if_it_was_accepted_once() -> None:
    snapshot = fleet(node("n1"), waiting=(job("w", gpus=64, was_accepted=True), job("new", gpus=64)))
    decisions = plan(snapshot, NOW_S)
    assert isinstance(of(decisions, "new"), Refuse)
    assert isinstance(of(decisions, "w"), Wait)
    assert "it was accepted when there was" in reason(decisions, "w")


def test_a_job_waits_for_nodes_that_are_not_known_yet() -> None:
    for pool, says in (
        ("", "no node is known yet in any pool"),
        ("a", "no node of pool a is known yet: is there one?"),
    ):
        waits = replace(job("w"), request=replace(job("w").request, pool=pool))
        assert reason(plan(Snapshot(pools=(Pool("a"),), waiting=(waits,)), NOW_S), "w") == says


def test_a_rack_is_preferred_or_required() -> None:
    nodes = (node("n1", rack="r1"), node("n2", rack="r2"), node("n3", rack="r2"), node("n4", rack="r3"))

    def places(num: int, *, required: bool) -> list[str] | None:
        request = Request(num, num, 8000, topology="rack", topology_required=required)
        (found,) = plan(fleet(*nodes, waiting=(job("w", request=request),)), NOW_S)
        return [share.node for share in found.shares] if isinstance(found, Start) else None

    assert places(2, required=True) == ["n2", "n3"]
    assert places(3, required=True) is None
    assert places(3, required=False) == ["n2", "n3", "n1"]


def test_a_gang_of_one_node_has_all_of_its_members_there() -> None:
    request = Request(4, 4, 2000, topology="node", topology_required=True)
    (found,) = plan(fleet(node("n1"), node("n2"), waiting=(job("w", request=request),)), NOW_S)
    assert isinstance(found, Start)
    assert [share.node for share in found.shares] == ["n1"] * 4
    assert [milli for share in found.shares for milli in share.milli] == [(device, MILLI) for device in range(8)]


def test_parts_share_an_accelerator_and_whole_ones_are_left_whole() -> None:
    waits = (job("x", 0.5, submitted_s=1), job("y", 0.5, submitted_s=2), job("z", 0.3, submitted_s=3))
    decisions = plan(fleet(node("n1", gpus=2), node("n2", gpus=2), waiting=waits), NOW_S)
    shares = [d.shares[0] for d in decisions if isinstance(d, Start)]
    assert [(share.node, share.milli) for share in shares] == [
        ("n1", ((0, 500),)),
        ("n1", ((0, 500),)),
        ("n1", ((1, 300),)),
    ]


def test_a_share_goes_where_what_is_left_is_of_use() -> None:
    of = ((1000, 1.0), (650, 2 / 3), (470, 1 / 2), (320, 1 / 3), (0, 0.0))
    worth = tuple(next(value for least, value in of if milli >= least) for milli in range(MILLI + 1))
    nodes = tuple(replace(node(f"n{at}", gpus=1), free_milli=(free,)) for at, free in enumerate((680, 530, 1000)))
    for known, taken in (((), "n1"), (worth, "n0")):
        snapshot = Snapshot(nodes, (Pool("a"),), waiting=(job("w", 0.32),), slice_worth=known)
        (found,) = plan(snapshot, NOW_S)
        assert isinstance(found, Start)
        assert found.shares[0].node == taken


def test_the_cheapest_pool_that_is_in_time_is_taken() -> None:
    pools = (Pool("a", "reserved"), Pool("dear", "on-demand", 4_000_000), Pool("spot", "spot", 1_000_000, 0.5))
    nodes = (node("d", pool="dear"), node("s", pool="spot"))

    def taken(waits: Waiting, *more: Node) -> str:
        (found,) = plan(Snapshot((*nodes, *more), pools, waiting=(waits,)), NOW_S)
        return found.shares[0].node if isinstance(found, Start) else "none"

    assert taken(job("w", hours=10, save_every_s=600.0)) == "s"
    assert taken(job("w", hours=10)) == "d"
    assert taken(job("w", hours=10), node("n1")) == "n1"
    late = NOW_S + 10.1 * 3600
    assert taken(job("w", hours=10, save_every_s=600.0, deadline_s=late)) == "d"


def test_a_job_with_a_deadline_waits_for_the_cheaper_pool_while_it_can() -> None:
    pools = (Pool("a", "reserved"), Pool("dear", "on-demand", 4_000_000))
    snapshot = busy(node("n1"), running=(job("r", hours=1),), pools=pools)
    snapshot = replace(snapshot, nodes=(*snapshot.nodes, node("d", pool="dear")))
    for left_h, kind in ((10, Wait), (2.5, Start)):
        waits = (job("w", deadline_s=NOW_S + left_h * 3600),)
        assert isinstance(of(plan(replace(snapshot, waiting=waits), NOW_S), "w"), kind)


def test_a_spent_budget_warns_and_then_has_paid_work_save_and_wait() -> None:
    pools = (Pool("a", "on-demand", 1_000_000),)
    snapshot = busy(node("n1"), node("n2"), running=(job("r"),), pools=pools, waiting=(job("w"),))
    near = plan(replace(snapshot, budgets=(Budget("maps", 100_000_000, 85_000_000),)), NOW_S)
    (warn,) = [d for d in near if isinstance(d, Warn)]
    assert warn.reason == "team maps has spent 85 % of its budget (85.00 of 100.00)"
    assert isinstance(of(near, "w"), Start)
    over = plan(replace(snapshot, budgets=(Budget("maps", 100_000_000, 100_000_000),)), NOW_S)
    left = of(over, "r")
    assert isinstance(left, Preempt)
    assert left.beneficiary == ""
    assert "; it waits until there is more, or the next month begins, " in reason(over, "w")
    never = plan(replace(snapshot, budgets=(Budget("maps", 0),)), NOW_S)
    assert reason(never, "w").endswith("; it waits until there is more")


def test_jobs_that_are_idle_or_over_their_time_end() -> None:
    for changes, words in (
        ({"idle_after_s": 1800.0, "progress_s": NOW_S - 2000}, "no step and no use of its devices for 33m"),
        ({"max_runtime_s": 3000.0}, "was to end after 50m"),
    ):
        snapshot = busy(node("n1"), running=(job("r"),), changes=changes, ago_s=4000)
        stop = of(plan(snapshot, NOW_S), "r")
        assert isinstance(stop, Stop)
        assert words.replace(" ", "") in stop.reason.replace(" ", "")


def test_a_node_on_which_several_jobs_failed_gets_no_more_work() -> None:
    failures = tuple(Failure("n1", NOW_S - at * 600, f"j{at % 2}", "Xid 79") for at in range(3))
    snapshot = fleet(node("n1"), node("n2"), failures=failures, waiting=(job("w"),))
    decisions = plan(snapshot, NOW_S)
    (cordon,) = [d for d in decisions if isinstance(d, Cordon)]
    assert (cordon.node, cordon.evidence) == ("n1", "3 failures of 2 jobs in 24 h (Xid 79); the last of job j0")
    started = of(decisions, "w")
    assert isinstance(started, Start)
    assert started.shares[0].node == "n2"


def test_a_job_that_fails_everywhere_does_not_take_nodes_with_it() -> None:
    failures = tuple(
        Failure(f"n{at}", NOW_S - 60, name, "exit 1") for at in range(3) for name in ("j1", "j2") for _ in range(3)
    )
    assert plan(fleet(node("n0"), node("n1"), node("n2"), failures=failures), NOW_S) == []


def test_a_node_that_drains_or_is_down_gets_nothing_but_its_jobs_stay_possible() -> None:
    for state in ("draining", "cordoned", "down"):
        wait = of(plan(Snapshot((node("n1", state=state),), (Pool("a"),), waiting=(job("w"),)), NOW_S), "w")
        assert isinstance(wait, Wait)


def test_teams_take_turns_and_who_used_least_lately_is_first() -> None:
    waits = tuple(job(f"{team}{at}", 1, team=team, submitted_s=at) for team in ("maps", "planning") for at in range(4))
    decisions = plan(fleet(node("n1", gpus=4), waiting=waits), NOW_S)
    assert sorted(d.job for d in decisions if isinstance(d, Start)) == ["maps0", "maps1", "planning0", "planning1"]


def test_what_failed_is_tried_again_after_a_while() -> None:
    waits = (job("w", eligible_s=NOW_S + 30),)
    assert reason(plan(fleet(node("n1"), waiting=waits), NOW_S), "w") == "tried again in 30 s"


def test_a_running_job_on_nodes_that_are_gone_does_not_stand_in_the_way() -> None:
    gone = Running("r", "0", "maps", "ana", Request(1, 1, 8000), (Share("n9", ((0, MILLI),)),))
    assert isinstance(of(plan(fleet(node("n1"), waiting=(job("w"),)), NOW_S), "w"), Start)
    snapshot = Snapshot((node("n1"),), (Pool("a"),), running=(gone,), waiting=(job("w", nodes=1), job("x")))
    assert {type(d) for d in plan(snapshot, NOW_S)} == {Start, Wait}


def test_of_a_team_that_borrowed_its_least_urgent_leave_however_little_the_others_would_lose() -> None:
    quotas = (Quota("maps", "all", nominal_milli=8000), Quota("planning", "all", nominal_milli=8000))
    running = (job("often", team="maps"), replace(job("urgent", team="maps"), priority=200))
    snapshot = busy(node("n1"), node("n2"), running=running, ago_s=3000, quotas=quotas)
    runs = tuple(replace(r, saved_s=NOW_S - 60) if r.job == "urgent" else r for r in snapshot.running)
    decisions = plan(replace(snapshot, running=runs, waiting=(job("w", team="planning"),)), NOW_S)
    assert [d.job for d in decisions if isinstance(d, Preempt)] == ["often"]


def test_who_is_within_its_quota_is_before_who_would_borrow_whatever_its_priority() -> None:
    quotas = (Quota("maps", "all", nominal_milli=8000), Quota("planning", "all", nominal_milli=8000))
    waits = (replace(job("more", nodes=2, team="maps"), priority=200), job("own", team="planning"))
    decisions = plan(fleet(node("n1"), node("n2"), quotas=quotas, waiting=waits), NOW_S)
    assert isinstance(of(decisions, "own"), Start)
    assert isinstance(of(decisions, "more"), Wait)


def test_places_that_have_to_be_awaited_are_taken_where_no_others_do_in_any_pool() -> None:
    taken = [
        node("n1", awaited_gpus=8),
        node("n2", awaited_gpus=4),
        node("n3", awaited_cpus=60.0, cpus=64, free_cpus=64),
    ]
    other = node("o1", pool="b")

    def where(*waits: Waiting, nodes: list[Node]) -> dict[str, list[str]]:
        snapshot = Snapshot(tuple(nodes), (Pool("a", price_per_gpu_h=1), Pool("b", price_per_gpu_h=2)), waiting=waits)
        return {d.job: [share.node for share in d.shares] for d in plan(snapshot, NOW_S) if isinstance(d, Start)}

    assert where(job("half", gpus=4), nodes=taken) == {"half": ["n2"]}
    assert where(job("whole"), nodes=[*taken[:2], node("n4")]) == {"whole": ["n4"]}
    assert where(job("first"), job("second"), nodes=[*taken[:2], other]) == {"first": ["o1"], "second": ["n1"]}
    assert where(job("gang", nodes=2), nodes=[*taken[:2], node("n4"), other]) == {"gang": ["n4", "n1"]}
    busy_cores = Request(1, 1, 8 * MILLI, cpus=8)
    assert where(job("cores", request=busy_cores), nodes=[taken[2], replace(other, cpus=8, free_cpus=8)]) == {
        "cores": ["o1"]
    }
    assert where(job("cores", request=busy_cores), nodes=[taken[2]]) == {"cores": ["n3"]}


def test_a_job_with_a_deadline_waits_for_the_cheaper_pool_also_where_something_of_the_other_is_awaited() -> None:
    pools = (Pool("a", "reserved"), Pool("dear", "on-demand", 4_000_000))
    snapshot = busy(node("n1"), running=(job("r", hours=1),), pools=pools)
    nodes = (*snapshot.nodes, node("d1", pool="dear"), node("d2", pool="dear", awaited_gpus=8))
    waits = (job("w", deadline_s=NOW_S + 10 * 3600),)
    assert isinstance(of(plan(replace(snapshot, nodes=nodes, waiting=waits), NOW_S), "w"), Wait)


def test_a_part_of_a_device_is_of_none_that_has_to_be_awaited_where_another_has_room() -> None:
    of = ((1000, 1.0), (650, 2 / 3), (470, 1 / 2), (320, 1 / 3), (0, 0.0))
    worth = tuple(next(value for least, value in of if milli >= least) for milli in range(MILLI + 1))
    free = replace(node("n1", gpus=2), free_milli=(MILLI, 650))
    for nodes, device in (((free,), 0), ((replace(free, awaited_gpus=1),), 1)):
        (found,) = plan(Snapshot(nodes, (Pool("a"),), waiting=(job("w", 0.34),), slice_worth=worth), NOW_S)
        assert isinstance(found, Start)
        assert found.shares[0].milli == ((device, 340),)


def test_members_on_one_node_have_what_need_not_be_awaited_together() -> None:
    request = Request(2, 2, 4 * MILLI, topology="node")
    nodes = (node("n1", awaited_gpus=2), node("n2"))
    (start,) = plan(Snapshot(nodes, (Pool("a"),), waiting=(job("w", request=request),)), NOW_S)
    assert isinstance(start, Start)
    assert {share.node for share in start.shares} == {"n2"}


def test_a_job_grows_onto_nothing_that_has_to_be_awaited() -> None:
    snapshot = busy(node("n1"), running=(job("e", most=2, hours=10),), changes={"speed_by_nodes": {1: 1.0, 2: 1.9}})
    assert not plan(replace(snapshot, nodes=(*snapshot.nodes, node("n2", awaited_gpus=8))), NOW_S)
    assert isinstance(of(plan(replace(snapshot, nodes=(*snapshot.nodes, node("n2"))), NOW_S), "e"), Resize)
