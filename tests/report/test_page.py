from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from tests.page import Outline, check_page

from drivetrain.core.errors import StoreError
from drivetrain.figures import jpeg_size
from drivetrain.report import gather, render, run_page, summary, write_report
from drivetrain.store import RunFolder, create_run, publish_bytes

PAGE_LIMIT = 2_000_000


def test_the_page_stands_by_itself(run: RunFolder) -> None:
    page = run_page(run)
    check_page(page, most_bytes=PAGE_LIMIT)
    assert len(Outline(page).ids) > 10


def test_the_policy_admits_just_the_page_s_own_style_and_script(run: RunFolder) -> None:
    page = run_page(run)
    policy = re.search(r'content="(default-src[^"]+)"', page)
    assert policy
    for kind in ("style", "script"):
        (content,) = re.findall(f"<{kind}>(.*?)</{kind}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{kind}-src &#x27;sha256-{digest}&#x27;" in policy[1]
    assert "unsafe" not in policy[1]


def test_what_people_wrote_is_shown_and_never_markup(run: RunFolder) -> None:
    hostile = "</title><script>alert(1)</script>"
    publish_bytes(run.kept / "results.json", json.dumps({hostile: 1.0}).encode())
    publish_bytes(run.kept / "captions.json", json.dumps({"held-out/000.jpg": hostile}).encode())
    manifest = msgspec.structs.replace(run.manifest(), name=hostile, command=[hostile], environment={hostile: hostile})
    publish_bytes(run.manifest_file, msgspec.json.encode(manifest))
    page = run_page(run)
    assert page.count("<script>") == 1
    assert page.count("&lt;script&gt;alert(1)") >= 5


def test_the_page_says_what_happened(run: RunFolder) -> None:
    page = run_page(run)
    for words in (
        "segment &lt;two&gt; &amp; more",
        "finished",
        "after rank 1 died of SIGKILL at step 48",
        "steps kept, 9 lost, in 2 attempts",
        "mean IoU, held out",
        "0.594",
        "6 of 6 kept pictures",
        "3 still there, 6 written",
        "bitwise the same weights",
        "Some &lt;CPU&gt; &amp; more",
    ):
        assert words in page, words


def test_the_numbers_beside_the_bar_sum_to_what_was_allocated(run: RunFolder) -> None:
    story = gather(run)
    assert f"exactly {story.account.allocated_ns:,} ns" in render(story)
    told = summary(story)
    assert isinstance(told["leaves"], dict)
    assert sum(told["leaves"].values()) == told["allocated_ns"] == story.account.allocated_ns
    assert msgspec.json.decode(msgspec.json.encode(told))["findings"][0]["leaf"] == "data_wait"


def test_a_run_without_any_records_still_has_a_page(own_home: Path) -> None:
    page = run_page(create_run(["python", "-c", "pass"], 1))
    assert "no records" in page
    assert "Nothing was recorded." in page


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"run\.json cannot be read"):
        run_page(RunFolder(tmp_path))


def test_a_torn_journal_and_damaged_extras_are_told_and_not_fatal(run: RunFolder) -> None:
    with (run.journal / "attempt-0.rank-0.jsonl").open("ab") as file:
        file.write(b'{"k":"step_end","t"')
    publish_bytes(run.kept / "results.json", b"\xff{")
    publish_bytes(run.kept / "captions.json", b"[]")
    publish_bytes(run.kept / "held-out/000.jpg", b"\xff\xd8 cut off")
    publish_bytes(run.checkpoints / "step-00000080" / "manifest.json", b"{")
    page = run_page(run)
    assert "1 lines of the run&#x27;s journals could not be read" in page
    assert "results.json is neither" in page
    assert "1 left out because they are no whole JPEG" in page
    assert "damaged: its manifest cannot be read" in page


def test_pictures_and_curves_past_the_budget_are_left_out_and_said_to_be(run: RunFolder) -> None:
    picture = (run.kept / "held-out/003.jpg").read_bytes()
    padded = picture[:-2] + bytes(60_000) + picture[-2:]
    assert jpeg_size(padded)
    for index in range(200):
        publish_bytes(run.kept / f"more/{index:03d}.jpg", padded)
    story = gather(run)
    assert len(story.gallery.pictures) < 30
    assert story.gallery.pictures[0].caption == "held-out/000"
    many = {f"m{index}/x": [(step, 0, step % 7.3) for step in range(4000)] for index in range(40)}
    page = render(replace(story, scalars=many))
    assert "left out to keep the page small" in page
    assert "16 more metrics left out" in page
    assert len(page.encode()) < PAGE_LIMIT


def test_results_and_captions_without_end_leave_the_page_small(run: RunFolder) -> None:
    publish_bytes(run.kept / "results.json", json.dumps({f"result {i}": i for i in range(50_000)}).encode())
    captions = {path.relative_to(run.kept).as_posix(): "word " * 500_000 for path in run.kept.rglob("*.jpg")}
    publish_bytes(run.kept / "captions.json", json.dumps(captions).encode())
    page = run_page(run)
    assert "result 199" in page
    assert "49,800 more in results.json" in page
    assert len(page.encode()) < PAGE_LIMIT


def test_the_report_is_written_beside_the_run(run: RunFolder) -> None:
    assert write_report(run) == run.path / "report.html"
    assert run.report_file.read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.fixture
def chromium() -> str:
    program = shutil.which("chromium")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("chromium is not on PATH, and CI must look at the page")
        pytest.skip("chromium is not on PATH")
    return program


def test_a_browser_runs_the_page_without_complaint(run: RunFolder, chromium: str, tmp_path: Path) -> None:
    page = write_report(run)
    done = subprocess.run(
        [
            chromium,
            *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
            *("--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path / 'profile'}"),
            *("--enable-logging=stderr", "--dump-dom", page.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "CONSOLE" not in done.stderr, done.stderr  # errors of scripts and refusals of the policy go to the console
    switch = re.search(r'<button class="theme"[^>]*>(\w+)</button>', done.stdout)
    assert switch, "the script did not run"
    assert switch[1] in ("Light", "Dark")
    assert "hidden" not in switch[0]
