"""What has to be awaited is taken only where what is free at once does not do."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.compute.policy.fleet import Fleet
from drivetrain.compute.policy.place import place_gang
from drivetrain.compute.policy.values import MILLI, Node, Request, Share


@st.composite
def nodes(draw: st.DrawFn) -> list[Node]:
    found = []
    for number in range(draw(st.integers(3, 6))):
        free = tuple(draw(st.lists(st.sampled_from((MILLI, 500, 0)), min_size=1, max_size=3)))
        awaited_gpus = draw(st.sampled_from((0, free.count(MILLI), 1))) if MILLI in free else 0
        cpus, awaited_cpus = draw(st.sampled_from((8, 8, 2))), draw(st.sampled_from((0, 0, 7)))
        found.append(
            Node(
                f"n{number}",
                "p",
                free,
                "H100",
                cpus=8,
                free_cpus=cpus,
                awaited_gpus=awaited_gpus,
                awaited_cpus=min(cpus, awaited_cpus),
            )
        )
    return found


requests = st.builds(
    Request,
    min_nodes=st.integers(1, 3),
    gpu_milli=st.sampled_from((MILLI, 500, 2 * MILLI, 0)),
    cpus=st.sampled_from((0, 2)),
)


def has_at_once(node: Node, request: Request) -> bool:
    """By hand: whole devices are awaited first."""
    whole = node.free_milli.count(MILLI) - node.awaited_gpus
    parts = [milli for milli in node.free_milli if milli < MILLI]
    if request.gpu_milli < MILLI:
        has_devices = not request.gpu_milli or whole > 0 or max(parts, default=0) >= request.gpu_milli
    else:
        has_devices = whole * MILLI >= request.gpu_milli
    return has_devices and node.free_cpus - node.awaited_cpus >= request.cpus


def where(found: tuple[Share, ...] | None) -> set[str]:
    return {share.node for share in found or ()}


@settings(max_examples=500)
@given(nodes(), requests)
def test_a_gang_awaits_as_little_as_it_can_and_nothing_where_it_need_not(fleet: list[Node], request: Request) -> None:
    at_once = {node.name for node in fleet if has_at_once(node, request)}
    placed = where(place_gang(Fleet(fleet), request))
    patient = where(place_gang(Fleet(fleet), request, may_await=False))
    assert len(placed) in (0, request.min_nodes)
    assert len(placed & at_once) == min(len(placed), len(at_once))
    assert patient == (placed if placed <= at_once else set())
