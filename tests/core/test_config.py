from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from drivetrain.core import config
from drivetrain.core.errors import ConfigError


@dataclass(frozen=True)
class Optimizer:
    learning_rate: float = 1e-3


@dataclass(frozen=True)
class Training:
    steps: int
    optimizer: Optimizer = field(default_factory=Optimizer)

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps is {self.steps}; it must be at least 1")


def test_a_mapping_becomes_a_typed_value_with_its_defaults() -> None:
    assert config.load(Training, {"steps": 3}) == Training(3, Optimizer(1e-3))


def test_an_unknown_key_is_refused_with_the_nearest_valid_one() -> None:
    with pytest.raises(ConfigError, match="unknown key step") as caught:
        config.load(Training, {"step": 3})
    assert caught.value.hint == "did you mean steps?"


def test_an_unknown_nested_key_is_named_with_its_path() -> None:
    with pytest.raises(ConfigError, match=r"unknown key optimizer\.learning_rat") as caught:
        config.load(Training, {"steps": 3, "optimizer": {"learning_rat": 0.1}})
    assert caught.value.hint == "did you mean optimizer.learning_rate?"


@dataclass(frozen=True)
class Schedule:
    phases: tuple[Training, ...] = ()


def test_an_unknown_key_in_a_list_is_named_with_its_place() -> None:
    with pytest.raises(ConfigError, match=r"unknown key phases\[1\]\.step") as caught:
        config.load(Schedule, {"phases": [{"steps": 1}, {"step": 2}]})
    assert caught.value.hint == "did you mean phases[1].steps?"


def test_a_key_like_no_other_gets_the_list_of_known_ones() -> None:
    with pytest.raises(ConfigError) as caught:
        config.load(Training, {"steps": 1, "zzz": 1})
    assert caught.value.hint == "known keys: steps, optimizer"


@pytest.mark.parametrize("values", [{"steps": "3"}, {"steps": 0}, {}, {"steps": 1, "optimizer": 5}])
def test_a_wrong_or_missing_value_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="job"):
        config.load(Training, values, where="job")


def test_a_file_is_read_and_its_faults_name_it(tmp_path: Path) -> None:
    path = tmp_path / "train.toml"
    with pytest.raises(ConfigError, match="there is no configuration file"):
        config.load_file(Training, path)
    path.write_text("steps = 4\n[optimizer]\nlearning_rate = 0.5\n")
    assert config.load_file(Training, path) == Training(4, Optimizer(0.5))
    path.write_text("steps = = 4")
    with pytest.raises(ConfigError, match=r"train\.toml is not valid TOML"):
        config.load_file(Training, path)


@dataclass(frozen=True)
class Command:
    words: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    parts: tuple[Optimizer, ...] = ()


@pytest.mark.parametrize(
    ("values", "message", "hint"),
    [
        ({"words": "python x.py"}, "it: words is a text, expected a list", 'words = ["python", "x.py"]'),
        ({"env": {"B": "b", "A": 1}}, "it: env.A is a whole number, expected a text", ""),
        ({"parts": [{}, {"learning_rate": "x"}]}, "it: parts[1].learning_rate is a text, expected a number", ""),
    ],
)
def test_a_wrong_value_is_named_by_its_key_in_words(values: dict[str, object], message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config.load(Command, values, where="it")
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_a_missing_value_is_named_in_words() -> None:
    with pytest.raises(ConfigError, match=r"^it: steps is missing$"):
        config.load(Training, {}, where="it")


def test_what_is_no_small_file_is_not_read(tmp_path: Path) -> None:
    large = tmp_path / "large.toml"
    with large.open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(ConfigError, match="larger than 1 MiB"):
        config.read_toml(large)
    for none in (Path("/dev/zero"), tmp_path):
        with pytest.raises(ConfigError, match="is no file"):
            config.read_toml(none)
