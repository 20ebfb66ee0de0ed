import inspect
import re

import pytest

from drivetrain.core import errors, extras
from drivetrain.core.errors import DrivetrainError
from drivetrain.core.faults import Fault, planned

TREE = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, DrivetrainError)]


@pytest.mark.parametrize("kind", TREE)
def test_the_drawn_tree_shows_each_error_with_its_exit_code(kind: type[DrivetrainError]) -> None:
    if kind is not DrivetrainError:
        assert re.search(rf"─ {kind.__name__} +{kind.exit_code} ", errors.__doc__ or "")


def test_an_error_prints_its_hint_apart() -> None:
    assert str(DrivetrainError("it broke", hint="mend it")) == "it broke\n\nhint: mend it"
    assert str(DrivetrainError("it broke")) == "it broke"


def test_a_missing_extra_says_the_install_command() -> None:
    with pytest.raises(errors.MissingExtraError, match="no_such_package") as caught:
        extras.require("no_such_package.part", extra="data")
    assert caught.value.hint == "pip install 'drivetrain[data]'"


def test_a_fault_reads_back_what_it_prints() -> None:
    fault = Fault("kill", rank=1, step=48, attempt=2)
    assert Fault.parse(str(fault)) == fault
    assert Fault.parse("hang:rank=0,step=3") == Fault("hang", 0, 3, 0)
    with pytest.raises(errors.UsageError, match="is no fault"):
        Fault.parse("explode:rank=0")


def test_only_the_faults_of_this_rank_and_attempt_are_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIVETRAIN_FAULT", "kill:rank=1,step=4;raise:rank=0,step=2;kill:rank=1,step=9,attempt=1")
    assert planned(1, 0) == {4: Fault("kill", 1, 4, 0)}
    assert planned(1, 1) == {9: Fault("kill", 1, 9, 1)}
    assert planned(2, 0) == {}
