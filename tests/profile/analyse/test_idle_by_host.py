from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.profile.analyse.events import Raw, kernel, launch, span, step

from drivetrain.profile import Trace, trace_of
from drivetrain.profile.analyse import breakdown_by_step, host_steps, nest
from drivetrain.profile.analyse.idle_by_host import IdleCauses, idle_causes
from drivetrain.profile.analyse.overview import device_overview, host_overview
from drivetrain.profile.analyse.pieces import Pieces
from drivetrain.profile.analyse.spans import phase_pieces

LOADER = "enumerate(DataLoader)#_SingleProcessDataLoaderIter.__next__"


def phases(trace: Trace) -> Pieces:
    return phase_pieces(trace, nest(trace), host_steps(trace))


def causes(events: list[Raw], end_us: int) -> IdleCauses:
    """From 0 on, at which the events begin."""
    trace = trace_of(events)
    return idle_causes(trace, phases(trace), np.zeros(1, np.int64), np.array([1000 * end_us]))


def us(found: IdleCauses) -> dict[str, float]:
    names = ("idle_ns", "loader_ns", "sync_ns", "host_ns", "other_ns")
    return {name.removesuffix("_ns"): getattr(found, name)[0] / 1000 for name in names}


def test_each_idle_moment_has_the_cause_that_comes_first() -> None:
    events = [
        step(1, 0, 200),
        span(LOADER, 0, 40, "user_annotation"),
        span("aten::mm", 40, 30),
        launch(45, 5, 1),
        kernel("gemm", 60, 40, 1),
        launch(95, 5, 2, "cudaStreamSynchronize"),
        launch(140, 2, 3),
        kernel("gemm", 145, 5, 3),
    ]
    # 0-40 in the loader; 40-60 the operator works; 100-145 dry after the call; 150-200 nothing is traced.
    assert us(causes(events, 200)) == {"idle": 155.0, "loader": 40.0, "sync": 45.0, "host": 20.0, "other": 50.0}


def test_a_loader_beside_a_busy_device_costs_nothing() -> None:
    events = [
        step(1, 0, 100),
        span(LOADER, 0, 80, "user_annotation"),
        span("aten::mm", 80, 20),
        launch(0, 1, 1),
        kernel("gemm", 0, 90, 1),
    ]
    found = causes(events, 100)
    assert us(found) == {"idle": 10.0, "loader": 0.0, "sync": 0.0, "host": 10.0, "other": 0.0}
    assert found.loader_wait_ns[0] == 80_000


times = st.integers(0, 300)


@settings(max_examples=50)
@given(
    st.lists(st.tuples(times, st.integers(1, 60)), max_size=12),
    st.lists(st.tuples(times, st.integers(1, 60)), max_size=8),
    st.lists(st.tuples(times, st.integers(1, 30)), max_size=4),
)
def test_the_causes_sum_to_the_idle_time_of_each_step(
    kernels: list[tuple[int, int]], operators: list[tuple[int, int]], waits: list[tuple[int, int]]
) -> None:
    events = [step(1, 0, 200), step(2, 200, 200)]
    for number, (at, length) in enumerate(kernels, start=1):
        events += [launch(max(at - 3, 0), 2, number), kernel("gemm", at, length, number)]
    events += [span("aten::mm", at, length, tid=2) for at, length in operators]
    events += [launch(at, length, 1000 + at, "cudaDeviceSynchronize") for at, length in waits]
    trace = trace_of(events)
    found, parts = breakdown_by_step(trace)
    idle = idle_causes(trace, phases(trace), found.begin_ns, found.end_ns)
    assert (idle.loader_ns + idle.sync_ns + idle.host_ns + idle.other_ns == idle.idle_ns).all()
    assert all(part.min() >= 0 for part in (idle.loader_ns, idle.sync_ns, idle.host_ns, idle.other_ns))
    if kernels:
        np.testing.assert_allclose(idle.idle_ns, [1000 * part.idle_us for part in parts], atol=2)


@settings(max_examples=30)
@given(
    st.lists(st.tuples(times, st.integers(1, 90), st.sampled_from(["gemm", "ncclKernel", "Memcpy HtoD"]))),
    st.integers(1, 50),
)
def test_columns_of_an_overview_hold_all_busy_time(events: list[tuple[int, int, str]], num_columns: int) -> None:
    trace = trace_of([kernel(name, at, length, number) for number, (at, length, name) in enumerate(events)])
    shares = device_overview(trace, 0, 500_000, num_columns)
    covered = np.zeros(500, bool)
    for at, length, _ in events:
        covered[at - min((a for a, *_ in events), default=0) :][:length] = True
    total = sum(int(column.sum()) for parts in shares.values() for column in parts.values())
    assert total == 1000 * int(covered.sum())


def test_the_host_s_columns_are_its_phases() -> None:
    events = [
        step(1, 0, 100),
        span(LOADER, 0, 50, "user_annotation"),
        span("Optimizer.step#SGD.step", 75, 25, "user_annotation"),
    ]
    shares = host_overview(phases(trace_of(events)), 0, 100_000, 4)
    assert shares["loader"].tolist() == [25_000, 25_000, 0, 0]
    assert shares["optimizer"].tolist() == [0, 0, 0, 25_000]
