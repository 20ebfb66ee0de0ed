from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.bench.decide.sessions import result
from tests.page import check_page

from drivetrain.bench.history import open_history
from drivetrain.cli.bench import command
from drivetrain.core.errors import DataError, DrivetrainError, UsageError


def run(*args: str) -> Result:
    """Run `drivetrain bench ...`; errors of ours come out as they are, as `main` meets them."""
    result = CliRunner().invoke(command, list(args), standalone_mode=False)
    if isinstance(result.exception, DrivetrainError):
        raise result.exception
    return result


def test_detect_prints_the_places_where_new_levels_begin(tmp_path: Path) -> None:
    file = tmp_path / "series.csv"
    values = [10 + number % 3 for number in range(30)] + [15 + number % 3 for number in range(30)]
    file.write_text("day,ms\n" + "".join(f"d{day},{value}\n" for day, value in enumerate(values)))
    found = json.loads(run("detect", str(file), "--json").stdout)
    assert found["change_points"] == [30]
    assert found["changes"][0]["label"] == "d30"
    assert found["changes"][0]["change_pct"] == pytest.approx(45, abs=1)
    assert found["changes"][0]["confidence_pct"] > 99
    assert "1 change point\n" in run("detect", str(file)).stdout


def test_detect_tells_a_turn_of_the_slope_from_a_new_level(tmp_path: Path) -> None:
    file = tmp_path / "series.csv"
    values = [2 * number + number % 3 for number in range(40)] + [80 - number + number % 3 for number in range(40)]
    file.write_text("\n".join(map(str, values)))
    (change,) = json.loads(run("detect", str(file), "--json").stdout)["changes"]
    assert change["kind"] == "trend"
    assert abs(change["index"] - 40) <= 2
    assert change["slope_before"] == pytest.approx(2, abs=0.1)
    assert change["slope_after"] == pytest.approx(-1, abs=0.1)
    assert "slope +2 -> -1 a value" in run("detect", str(file)).stdout


def test_detect_says_that_nothing_changed(tmp_path: Path) -> None:
    file = tmp_path / "flat.json"
    file.write_text("[1, 1, 1]")
    assert json.loads(run("detect", str(file), "--json").stdout)["change_points"] == []
    assert run("detect", str(file)).stdout == "series: 3 values, no change points\n"


def test_detect_takes_the_first_column_and_names_the_others(tmp_path: Path) -> None:
    file = tmp_path / "two.csv"
    file.write_text("time,a,b\n1,5,6\n2,5,6\n")
    result = run("detect", str(file), "--json")
    assert json.loads(result.stdout)["name"] == "a"
    assert "others are b: --column" in result.stderr
    assert json.loads(run("detect", str(file), "--json", "--column", "b").stdout)["name"] == "b"


def test_detect_refuses_what_is_no_series(tmp_path: Path) -> None:
    file = tmp_path / "words.csv"
    file.write_text("hello\nworld\n")
    with pytest.raises(DataError, match="holds no numbers"):
        run("detect", str(file))


def session(folder: Path, factor: float, *, num: int = 12) -> str:
    source = random.Random(1)
    history = open_history(str(folder))
    for side, level in (("A", 1.0), ("B", factor)):
        samples = [level * source.uniform(0.995, 1.005) for _ in range(num)]
        history.append([result(side, {"wall_s": samples})])
    return str(folder)


@pytest.mark.parametrize(
    ("factor", "num", "answer", "code"),
    [(1.0, 12, "PASS", 0), (0.9, 12, "PASS", 0), (1.05, 12, "FAIL", 4), (1.05, 3, "INSUFFICIENT", 3)],
)
def test_gate_answers_by_its_exit_code(tmp_path: Path, factor: float, num: int, answer: str, code: int) -> None:
    history = session(tmp_path / "results", factor, num=num)
    outcome = run("gate", "--history", history, "--json")
    assert outcome.exit_code == code
    found = json.loads(outcome.stdout)
    assert found["answer"] == answer
    text = run("gate", "aaaa", "bbbb", "--history", history)
    assert text.exit_code == code
    assert f"\n{answer}: " in text.stdout


def test_compare_says_what_changed_and_what_it_promises(tmp_path: Path) -> None:
    history = session(tmp_path / "results", 1.05)
    lines = run("compare", "--history", history).stdout.splitlines()
    assert lines[0] == "train/step: worse (wall_s)"
    assert "+5.1 %" in lines[1]
    assert "at most 5 %" in lines[-1]
    (case,) = json.loads(run("compare", "--history", history, "--json").stdout)["cases"]
    assert (case["answer"], case["comparisons"][0]["num_pairs"]) == ("worse", 12)


def test_compare_refuses_sides_that_no_session_measured_in_turns(tmp_path: Path) -> None:
    history = session(tmp_path / "results", 1.0)
    with pytest.raises(UsageError, match="no session has measured cccc"):
        run("compare", "cccc", "--history", history)
    with pytest.raises(DataError, match="no history"):
        run("gate", "--history", str(tmp_path / "none"))
    with pytest.raises(UsageError, match="both be"):
        run("compare", f"{history}/train.jsonl", "HEAD", "--history", history)
    assert run("compare", f"{history}/train.jsonl", f"{history}/train.jsonl").exit_code == 0


def test_site_is_a_folder_of_pages_that_need_no_network(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    history = open_history(str(folder))
    source = random.Random(2)
    for at in range(30):
        level = 1.0 if at < 15 else 0.8
        numbers = {"wall_s": [level * source.uniform(0.99, 1.01)], "<b>": [1.0]}
        history.append([result("B", numbers, case="<script>", at_ns=at, session=f"s{at}")])
    with (folder / "train.jsonl").open("ab") as file:
        file.write(b'{"torn')
    outcome = run("site", str(folder), "--out", str(tmp_path / "site"))
    assert "wrote 2 pages" in outcome.stdout
    index, suite = ((tmp_path / "site" / name).read_text() for name in ("index.html", "suite-train.html"))
    assert 'href="suite-train.html"' in index
    for text in (index, suite):
        assert "default-src &#x27;none&#x27;" in text
        check_page(text)
        assert re.search(r"-(19|20)\.\d %", text)
        assert "<script>[" not in text
        assert "left out: 1 not JSON" in text
    again = json.loads(run("history", str(folder), "--json").stdout)
    assert [trend["change_points"] for trend in again["trends"]] == [[15], []]
    assert again["skipped"] == {"not JSON (torn?)": 1}
    assert run("history", str(folder)).stdout.startswith("train/<script>  wall_s: 30 results, last ")
