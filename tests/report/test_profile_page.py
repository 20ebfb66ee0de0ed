from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from tests.cli.traces import span, waiting, write
from tests.page import check_page

from drivetrain.figures import NUM_COLUMNS
from drivetrain.report.profile import Process, ProfileStory, gather_profile, profile_page
from drivetrain.report.profile.facts import Memory, Named
from drivetrain.report.profile.story import Roofline, RooflinePoint, StepLine, TableLine

PAGE_LIMIT = 1_000_000


@pytest.fixture
def story(tmp_path: Path) -> ProfileStory:
    """Two ranks, and everything that a page can show of them."""
    files = [write(tmp_path / f"{rank}.json", waiting(140.0), rank) for rank in (0, 1)]
    found = gather_profile(files)
    point = RooflinePoint("aten::mm [[2, 2], [2, 2]]", "bfloat16", 90.0, 4e14, 0.4, 0.6)
    whole = replace(
        found.processes[0],
        memory=Memory(2**30, 2**31, (Named("activations: aten::mm", 3, 0, 2**29),)),
        memory_line=((0.0, 0.0), (1e6, 2.0**30)),
        roofline=Roofline(0.3, 8e12, 9.9e14, 3.35e12, "bfloat16", "a datasheet", 0.1, (point,)),
        modules=(TableLine("Model.layer", 3, 100, 100, 50),),
    )
    return replace(found, processes=(whole, found.processes[1]))


def test_the_page_stands_by_itself_and_has_each_part(story: ProfileStory) -> None:
    page = profile_page(story, "tiny", 0)
    check_page(page, most_bytes=PAGE_LIMIT)
    for words in ("loader-bound", "Where the time went", "Over time", "Kernels", "Memory", "Arithmetic", "Modules"):
        assert words in page, words


def test_each_figure_has_its_numbers_beside_it(story: ProfileStory) -> None:
    page = profile_page(story, "tiny", 0)
    sections = re.findall(r"<section>(.*?)</section>", page, re.DOTALL)
    figures = [section for section in sections if "<svg xmlns" in section]
    assert len(figures) >= 5
    assert all("<table" in section for section in figures)


def enlarged(process: Process) -> Process:
    """As of a trace with thousands of steps and kernels, and changes in every column."""
    steps = [
        StepLine(str(n), 10**8, {"compute": 9 * 10**7, "idle": 10**7}, {"forward": 10**8}, {"loader": 10**7})
        for n in range(5000)
    ]
    lines = [TableLine("x" * 5000 + str(n), 1, 10**6, 10**6) for n in range(3000)]
    columns = [{"compute": float(n % 7), "copy": float(n % 3)} for n in range(NUM_COLUMNS)]
    return replace(process, steps=steps, kernels=lines, operators=lines, bands={"device 0": columns, "host": columns})


def test_the_page_stays_small_whatever_the_traces_size(story: ProfileStory) -> None:
    process = enlarged(story.processes[0])
    ranks = [replace(process, label=f"rank {n}", rank=n) for n in range(200)]
    check_page(profile_page(replace(story, processes=ranks), "large", 0), most_bytes=PAGE_LIMIT)
    check_page(profile_page(replace(story, processes=ranks[:1]), "large", 0), most_bytes=PAGE_LIMIT)


def test_a_story_of_nothing_is_a_page_too() -> None:
    check_page(profile_page(ProfileStory((), ()), "nothing", 0), most_bytes=PAGE_LIMIT)


def test_without_marked_steps_time_counts_from_the_first_device_event_to_the_last(tmp_path: Path) -> None:
    events = [
        span("PyTorch Profiler (0)", "Trace", 0, 100_000),
        *(event for event in waiting(20.0) if "ProfilerStep" not in event["name"]),
    ]
    process = gather_profile([write(tmp_path / "a.json", events)]).processes[0]
    assert [step.length_ns for step in process.steps] == [round(1000 * float(str(process.breakdown["total_us"])))]
    assert "no steps are marked" in process.notes[0]
