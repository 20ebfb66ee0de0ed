from hypothesis import given
from hypothesis import strategies as st

from drivetrain.core.ids import is_id, new_id

INSTANTS_NS = st.integers(min_value=0, max_value=2**62)


@given(INSTANTS_NS, INSTANTS_NS)
def test_an_id_made_a_millisecond_later_sorts_after(one_ns: int, other_ns: int) -> None:
    early, late = sorted((one_ns, other_ns))
    if late // 1_000_000 > early // 1_000_000:
        assert new_id("run", now_ns=early) < new_id("run", now_ns=late)


@given(INSTANTS_NS)
def test_an_id_is_recognised_and_nothing_like_a_path_is(now_ns: int) -> None:
    made = new_id("run", now_ns=now_ns)
    assert is_id(made, "run")
    assert not is_id(made, "job")
    assert not is_id(f"{made}/../x", "run")


def test_a_thousand_ids_of_one_moment_differ() -> None:
    assert len({new_id("run", now_ns=5) for _ in range(1000)}) == 1000
