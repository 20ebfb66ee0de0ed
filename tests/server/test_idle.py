"""A server that was started for this machine ends after a while without jobs and requests, and not before."""

from __future__ import annotations

from drivetrain.server.idle import Idleness


def test_a_server_is_idle_since_its_last_job_or_request() -> None:
    idleness = Idleness(0.0)

    def idle_s(now_s: float, unfinished: int = 0, asked: int = 0, is_open: int = 0) -> float:
        return idleness.seconds(now_s, num_unfinished=unfinished, num_asked=asked, num_open=is_open)

    assert idle_s(5.0) == 5.0
    assert idle_s(20.0, asked=1) == 0.0
    assert idle_s(25.0, asked=1) == 5.0
    assert idle_s(40.0, asked=1, is_open=1) == 0.0
    assert idle_s(60.0, unfinished=1, asked=1) == 0.0
    assert idle_s(71.0, asked=1) == 11.0
