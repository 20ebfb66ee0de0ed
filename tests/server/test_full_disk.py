"""A disk without space is called so."""

from __future__ import annotations

import sqlite3

import pytest
from sqlalchemy.exc import OperationalError
from starlette.requests import Request

from drivetrain.server.http.app import _away


@pytest.mark.parametrize(
    ("said", "answer"),
    [("database or disk is full", b"no space is left"), ("unable to open database file", b"does not answer")],
)
def test_a_full_disk_is_told_from_a_database_that_is_away(said: str, answer: bytes) -> None:
    answered = _away(Request({"type": "http"}), OperationalError("INSERT", {}, sqlite3.OperationalError(said)))
    assert answer in bytes(answered.body)
