"""`drivetrain quota` refuses what says two things, or half of one, before it asks a server."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from drivetrain.cli.quota import command
from drivetrain.core.errors import UsageError


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--set", "maps", "--own", "1", "--remove", "maps"), "both given"),
        (("--own", "3"), "whose quota"),
        (("--set", "maps"), "what does team maps own"),
    ],
)
def test_what_says_half_or_two_things_is_refused(words: tuple[str, ...], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        CliRunner().invoke(command, list(words), catch_exceptions=False)
