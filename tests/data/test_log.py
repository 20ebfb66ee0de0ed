from __future__ import annotations

import numpy as np
import pytest

from drivetrain.data.log import Counted, Stream


def _stream(*t_ms: float) -> Stream[object]:
    t_ns = np.array([round(t * 1e6) for t in t_ms], np.int64)
    return Stream("message/x", "message", "", t_ns, lambda number: number, Counted(len(t_ns)), len(t_ns))


@pytest.mark.parametrize(
    ("t_ms", "rate_hz"),
    [
        ([], 0.0),
        ([5], 0.0),
        ([5, 5], 0.0),
        ([0, 100, 200, 300], 10.0),
        ([0, 100, 200, 700, 800, 900], 10.0),  # a gap
        ([0, 100, 50, 150], 10.0),  # backwards once
        ([0, 0.1, 0.2, 300, 300.1, 300.2, 600, 600.1, 600.2, 900], 10.0),  # three at a time
        ([0, 0, 0, 300, 300, 300, 600, 600, 600, 900], 10.0),
    ],
)
def test_the_rate_is_by_the_usual_distance_or_by_the_mean_one_of_bursts(t_ms: list[float], rate_hz: float) -> None:
    assert _stream(*t_ms).rate_hz == pytest.approx(rate_hz)


def test_labels_of_messages_without_names_are_their_numbers() -> None:
    assert list(Counted(3)) == ["0", "1", "2"]
    assert Counted(10)[-1] == "9"
    assert Counted(10)[2:4] == ["2", "3"]
    with pytest.raises(IndexError):
        Counted(3)[3]
