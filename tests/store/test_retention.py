"""Which checkpoints go: never the last good one, and only what no rule keeps."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from drivetrain.core.units import Every
from drivetrain.store import Known, Retention, what_to_delete

knowns = st.dictionaries(
    st.integers(0, 60),
    st.tuples(st.booleans(), st.none() | st.floats()),
    max_size=12,
).map(lambda found: [Known(step, step * 1000, *rest) for step, rest in found.items()])
policies = st.builds(
    Retention,
    st.integers(1, 4),
    st.none() | st.builds(Every, st.integers(1, 20), st.sampled_from(["step", "ns"])),
    st.sampled_from(["", "loss"]),
    st.sampled_from(["min", "max"]),
)


@given(knowns, policies)
def test_the_newest_and_the_newest_finite_stay_and_deleting_twice_is_deleting_once(
    known: list[Known], policy: Retention
) -> None:
    gone = set(what_to_delete(known, policy))
    left = [one for one in known if one.step not in gone]
    assert {one.step for one in sorted(known, key=lambda one: one.step)[-policy.newest :]} <= {one.step for one in left}
    finite = [one.step for one in known if one.finite]
    assert not finite or max(finite) in {one.step for one in left}
    assert what_to_delete(left, policy) == []


def steps(policy: Retention, **metrics: float) -> list[int]:
    known = [Known(step, step, True, metrics.get(f"s{step}")) for step in (10, 20, 30, 40, 50)]
    gone = what_to_delete(known, policy)
    return [one.step for one in known if one.step not in gone]


def test_each_rule_keeps_its_own() -> None:
    assert steps(Retention(2)) == [40, 50]
    assert steps(Retention(1, Every(20, "step"))) == [20, 40, 50]
    assert steps(Retention(1, best="loss"), s10=3.0, s20=1.0, s30=float("nan"), s40=2.0) == [20, 50]
    assert steps(Retention(1, best="acc", mode="max"), s10=3.0, s20=1.0) == [10, 50]
    assert steps(Retention(1, best="loss"), s10=2.0, s20=1.0, s30=1.0, s40=1.0) == [20, 50]
