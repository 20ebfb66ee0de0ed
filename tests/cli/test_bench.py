from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from drivetrain.cli.bench import command
from drivetrain.core.errors import DataError, DrivetrainError


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
