"""Changes found by ours, asv and Apache Otava on the same series.

The series are those of the tests. `steps` (`tests/bench/detect/generated.py`): 100 points around 1.0, 3 % of them
outliers, one lasting step in 100 series and none in 100 others; a step counts as found within 3 points. `kinds` and
`steady` (`tests/bench/detect/kinds.py`): 20 series of each kind that people have, with changes and without. Each of the
three as its own command uses it by default. The peers need `.venv-peers`; one that does not run is told so.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

NUM_SAMPLES = 1  # the series are seeded: another sample is the same
LIMIT_S = 600
HIGHER_IS_BETTER = {"recall_pct", "f1_pct", "covering_pct"}
NUM_SERIES = 100
SEEDS = (0, 1, 2)
KINDS_SEED, NUM_OF_A_KIND = 5, 20
PEERS_PYTHON = Path(__file__).resolve().parents[1] / ".venv-peers" / "bin" / "python"
STEPS = {"2 % at 1 %": (0.01, 0.02), "5 % at 1 %": (0.01, 0.05), "5 % at 3 %": (0.03, 0.05)}
"""How large a step, at how much noise."""

CHANGING = ("independent noise", "seasons", "noise that hangs together", "trends")
STEADY = ("independent noise", "correlated noise", "walks", "seasons and curves")

_PEERS = {
    "asv": "from asv.step_detect import detect_steps\n"
    "find = lambda values: [step[0] for step in detect_steps(values)[1:]]",
    "otava": "from otava.analysis import compute_change_points\n"
    "find = lambda values: [int(point.index) for point in compute_change_points(values)[0]]",
}
_CHILD = "\nimport json, sys\nprint(json.dumps([find(values) for values in json.load(sys.stdin)]))"


def bench_steps(way=("ours", "asv", "otava"), step=tuple(STEPS)) -> dict[str, float]:
    """Share of the steps that are found, and points in series that have none."""
    from tests.bench.detect.generated import NEAR, with_step

    noise, size = STEPS[step]
    made = [with_step(seed, number, noise, size) for seed in SEEDS for number in range(NUM_SERIES)]
    flat = [with_step(seed, NUM_SERIES + number, noise, 0.0)[0] for seed in SEEDS for number in range(NUM_SERIES)]
    found = _find(way, [values.tolist() for values, _ in made] + [values.tolist() for values in flat])
    hits = [any(abs(point - at) <= NEAR for point in points) for points, (_, at) in zip(found, made, strict=False)]
    alarms = sum(map(len, found[len(made) :]))
    return {"recall_pct": 100 * sum(hits) / len(made), "false_alarms": alarms / len(flat)}


def bench_kinds(way=("ours", "asv", "otava"), kind=CHANGING) -> dict[str, float]:
    """How well the points agree with the truth, by the measures of the Turing Change Point Dataset."""
    from tests.bench.detect.annotated import covering_of, f1_of
    from tests.bench.detect.kinds import CHANGING_GROUPS, changing

    made = [changing(name, KINDS_SEED, number) for name in CHANGING_GROUPS[kind] for number in range(NUM_OF_A_KIND)]
    found = _find(way, [values.tolist() for values, _ in made])
    pairs = list(zip(made, found, strict=True))
    f1 = sum(f1_of(marked, points) for (_, marked), points in pairs)
    covering = sum(covering_of(marked, points, len(values)) for (values, marked), points in pairs)
    return {"f1_pct": 100 * f1 / len(made), "covering_pct": 100 * covering / len(made)}


def bench_steady(way=("ours", "asv", "otava"), kind=STEADY) -> dict[str, float]:
    """Share of series of 200 values without a change that are given points."""
    from tests.bench.detect.kinds import STEADY_GROUPS, steady

    made = [steady(name, KINDS_SEED, number) for name in STEADY_GROUPS[kind] for number in range(NUM_OF_A_KIND)]
    found = _find(way, [values.tolist() for values in made])
    return {"alarmed_pct": 100 * sum(map(bool, found)) / len(made)}


def _find(way: str, series: list[list[float]]) -> list[list[int]]:
    """The points that one of the three finds in each series; the peers are given no value where one is missing."""
    if way == "ours":
        from drivetrain.bench.detect import changes

        return [[change.index for change in changes(values)] for values in series]
    known = [[at for at, value in enumerate(values) if value == value] for values in series]
    given = [[values[at] for at in places] for values, places in zip(series, known, strict=True)]
    done = subprocess.run(
        [str(PEERS_PYTHON), "-c", _PEERS[way] + _CHILD],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr.strip().splitlines()[-1:]
    found: list[list[int]] = json.loads(done.stdout.splitlines()[-1])
    return [[places[point] for point in points] for places, points in zip(known, found, strict=True)]


if __name__ == "__main__":
    for way in sys.argv[1:] or ("ours", *_PEERS):
        for step in STEPS:
            print(way, step, bench_steps(way, step), flush=True)
        for kind in CHANGING:
            print(way, kind, bench_kinds(way, kind), flush=True)
        for kind in STEADY:
            print(way, "steady:", kind, bench_steady(way, kind), flush=True)
