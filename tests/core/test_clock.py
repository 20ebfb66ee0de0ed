from drivetrain.core import clock


def test_an_anchor_turns_monotonic_readings_into_instants() -> None:
    anchor = clock.Anchor(mono_ns=1_000, wall_ns=50_000)
    assert anchor.to_wall_ns(1_250) == 50_250


def test_two_anchors_of_one_host_agree_to_a_tenth_of_a_second() -> None:
    first, second = clock.Anchor.now(), clock.Anchor.now()
    assert abs(first.to_wall_ns(second.mono_ns) - second.wall_ns) < 100_000_000


def test_an_instant_is_shown_in_utc() -> None:
    assert clock.utc_text(1_557_539_956_450_180_000) == "2019-05-11 01:59:16 UTC"


def test_a_host_keeps_its_id() -> None:
    assert clock.host_id() == clock.host_id() != ""
