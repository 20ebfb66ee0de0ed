from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.core.errors import ConfigError
from drivetrain.core.profiling import MOST_STEPS, ProfileSpec

RANKS = st.none() | st.sets(st.integers(0, 10_000), min_size=1, max_size=5).map(lambda found: tuple(sorted(found)))
SPECS = st.builds(
    ProfileSpec,
    num_steps=st.integers(1, MOST_STEPS),
    first=st.none() | st.integers(0, 10**9),
    ranks=RANKS,
    memory=st.booleans(),
    stacks=st.booleans(),
)


@given(SPECS)
def test_a_spec_is_what_its_text_says(spec: ProfileSpec) -> None:
    assert ProfileSpec.parse(spec.text) == spec


@given(st.text(max_size=30) | st.text("steps=rank0123:, ", max_size=30))
def test_any_other_text_is_one_error_with_a_hint(text: str) -> None:
    hints = ["steps=20:23"]
    try:
        ProfileSpec.parse(text)
    except ConfigError as exc:
        hints = [exc.hint]
    assert "steps=20:23" in hints[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("steps=20:23", ProfileSpec(first=20, num_steps=3)),
        ("steps=5", ProfileSpec(num_steps=5)),
        ("steps=0:1,ranks=2,0, 1,memory", ProfileSpec(first=0, num_steps=1, ranks=(0, 1, 2), memory=True)),
        ("stacks ranks=all steps=3", ProfileSpec(num_steps=3, ranks=None, stacks=True)),
    ],
)
def test_words_come_in_any_order_parted_by_spaces_or_commas(text: str, expected: ProfileSpec) -> None:
    assert ProfileSpec.parse(text) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "does not say which steps"),
        ("memory", "does not say which steps"),
        ("steps=x", "'steps=x' cannot be read"),
        ("steps=23:20", "1 to 1000 steps, but was asked for -3"),
        ("steps=0", "1 to 1000 steps, but was asked for 0"),
        ("steps=0:5000", "but was asked for 5000"),
        ("steps=3 steps=4", "'steps' is twice"),
        ("steps=3 ranks=one", "'ranks=one' cannot be read"),
        ("steps=3 memory=yes", "'memory=yes' cannot be read"),
        ("steps=3 flops", "'flops' is no word of a profile"),
    ],
)
def test_what_is_wrong_is_named(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        ProfileSpec.parse(text)
