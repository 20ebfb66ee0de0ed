from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.core.errors import ConfigError
from drivetrain.core.trials import Trial

trials = st.builds(
    Trial,
    settings=st.dictionaries(st.sampled_from(["precision", "compile"]), st.sampled_from(["bf16", True])),
    channels_last=st.booleans(),
    fused=st.booleans(),
    threads=st.none() | st.integers(0, 8),
    microbatch=st.none() | st.integers(1, 8),
    optimizer=st.sampled_from([None, "adamw", "muon", "schedulefree"]),
    lr_factor=st.floats(0.1, 10),
    seed_offset=st.integers(0, 20),
    num_steps=st.none() | st.integers(1, 400),
    share=st.floats(0.1, 1),
)


@given(trials)
def test_a_trial_comes_back_from_its_text(trial: Trial) -> None:
    assert Trial.parse(trial.text()) == trial


@given(trials)
def test_joined_with_one_that_changes_nothing_a_trial_stays_what_it_is(trial: Trial) -> None:
    assert trial.joined(Trial()) == trial


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "DRIVETRAIN_TRIAL is '{'"),
        ('{"fuse": true}', "unknown key fuse\n\nhint: did you mean fused?"),
        ('{"share": 0}', "share=0.0 and lr_factor=1.0 must be above 0"),
        ('{"num_steps": 0}', "num_steps=0 and num_closing=8 must be 1 or more"),
        ('{"optimizer": "sgd"}', "optimizer"),
    ],
)
def test_what_is_no_trial_is_refused_with_a_reason(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        Trial.parse(text)


def test_a_trial_says_in_words_what_it_changes() -> None:
    assert Trial(settings={"precision": "bf16"}, fused=True, threads=4).changes() == "precision=bf16, fused, threads=4"
    assert Trial(optimizer="muon", lr_factor=0.5).changes() == "optimizer=muon, lr x 0.5"
    assert Trial(num_steps=3).changes() == "as it is"
