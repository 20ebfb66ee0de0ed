"""Jobs through the controller on a virtual clock: what becomes of them, of the devices, and of the money."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.page import check_page

from drivetrain.cli.simulate import command
from drivetrain.compute.controller.changes import Settings
from drivetrain.compute.controller.nodes import NodeRecord, with_what_is_free
from drivetrain.compute.controller.told import request_of, waiting_of
from drivetrain.compute.policy.plan import plan
from drivetrain.compute.policy.values import (
    MILLI,
    Budget,
    Decision,
    Pool,
    Preempt,
    Request,
    Snapshot,
    Start,
    Stop,
    Waiting,
)
from drivetrain.compute.simulate.fifo import fifo
from drivetrain.compute.simulate.history import HEAD, Event, lines_of, read_history
from drivetrain.compute.simulate.play import Play
from drivetrain.compute.simulate.replay import replay
from drivetrain.compute.simulate.site import Site, alike, equal_nodes, record_of
from drivetrain.compute.simulate.summary import Summary, course, summary
from drivetrain.compute.simulate.values import Arrival, Story
from drivetrain.compute.simulate.world import Policy, World
from drivetrain.core.errors import ConfigError, DataError, DrivetrainError, UsageError

DAY_S = 86400.0


def comes(name: str, at_s: float, run_s: float, gpus: float = 8, num: int = 1, **more: object) -> Arrival:
    request = Request(num, num, round(gpus * MILLI))
    job = Waiting(name, "maps", "ana", request, submitted_s=at_s, eligible_s=at_s)
    return Arrival(replace(job, **more), run_s)  # type: ignore[arg-type]


def played(site: Site, *arrivals: Arrival, policy: Policy = plan, seed: int = 0) -> Play:
    play = Play(site, policy=policy, seed=seed)
    play.arrive(arrivals)
    play.run()
    return play


def stories(play: Play) -> dict[str, Story]:
    return {job: work.story for job, work in play.works.items()}


def summed(play: Play) -> Summary:
    return summary("plan", stories(play).values(), play.fleet)


def priced(*pools: Pool, budgets: tuple[Budget, ...] = (), nodes: int = 1) -> Site:
    return Site(
        tuple(node for pool in pools for node in alike(pool.name, nodes, 8)), Settings(pools=pools, budgets=budgets)
    )


def test_jobs_run_one_after_the_other_where_there_is_one_place() -> None:
    play = played(equal_nodes(1, 8), comes("x", 0, 100), comes("y", 10, 50), comes("z", 300, 1))
    assert [(s.wait_s, s.ends_s) for s in stories(play).values()] == [(0, [100]), (90, [150]), (0, [301])]
    assert {s.outcome for s in stories(play).values()} == {"done"}


def test_a_preempted_job_saves_and_goes_on_and_one_that_cannot_begins_again() -> None:
    urgent = comes("u", 50, 10, priority=200)
    for every_s, ends_s in ((100.0, 140.0), (None, 220.0)):
        play = played(equal_nodes(1, 8), comes("x", 0, 100, preemptible=True, save_every_s=every_s), urgent)
        story = stories(play)["x"]
        assert stories(play)["u"].starts_s == [80]
        assert story.ends_s == [80, ends_s]
        assert story.lost_s == (0 if every_s else 8 * 80)
        assert summed(play).device_h.get("lost", 0.0) * 3600 == story.lost_s
        assert summed(play).num_preempted == 1


def test_a_job_over_its_time_is_stopped_and_one_that_fits_nowhere_refused() -> None:
    play = played(equal_nodes(1, 8), comes("x", 0, 1000, max_runtime_s=200.0), comes("y", 0, 1, gpus=16))
    found = stories(play)
    assert (found["x"].outcome, found["x"].ends_s) == ("stopped", [230])
    assert "nearest that could be: a node with 8 GPUs" in found["y"].reason
    assert summed(play).num_jobs == {"stopped": 1, "refused": 1}
    assert list(summed(play).refused.values()) == [1]


def test_an_elastic_job_grows_and_gives_back() -> None:
    speeds = {1: 1.0, 2: 2.0}
    job = Waiting("e", "maps", "ana", Request(1, 2, 8000), speed_by_nodes=speeds)
    alone = played(equal_nodes(2, 8), Arrival(job, 1000))
    assert stories(alone)["e"].ends_s == [500]
    shared = played(equal_nodes(2, 8), Arrival(job, 1000), comes("x", 100, 100))
    assert {story.outcome for story in stories(shared).values()} == {"done"}
    assert stories(shared)["e"].ends_s[-1] > 500
    assert stories(shared)["e"].lost_s == 0


def test_what_is_free_and_of_use_to_nobody_who_waits_is_fragmented_as_in_the_ledger() -> None:
    play = played(equal_nodes(1, 8), comes("x", 0, 100, gpus=5), comes("y", 0, 100, gpus=4))
    found = summed(play)
    assert found.device_h["fragmented"] * 3600 == pytest.approx(3 * 100)
    assert (found.fragmented_pct, found.idle_pct, found.allocated_pct) == pytest.approx((18.75, 25, 56.25))
    assert found.sg == pytest.approx(found.allocated_pct / 100)
    assert found.waited["all"].mean_s == 50
    assert found.took["several GPUs"].p99_s == 200


def test_free_accelerators_of_a_node_without_cores_or_memory_for_who_waits_are_fragmented() -> None:
    nodes = (NodeRecord(name="n0", pool="fleet", num_gpus=4, cpus=8, memory_bytes=8 << 30),)
    site = Site(nodes, Settings(pools=(Pool("fleet"),)))
    for asked in (Request(gpu_milli=MILLI, cpus=8), Request(gpu_milli=MILLI, cpus=1, memory_bytes=8 << 30)):
        first, second = (comes(name, at_s, 100, request=asked) for name, at_s in (("first", 0), ("second", 50)))
        found = summed(played(site, first, second))
        assert (found.fragmented_pct, found.idle_pct, found.allocated_pct) == pytest.approx((75, 0, 25))


def test_a_summary_says_what_jobs_cost_by_pool_and_team() -> None:
    play = played(priced(Pool("cloud", "on-demand", 3_600_000)), comes("x", 0, 100), comes("y", 0, 100, gpus=4))
    found = summed(play)
    assert (found.cost, found.cost_by_pool, found.cost_by_team) == (
        12 * 100 * 1000, {"cloud": 1_200_000}, {"maps": 1_200_000}
    )  # fmt: skip


def test_owners_take_spot_nodes_back_at_their_rate_and_what_was_not_saved_is_done_again() -> None:
    site = priced(Pool("spot", "spot", 1_000_000, 0.5), nodes=4)
    saves = [comes(f"s{at}", 0, 40 * 3600.0, save_every_s=600.0, preemptible=True) for at in range(4)]
    found = stories(played(site, *saves, seed=1))
    num = sum(story.num_interrupted for story in found.values())
    assert 40 < num < 120, "4 nodes for 40 h and a little, at a half an hour"
    assert all(0 <= story.lost_s <= 8 * 600 * story.num_interrupted for story in found.values())
    assert {story.outcome for story in found.values()} == {"done"}
    again = stories(played(site, *saves, seed=1))
    assert {job: story.starts_s for job, story in again.items()} == {
        job: story.starts_s for job, story in found.items()
    }
    other = stories(played(site, *saves, seed=2))
    assert {job: story.starts_s for job, story in other.items()} != {
        job: story.starts_s for job, story in found.items()
    }


def test_between_pools_the_choice_by_price_counts_interruptions_and_the_play_shows_what_it_costs() -> None:
    def cost(rate: float, policy: Policy) -> int:
        pools = Pool("a-spot", "spot", 1_000_000, rate), Pool("cloud", "on-demand", 3_000_000)
        jobs = [comes(f"x{at}", at * 7200.0, 3600.0) for at in range(12)]
        return summed(played(priced(*pools), *jobs, policy=policy, seed=3)).cost

    assert cost(0.0, plan) == cost(0.0, fifo) == 12 * 8 * 1_000_000
    assert cost(2.0, plan) == 12 * 8 * 3_000_000, "a job that cannot save is better off where nobody interrupts it"
    assert cost(2.0, fifo) > cost(0.0, fifo)


def test_a_team_whose_budget_is_spent_saves_and_waits_until_the_next_day() -> None:
    budget = Budget("maps", 8 * 4_000_000, per="day")
    site = priced(Pool("cloud", "on-demand", 1_000_000), budgets=(budget,))
    story = stories(played(site, comes("x", 0, 10 * 3600.0, preemptible=True, save_every_s=600.0)))["x"]
    assert [round(at_s / DAY_S, 3) for at_s in story.starts_s] == [0, 1, 2]
    assert story.ends_s[0] == pytest.approx(4 * 3600 + 30, abs=2)
    assert story.outcome == "done"


def test_whoever_comes_last_after_months_of_nothing_runs_to_the_end() -> None:
    play = played(equal_nodes(1, 8), comes("x", 0, 100), comes("y", 70 * DAY_S, 100))
    assert [story.outcome for story in stories(play).values()] == ["done", "done"]
    assert summed(play).device_h["productive"] * 3600 == pytest.approx(2 * 8 * 100)


def test_a_play_that_would_never_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivetrain.compute.simulate.play.STUCK_S", 2 * DAY_S)
    budget = Budget("maps", 8 * 4_000_000, per="day")
    site = priced(Pool("cloud", "on-demand", 1_000_000), budgets=(budget,))
    play = played(site, comes("x", 0, 10 * 3600.0))
    assert stories(play)["x"].outcome in ("waiting", "running")
    assert play.now_s < 6 * DAY_S
    never = priced(Pool("cloud", "on-demand", 1_000_000), budgets=(Budget("maps", 0),))
    assert stories(played(never, comes("x", 0, 1)))["x"].outcome == "waiting"


JOBS = st.lists(
    st.tuples(
        st.integers(0, 4000),
        st.integers(1, 3000),
        st.sampled_from([1, 2, 4, 8]),
        st.integers(1, 2),
        st.sampled_from([100, 200]),
        st.booleans(),
    ),
    min_size=1,
    max_size=14,
)
Made = list[tuple[float, str, str, object]]


def arrivals_of(drawn: list[tuple[int, int, int, int, int, bool]]) -> list[Arrival]:
    found = []
    for at, (at_s, run_s, gpus, num, priority, preemptible) in enumerate(drawn):
        every_s = 600.0 if preemptible else None
        one = comes(f"j{at}", at_s, run_s, gpus, num, priority=priority, preemptible=preemptible, save_every_s=every_s)
        record = record_of(one.job)
        told = waiting_of(record, request_of(record, has_cores=False))
        found.append(Arrival(replace(told, save_every_s=every_s), run_s))
    return found


def noting(made: Made) -> Policy:
    """Told nothing of run times and past use, of which the two know in different ways."""

    def policy(snapshot: Snapshot, now_s: float) -> list[Decision]:
        plain = replace(
            snapshot,
            usage=(),
            waiting=tuple(replace(job, run_time=None) for job in snapshot.waiting),
            running=tuple(replace(job, run_time=None) for job in snapshot.running),
        )
        decisions = plan(plain, now_s)
        for each in decisions:
            if isinstance(each, Start | Preempt | Stop):
                made.append((now_s, type(each).__name__, each.job, getattr(each, "shares", None)))
        return decisions

    return policy


ASKED_ONCE_ITS_START_HAS_PAID = [
    *[(0, 1, 1, 1, 100, False)] * 4,
    (104, 1088, 1, 1, 100, False),
    (400, 71, 8, 2, 200, False),
    (690, 790, 2, 2, 200, False),
    (735, 3000, 4, 1, 200, False),
    (1367, 952, 1, 1, 100, True),
    (424, 105, 1, 1, 200, False),
    *[(0, 1, 1, 1, 100, False)] * 3,
    (736, 1, 2, 2, 200, False),
]


@settings(max_examples=40, deadline=None)
@given(drawn=JOBS, num_nodes=st.integers(1, 3))
@example(drawn=ASKED_ONCE_ITS_START_HAS_PAID, num_nodes=2)
def test_what_plays_estimates_decides_the_same_at_the_same_times_as_the_controller(
    drawn: list[tuple[int, int, int, int, int, bool]], num_nodes: int
) -> None:
    site, arrivals = equal_nodes(num_nodes, 8), arrivals_of(drawn)
    live: Made = []
    quick: Made = []
    play = played(site, *arrivals, policy=noting(live))
    world = World(Snapshot(with_what_is_free(site.nodes, ()), site.settings.pools), 0.0, policy=noting(quick))
    world.arrive(arrivals)
    world.run()
    assert live == quick
    assert {job: (s.starts_s, s.ends_s, s.outcome) for job, s in stories(play).items()} == {
        job: (s.starts_s, s.ends_s, s.outcome) for job, s in world.stories.items()
    }


@settings(max_examples=20, deadline=None)
@given(drawn=JOBS, rate=st.sampled_from([0.0, 2.0]), seed=st.integers(0, 3))
def test_what_was_played_is_a_history_that_the_policy_decides_again_and_an_account_that_conserves(
    drawn: list[tuple[int, int, int, int, int, bool]], rate: float, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    site = priced(Pool("spot", "spot", 1_000_000, rate), Pool("cloud", "on-demand", 3_000_000), nodes=2)
    play = played(site, *arrivals_of(drawn), seed=seed)
    assert sum(summed(play).device_h.values()) * 3600 == pytest.approx(32 * play.now_s)
    assert sum(course(stories(play).values(), play.fleet).devices[-1].values()) == pytest.approx(32)
    records = {job: record_of(work.story.job) for job, work in play.works.items()}
    events = []
    for seq, (at_ns, kind, subject, data) in enumerate(play.events):
        record = records.pop(subject, None) if kind == "job waiting" else None
        events.append(Event(seq, at_ns, kind, subject, msgspec.to_builtins(data, str_keys=True), record))
    path = tmp_path_factory.mktemp("played") / "history.jsonl"
    path.write_bytes(b"".join([HEAD.encode(), b"\n", *lines_of(events)]))
    assert replay(read_history(path)).differences == ()


def test_a_job_is_told_to_the_policy_as_it_came() -> None:
    asked = Request(2, 4, 500, gpu="H100", pool="p", cpus=3, memory_bytes=1 << 30, topology="rack")
    job = Waiting(
        "j", "t", "u", asked, 150, True, 10.0, 10.0, name="n", min_runtime_s=60.0, grace_s=5.0,
        max_runtime_s=1e5, deadline_s=1e6, idle_after_s=90.0, save_every_s=600.0, speed_by_nodes={2: 1.5},
    )  # fmt: skip
    record = record_of(job)
    assert waiting_of(record, request_of(record, has_cores=False)) == job
    cores = replace(job, request=Request(gpu_milli=2500, gpu="cpu"))
    assert request_of(record_of(cores), has_cores=True).gpu_milli == 3000


TRACE = """job_id,vc,gpu_num,submit_time,duration
a,maps,8,0,7200
b,maps,8,10,3600
c,planning,4,20,60
"""
FLEET = """[[pools]]
name = "cloud"
kind = "on-demand"
price_per_gpu_h = 2.0
nodes = 1
gpus = 8
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "trace.csv").write_text(TRACE, encoding="utf-8")
    (tmp_path / "server.toml").write_text(FLEET, encoding="utf-8")
    return tmp_path


