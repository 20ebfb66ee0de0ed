from __future__ import annotations

import msgspec
from tests.cli.traces import step, write

from drivetrain.report import gather, render, summary, write_profile_page
from drivetrain.store import Captured, Program, RunFolder, publish_bytes

CAPTURED = Captured(
    request="run steps=3:5",
    attempt=0,
    rank=0,
    first=3,
    until=5,
    files=("attempt-0.rank-0.steps-3-5.json.gz",),
    before_ns=2_000_000,
    during_ns=3_000_000,
    held_up_ns=400_000_000,
)
PROGRAM = Program(
    flops_per_step=4e9, peak_flops_per_s=1e12, peak_source="a datasheet", dtype="bfloat16", device="an H100", step=2
)


def test_a_page_links_the_files_of_its_profiles_and_says_what_they_cost(run: RunFolder) -> None:
    publish_bytes(run.profile / "x.capture.json", msgspec.json.encode(CAPTURED))
    page = render(gather(run))
    assert 'href="profile/attempt-0.rank-0.steps-3-5.json.gz"' in page
    assert "3.00 ms" in page
    assert "+50 %" in page
    assert "Program goodput was not measured" in page
    assert summary(gather(run))["profiles"][0]["first"] == 3


def test_program_goodput_is_shown_with_its_denominator_and_where_the_peak_comes_from(run: RunFolder) -> None:
    publish_bytes(run.profile / "x.capture.json", msgspec.json.encode(CAPTURED))
    publish_bytes(run.profile / "program.json", msgspec.json.encode(PROGRAM))
    journal = run.rank_journal(1, 0)
    lines = journal.read_text().splitlines()
    at_ns = msgspec.json.decode(lines[1])["t"]
    record = {"k": "program", "t": at_ns, "step": 2, "values": {"flops_per_step": 4e9, "peak_flops_per_s": 1e12}}
    journal.write_text("\n".join([*lines, msgspec.json.encode(record).decode(), ""]))
    story = gather(run)
    ideal_ns = story.account.num_steps_kept * 4_000_000
    assert story.account.ideal_ns == ideal_ns
    program_pct = 100 * ideal_ns / story.account.leaves["productive"]
    page = render(story)
    assert f"{program_pct:.2f} % = ideal / productive device time" in page
    assert "1.000 TFLOP/s, a datasheet" in page
    assert summary(story)["program_goodput_pct"] == program_pct


def test_a_run_without_profiles_says_that_it_was_not_measured_and_has_no_page_of_them(run: RunFolder) -> None:
    page = render(gather(run))
    assert "program goodput: no step was profiled" in page
    assert "Profiled steps" not in page
    assert write_profile_page(run) is None


def test_traces_that_cannot_be_read_leave_their_page_out(run: RunFolder) -> None:
    publish_bytes(run.profile / "attempt-0.rank-0.steps-3-5.json.gz", b"no trace")
    assert write_profile_page(run) is None
    assert not run.profile_page.exists()


def test_what_its_traces_say_stands_on_the_run_s_page_too(run: RunFolder) -> None:
    publish_bytes(run.profile / "x.capture.json", msgspec.json.encode(CAPTURED))
    events = [event for n in range(3) for event in step(n, 1000 + n * 200, 140.0)]
    write(run.profile / CAPTURED.files[0], events, rank=0)
    assert write_profile_page(run) == run.profile_page
    story = gather(run)
    assert story.profile_findings[0].kind == "loader"
    assert "loader-bound" in render(story)
    assert 'href="profile.html"' in render(story)
    assert summary(story)["profile_findings"][0]["change"]
