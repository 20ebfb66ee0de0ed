"""Whose tokens were just asked with is not looked up again, for a moment."""

from __future__ import annotations

from drivetrain.server.services.people import KNOWN_FOR_S, Bearers, Person, Role

ANNA = Person("anna", Role.MEMBER, ("planning",))


def test_a_token_is_known_for_a_moment_and_then_looked_up_anew() -> None:
    bearers = Bearers()
    bearers.remember("dt-a", (ANNA, 2e9), 100.0)
    assert bearers.known("dt-a", 100.0 + 0.9 * KNOWN_FOR_S) == (ANNA, 2e9)
    assert bearers.known("dt-a", 100.0 + KNOWN_FOR_S) is None
    assert bearers.known("dt-b", 100.0) is None


def test_a_token_of_nobody_is_not_kept() -> None:
    bearers = Bearers()
    bearers.remember("dt-guess", (None, 0.0), 100.0)
    assert bearers.known("dt-guess", 100.0) is None
    assert not bearers._found


def test_a_clock_that_is_set_back_makes_no_token_last() -> None:
    bearers = Bearers()
    bearers.remember("dt-a", (ANNA, 2e9), 1e6)
    assert bearers.known("dt-a", 1e5) is None