def simulated(folder: Path, *words: str) -> str:
    done = CliRunner().invoke(command, [str(folder / "trace.csv"), *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_fleet_is_described_as_the_server_has_it_and_two_policies_stand_beside_each_other(folder: Path) -> None:
    words = ("--fleet", str(folder / "server.toml"), "--policy", "plan", "--policy", "fifo")
    text = simulated(folder, *words, "--html", str(folder / "page.html"))
    assert "3 done; 8 devices" in text
    assert "fragmented" in text
    told = json.loads(simulated(folder, *words, "--json"))
    assert [one["policy"] for one in told["policies"]] == ["plan", "fifo"]
    assert told["policies"][0]["cost_by_team"] == {"maps": 48_000_000, "planning": 133_333}
    page = (folder / "page.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 4
    assert "SG × RG" in page
    check_page(page)


PODS = """name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,creation_time,deletion_time
whole,8000,1024,2,1000,A10,100,200
share,1000,1024,1,500,A10|T4,100,150
cores,60000,1024,0,0,,110,210
later,60000,1024,0,0,,120,130
"""
NODES = "sn,cpu_milli,memory_mib,gpu,model\na1,96000,393216,2,A10\nt1,64000,262144,1,T4\n"


def test_openbs_lists_are_played_by_their_own_times(tmp_path: Path) -> None:
    (tmp_path / "trace.csv").write_text(PODS, encoding="utf-8")
    (tmp_path / "nodes.csv").write_text(NODES, encoding="utf-8")
    told = json.loads(simulated(tmp_path, "--fleet", str(tmp_path / "nodes.csv"), "--json"))
    assert told["num_jobs"] == {"done": 4}
    assert told["span_s"] == 110
    assert told["device_h"]["productive"] * 3600 == pytest.approx(2 * 100 + 0.5 * 50)
    (tmp_path / "trace.csv").write_text(PODS.replace(",120,130", ",,"), encoding="utf-8")
    words = [str(tmp_path / "trace.csv"), "--nodes", "1"]
    with pytest.raises(DataError, match="1 pods have no creation_time"):
        CliRunner().invoke(command, words, standalone_mode=False, catch_exceptions=False)


def test_a_fleet_file_that_is_none_and_two_fleets_at_once_are_refused(folder: Path) -> None:
    def fails(kind: type[DrivetrainError], message: str, *words: str) -> None:
        with pytest.raises(kind, match=message):
            CliRunner().invoke(
                command, [str(folder / "trace.csv"), *words], standalone_mode=False, catch_exceptions=False
            )

    toml = folder / "server.toml"
    fails(UsageError, "--nodes and --fleet are both given", "--nodes", "2", "--fleet", str(toml))
    fails(UsageError, "there are no nodes to play it on")
    fails(ConfigError, "trace.csv", "--fleet", str(folder / "trace.csv"))
    toml.write_text(FLEET.replace("gpus = 8", ""), encoding="utf-8")
    fails(UsageError, "pool cloud does not say how many GPUs", "--fleet", str(toml))
