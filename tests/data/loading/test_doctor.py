from __future__ import annotations

import json
import threading
from dataclasses import replace

import pytest
from click.testing import CliRunner

from drivetrain.cli.group import drivetrain
from drivetrain.data import DataSet, Diagnosis, Loader, diagnose
from drivetrain.data.loading.tally import Tally

STARVED = Diagnosis(
    num_batches=10,
    num_samples=80,
    loaded_ns=1_000_000_000,
    replayed_ns=400_000_000,
    threads=2,
    cores=2,
    tally=Tally(
        read_ns=10, decode_ns=80, augment_ns=10, num_samples=80, num_batches=10, num_ready=1, wait_ns=600_000_000
    ),
)


def test_headspace_is_what_ready_batches_would_save() -> None:
    assert STARVED.headspace_pct == pytest.approx(60.0)
    assert STARVED.samples_per_s == pytest.approx(80.0)
    assert STARVED.ready_pct == 10.0
    assert STARVED.slowest == "decode"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "Decode takes 80 % of the work, and all 2 cores are in use: store images at the size that training uses"),
        ({"cores": 8}, "8 cores are there: raise threads from 2 to 8: up to 60 % of the time is to be gained."),
        ({"replayed_ns": 990_000_000}, "The loader keeps up, up to 1 % of the time is to be gained"),
        ({"tally": replace(STARVED.tally, wait_ns=100)}, "steps take longer beside 2 threads on 2 cores"),
        ({"tally": replace(STARVED.tally, idle_ns=900)}, "Threads are idle for 90 % of their time, yet"),
        ({"tally": replace(STARVED.tally, read_ns=900)}, "threads that read only wait: raise threads from 2 to 8"),
        ({"tally": replace(STARVED.tally, read_ns=900), "threads": 8}, "bring the data set nearer"),
        ({"tally": replace(STARVED.tally, augment_ns=900)}, "use fewer or cheaper operations"),
        ({"tally": replace(STARVED.tally, collate_ns=900)}, "store parts of one shape"),
    ],
)
def test_the_advice_names_what_to_change(changes: dict[str, object], words: str) -> None:
    found = replace(STARVED, **changes)  # type: ignore[arg-type]
    assert words in found.advice
    assert found.advice.count(".") - found.advice.count(". ") == 1 or found.advice.endswith(".")


def test_a_loader_that_is_measured_is_where_it_was_and_runs_nothing(small_dataset: DataSet) -> None:
    loader = Loader(small_dataset, global_batch=4)
    next(iter(loader))
    used: list[int] = []
    found = diagnose(loader, lambda batch: used.append(len(batch["key"])), num_batches=6)
    assert loader.state_dict() == {"epoch": 0, "consumed": 4}
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("drivetrain")]
    assert used == [4] * 16
    assert (found.num_batches, found.num_samples, found.tally.num_batches) == (6, 24, 6)
    assert min(found.stage_ns("read"), found.stage_ns("decode"), found.loaded_ns, found.replayed_ns) > 0
    with pytest.raises(ValueError, match="num_batches is 0"):
        diagnose(loader, lambda _: None, num_batches=0)


def test_the_command_prints_stages_headspace_and_advice(small_dataset: DataSet) -> None:
    arguments = ["data", "doctor", str(small_dataset.path), "--batches", "2", "--size", "32x18"]
    result = CliRunner().invoke(drivetrain, arguments)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines[:5]] == ["stage", "read", "decode", "augment", "collate"]
    assert "headspace" in lines[-2]
    assert lines[-1].endswith(".")
    as_json = json.loads(CliRunner().invoke(drivetrain, [*arguments, "--json"]).stdout)
    assert set(as_json["stages"]) == {"read", "decode", "augment", "collate"}
    assert as_json["num_batches"] == 2
