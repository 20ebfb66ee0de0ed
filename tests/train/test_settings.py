"""What a user may choose, and what is said when it cannot be."""

from __future__ import annotations

import dataclasses

import pytest

import drivetrain as dt
from drivetrain.core.errors import ConfigError
from drivetrain.core.units import Every
from drivetrain.train.settings import Settings


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("parallel", "fsdp9"),
        ("precision", "fp4"),
        ("recompute", True),
        ("compile", "yes"),
        ("global_batch", 0),
        ("global_batch", 2.5),
        ("clip", 0.0),
        ("clip", "1"),
        ("clip", float("nan")),
        ("checkpoint", "10m"),
        ("ema", 1.0),
        ("ema", True),
        ("anomaly", "rollback"),
        ("deterministic", 1),
        ("seed", -1),
        ("seed", None),
        ("device", 0),
        ("name", 7),
    ],
)
def test_a_wrong_value_is_refused_with_its_field(field: str, value: object) -> None:
    with pytest.raises(ConfigError) as caught:
        Settings(**{field: value})
    assert caught.value.message.startswith(f"{field} is {value!r}")


@pytest.mark.parametrize("every", ["", "10", "0step", "ten minutes", "1.5step", 10])
def test_an_interval_that_is_none_is_refused(every: object) -> None:
    with pytest.raises(ConfigError, match=r"Checkpoint\.every"):
        dt.Checkpoint(every=every)


@pytest.mark.parametrize("keep", [0, -1, 1.0, True])
def test_at_least_one_checkpoint_is_kept(keep: object) -> None:
    with pytest.raises(ConfigError, match=r"Checkpoint\.keep"):
        dt.Checkpoint(keep=keep)


@pytest.mark.parametrize(
    ("field", "value"),
    [("replicate", 0), ("reshard", 1), ("reshard", "x"), ("wrap", []), ("wrap", 0), ("wrap", "Block"), ("offload", 1)],
)
def test_a_division_that_is_none_is_refused(field: str, value: object) -> None:
    with pytest.raises(ConfigError, match=rf"Fsdp\.{field} is"):
        dt.Fsdp(**{field: value})


@pytest.mark.parametrize(
    ("field", "value"), [("skip", -1), ("skip", 1.5), ("then", "retry"), ("spike", 2), ("spike", "8")]
)
def test_what_to_do_about_anomalies_is_checked(field: str, value: object) -> None:
    with pytest.raises(ConfigError, match=rf"Anomaly\.{field} is {value!r}"):
        dt.Anomaly(**{field: value})


def test_going_back_needs_checkpoints() -> None:
    with pytest.raises(ConfigError, match="but checkpoint is None"):
        Settings(anomaly=dt.Anomaly())
    Settings(anomaly=dt.Anomaly(then="stop"))


def test_settings_are_plain_values_that_a_run_can_store() -> None:
    settings = Settings(global_batch=8, checkpoint=dt.Checkpoint(every="50step"))
    assert settings.plain()["checkpoint"] == dataclasses.asdict(dt.Checkpoint(every="50step"))
    divided = Settings(parallel=dt.Fsdp(wrap=["Block"])).plain()["parallel"]
    assert divided == {"replicate": 1, "reshard": True, "wrap": ("Block",), "offload": False}
    assert settings.checkpoint is not None
    assert settings.checkpoint.interval == Every(50, "step")
