"""Verbs of a cluster refuse what says two things, or half of one, before they ask a server."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from drivetrain.cli.group import drivetrain
from drivetrain.core.errors import UsageError


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("quota --set maps --own 1 --remove maps", "--set maps and --remove maps are both given"),
        ("quota --own 3", "--own is given without --set"),
        ("quota --cohort research", "--cohort is given without --set"),
        ("quota --pool local", "--pool is given without --set or --remove"),
        ("quota --set maps", "what does team maps own"),
        ("budget --set maps --limit 1 --remove maps", "--set maps and --remove maps are both given"),
        ("budget --limit 5000", "--limit is given without --set"),
        ("budget --remove maps --per day", "--per is given without --set"),
        ("users --role viewer", "--role is given without --set"),
        ("server --stop --role viewer", "--role is given without --token"),
        ("pools --why broken", "--why is given without --drain or --resume"),
        ("submit --env =b -- true", "--env '=b': expected NAME=VALUE"),
        ("submit --secret KEY -- true", "--secret 'KEY': expected NAME=SOURCE"),
        ("submit --priority 99999999999 -- true", "expected -1,000,000 to 1,000,000"),
        ("jobs --history --team maps", "--history and --team are both given"),
    ],
)
def test_what_says_half_or_two_things_is_refused(words: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        CliRunner().invoke(drivetrain, words.split(), catch_exceptions=False)
