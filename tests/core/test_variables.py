from pathlib import Path

import pytest

from drivetrain.core.errors import UsageError
from drivetrain.core.variables import home, whole_number


def test_the_home_is_absolute_and_beside_the_work_where_nobody_chose_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DRIVETRAIN_HOME", "store")
    assert home() == tmp_path / "store"
    monkeypatch.delenv("DRIVETRAIN_HOME")
    assert home() == tmp_path / ".drivetrain"


def test_a_bucket_is_no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIVETRAIN_HOME", "s3://bucket/runs")
    with pytest.raises(UsageError, match="must be a folder"):
        home()


def test_a_variable_that_is_unset_or_empty_has_its_default() -> None:
    assert whole_number({}, "RANK", 3) == whole_number({"RANK": ""}, "RANK", 3) == 3
    assert whole_number({"RANK": "0"}, "RANK", 3) == 0


@pytest.mark.parametrize("text", ["-1", "1.0", "²", "one", " 1"])
def test_a_variable_that_is_no_whole_number_is_named(text: str) -> None:
    with pytest.raises(UsageError, match=r"RANK is .*must be a whole number"):
        whole_number({"RANK": text}, "RANK", 0)
