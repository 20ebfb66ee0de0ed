"""Tables of jobs as the Philly trace has them: what is read of them, and what is refused with its line."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

from drivetrain.cli.simulate import command
from drivetrain.compute.policy.values import Request
from drivetrain.compute.simulate.philly import read_philly
from drivetrain.core.errors import DataError, UsageError

PHILLY = """job_id,user,vc,gpu_num,node_num,submit_time,start_time,end_time,duration
j2,u1,vc1,16,2,2017-10-03 06:10:00,2017-10-03 06:11:00,2017-10-03 06:12:00,60
j1,u0,vc0,1,1,2017-10-03 06:09:00,2017-10-03 06:09:30,2017-10-03 06:19:30,600
j3,u0,vc0,0,1,2017-10-03 06:09:00,,,0
"""


def test_a_philly_table_becomes_jobs_as_they_came(tmp_path: Path) -> None:
    path = tmp_path / "philly.csv"
    path.write_text(PHILLY, encoding="utf-8")
    first, second = read_philly(path).arrivals
    assert (first.job.job, first.job.team, first.job.submitted_s, first.run_s) == ("j1", "vc0", 0, 600)
    assert (second.job.submitted_s, second.job.request) == (60, Request(2, 2, 8000))


def test_a_philly_table_without_ids_calls_jobs_by_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "philly.csv"
    rows = ("2017-10-09 07:01:55,66.0,1,66.0,11cb48", "2017-10-09 06:13:03,2951.0,12,35412.0,6214e9")
    path.write_text("\ufefftimestamp,duration,num_gpus,gpu_time,cluster\n" + "\n".join(rows), encoding="utf-8")
    first, second = read_philly(path).arrivals
    assert (first.job.job, first.job.team, first.run_s, first.job.request) == (
        "line 3", "6214e9", 2951, Request(2, 2, 6000)
    )  # fmt: skip
    assert (second.job.job, second.job.submitted_s) == ("line 2", 2932)


def test_the_published_table_is_read_whole(shared_data: Path) -> None:
    table = read_philly(shared_data / "pollux" / "traces" / "philly.csv")
    assert (len(table.arrivals), table.left_out) == (82_247, {})
    assert Counter(arrival.job.request.min_nodes > 1 for arrival in table.arrivals)[True] == 289


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no job in it"),
        ("a,b\n1,2\n", "no column for gpus; it has a, b"),
        (PHILLY.replace("j2,", "j1,"), "job 'j1' is listed a second time"),
        (PHILLY.splitlines()[0] + "\n" + PHILLY.splitlines()[3], "none of its 1 jobs asks for GPUs and ran"),
        (
            PHILLY.replace(",16,", ",many,"),
            "philly.csv:2: gpu_num is 'many', expected a whole number from 0 to 100,000",
        ),
        (
            PHILLY.replace("2017-10-03 06:10:00", "yesterday"),
            "philly.csv:2: submit_time is 'yesterday', expected a time such as",
        ),
    ],
)
def test_a_damaged_philly_table_says_where(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "philly.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_philly(path)


SIX = "job_id,user,vc,gpu_num,submit_time,duration\na,u,v,1,{0},60\nb,u,v,2,{0},60\n{1}\n"
DATE = "2026-11-02 08:00:00"


def of_bad(tmp_path: Path, row: str, others: str = DATE) -> Path:
    path = tmp_path / "jobs.csv"
    path.write_text(SIX.format(others, row), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (f"c,u,v,1,{time},60", f"submit_time is '{time}', expected a time such as 2017-10-03 06:09:05, or seconds")
        for time in ("nan", "inf", "-inf", "-5", "")
    ]
    + [(f"c,u,v,1,{time},60", f"submit_time is '{time}', expected a date, as in") for time in ("0", "1e300")]
    + [
        (f"c,u,v,1,{DATE},{duration}", f"duration is '{duration}', expected seconds, from 0 to 10 years of them")
        for duration in ("nan", "inf", "-5", "1e300", "soon")
    ]
    + [
        (f"c,u,v,{num},{DATE},60", f"gpu_num is '{num}', expected a whole number from 0 to 100,000")
        for num in ("nan", "inf", "-5", "1e300", "99999999999999999999", "1.5")
    ]
    + [
        ("c,u,v,1", "4 values, expected 6 as in the header"),
        (f"c,u,v,1,{DATE},60,,", "8 values, expected 6 as in the header"),
    ],
)
def test_what_can_be_no_job_is_refused_with_its_line(tmp_path: Path, row: str, said: str) -> None:
    path = of_bad(tmp_path, row)
    with pytest.raises(DataError, match=re.escape(f"{path}:4: {said}")):
        CliRunner().invoke(command, [str(path), "--nodes", "2"], standalone_mode=False, catch_exceptions=False)


@pytest.mark.parametrize(("others", "odd"), [("1e300", "5"), ("5", "1e300"), (DATE, "1970-01-01")])
def test_a_job_from_another_age_than_the_others_is_refused(tmp_path: Path, others: str, odd: str) -> None:
    path = of_bad(tmp_path, f"c,u,v,1,{odd},60", others)
    with pytest.raises(DataError, match=f"jobs.csv:4: submit_time is '{odd}', expected all within 10 years"):
        read_philly(path)


@pytest.mark.parametrize("ended", ["2026-11-02 07:59:00", "2126-11-02 08:00:00", "60"])
def test_a_job_that_ends_before_it_starts_or_much_later_is_refused(tmp_path: Path, ended: str) -> None:
    path = tmp_path / "jobs.csv"
    path.write_text(f"gpus,timestamp,start_time,end_time\n1,{DATE},{DATE},{ended}\n", encoding="utf-8")
    with pytest.raises(DataError, match=f"jobs.csv:2: end_time is '{ended}', expected a time from start_time, '2026"):
        read_philly(path)


def test_lines_are_counted_as_an_editor_counts_them(tmp_path: Path) -> None:
    path = of_bad(tmp_path, f'\n"c\nd",u,v,1,{DATE},60\n\ne,u,v,1,{DATE},-1')
    with pytest.raises(DataError, match=r"jobs\.csv:8: duration is '-1'"):
        read_philly(path)


def test_the_largest_job_that_is_read_is_refused_by_a_small_fleet_and_the_others_go_on(tmp_path: Path) -> None:
    words = [str(of_bad(tmp_path, f"c,u,v,100000,{DATE},60")), "--nodes", "2", "--gpus-per-node", "2", "--json"]
    told = json.loads(CliRunner().invoke(command, words).stdout)
    assert told["num_jobs"] == {"done": 2, "refused": 1}


LEFT_OUT = (("c", "1", ""), ("d", "1", "0"), ("e", "", "60"), ("f", "0", "60"), ("g", "0", "0"))


def test_rows_that_are_left_out_are_counted_and_told(tmp_path: Path) -> None:
    rows = [f"{name},u,v,{gpus},{DATE},{duration}" for name, gpus, duration in LEFT_OUT]
    words = [str(of_bad(tmp_path, "\n".join(rows))), "--nodes", "2"]
    shown = CliRunner().invoke(command, [*words, "--json"])
    assert shown.stderr == f"{words[0]}: 5 rows left out: 2 never ran, 3 without GPUs\n"
    told = json.loads(shown.stdout)
    assert (told["num_jobs"], told["left_out"]) == ({"done": 2}, {"never ran": 2, "without GPUs": 3})


def test_a_trace_is_played_by_two_policies_from_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "philly.csv"
    path.write_text(PHILLY, encoding="utf-8")
    words = [str(path), "--nodes", "2", "--policy", "plan", "--policy", "fifo"]
    shown = CliRunner().invoke(command, words)
    assert shown.exit_code == 0
    assert "2 done; 16 devices, 0.0 days" in shown.stdout
    assert shown.stdout.splitlines()[2].split()[-2:] == ["plan", "fifo"]
    assert "took, p50 / p90 / p99 s" in shown.stdout
    told = json.loads(CliRunner().invoke(command, [*words, "--json"]).stdout)
    assert [one["took"]["all"]["p50_s"] for one in told["policies"]] == [600, 600]


@pytest.mark.parametrize(
    ("more", "message"), [(["--nodes", "0"], "--nodes is '0'"), (["--policy", "x"], "no policy 'x'")]
)
def test_a_trace_without_a_fleet_or_a_policy_is_refused(tmp_path: Path, more: list[str], message: str) -> None:
    path = tmp_path / "philly.csv"
    path.write_text(PHILLY, encoding="utf-8")
    with pytest.raises(UsageError, match=message):
        CliRunner().invoke(command, [str(path), "--nodes", "2", *more], standalone_mode=False, catch_exceptions=False)


def test_jobs_that_have_not_ended_are_left_out_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "jobs.csv"
    day = "2017-10-03"
    times = ((f"{day} 06:00", f"{day} 07:00"), ("None", "None"), (f"{day} 06:30", ""), (f"{day} 06:30", "None"))
    rows = [f"{number},1,{day} 06:00,{start},{end}" for number, (start, end) in enumerate(times)]
    path.write_text("\n".join(["job_id,gpu_num,submit_time,start_time,end_time", *rows]))
    table = read_philly(path)
    assert [arrival.run_s for arrival in table.arrivals] == [3600]
    assert table.left_out == {"never ran": 1, "without an end": 2}
