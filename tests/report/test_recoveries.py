"""How recoveries are told to people and programs."""

from __future__ import annotations

import dataclasses

import msgspec

from drivetrain.ledger import Recovery
from drivetrain.report import gather, recoveries_text, render, summary
from drivetrain.store import RunFolder

MS = 1_000_000
RECOVERY = Recovery(
    attempt=1,
    failed=((1, -9),),
    is_hang=False,
    step=120,
    last_ns=1000 * MS,
    noticed_ns=1002 * MS,
    left_ns=1020 * MS,
    begun_ns=1022 * MS,
    met_ns=1053 * MS,
    restored_ns=1062 * MS,
    restored_from="memory",
    stepped_ns=1120 * MS,
    num_stayed=1,
    num_redone=0,
)


def test_a_recovery_is_one_line_with_every_phase() -> None:
    assert recoveries_text([RECOVERY]) == (
        "attempt 1, rank 1 was killed by SIGKILL at step 120: noticed 2.00 ms, left 20.0 ms, met 31.0 ms, "
        "restored from memory 9.00 ms, next step after 120 ms; 1 process stayed, 0 steps redone"
    )


def test_a_recovery_that_failed_again_and_one_after_no_failure_say_so() -> None:
    again = dataclasses.replace(RECOVERY, met_ns=None, restored_ns=None, restored_from="nothing", stepped_ns=None)
    assert "left 20.0 ms, failed again before a step" in recoveries_text([again])
    unasked = dataclasses.replace(RECOVERY, failed=(), step=None, last_ns=None, noticed_ns=None)
    assert "no rank had failed: " in recoveries_text([unasked])
    by_hand = dataclasses.replace(unasked, left_ns=None, met_ns=None, restored_ns=None, num_stayed=0)
    assert recoveries_text([by_hand]) == "attempt 1, no rank had failed: 0 processes stayed, 0 steps redone"


def test_a_long_run_shows_its_last_recoveries_and_how_many_there_were() -> None:
    lines = recoveries_text([dataclasses.replace(RECOVERY, attempt=number) for number in range(1, 40)]).splitlines()
    assert lines[0] == "the last 10 of 39 recoveries"
    assert lines[-1].startswith("attempt 39,")


def test_page_and_summary_have_the_recoveries_of_a_run(run: RunFolder) -> None:
    story = gather(run)
    (recovery,) = story.recoveries
    assert (recovery.failed[0], recovery.step, recovery.restored_from) == ((1, -9), 48, "checkpoint")
    assert recovery.num_redone == 8
    page = render(story)
    assert "Recoveries" in page
    assert "rank 1 was killed by SIGKILL at step 48, and 1 more" in page
    (told,) = msgspec.json.decode(msgspec.json.encode(summary(story)))["recoveries"]
    assert (told["attempt"], told["num_stayed"], told["duration_ns"]) == (1, 0, recovery.duration_ns)


def test_a_run_that_never_failed_has_no_such_part(run: RunFolder) -> None:
    assert "Recoveries" not in render(dataclasses.replace(gather(run), recoveries=()))
