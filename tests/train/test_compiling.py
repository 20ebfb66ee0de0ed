"""torch.compile in place, with its cache in the run's folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from torch import nn

from drivetrain.core.errors import ConfigError, UsageError
from drivetrain.store import create_run
from drivetrain.train import compiling

CPU = torch.device("cpu")
SCRIPT = """
import json, sys, torch
from torch import nn
import drivetrain as dt
with dt.Run(compile=True, device="cpu", checkpoint=dt.Checkpoint(every="1step")) as run:
    network = nn.Sequential(nn.Linear(2, 3), nn.Sigmoid(), nn.Linear(3, 1))
    model, _, batches = run.setup(network, torch.optim.SGD(network.parameters(), lr=0.1), [torch.ones(2, 2)])
    for x in run.steps(batches, until=run.step_index + 2):
        run.step(model(x).square().mean())
from torch._dynamo.utils import counters
found = {"hits": counters["inductor"]["fxgraph_cache_hit"], "names": list(model.state_dict())}
print(json.dumps(found | {"is_own": model is network, "run": run.id}))
"""


@pytest.mark.slow
def test_a_restart_uses_what_was_compiled_and_its_time_is_in_the_account(own_home: Path, tmp_path: Path) -> None:
    run_id = create_run(["python"], 1).id
    (tmp_path / "script.py").write_text(SCRIPT)
    found = []
    for attempt in (0, 1):
        env = os.environ | {"DRIVETRAIN_RUN": run_id, "DRIVETRAIN_ATTEMPT": str(attempt)}
        env.pop("TORCHINDUCTOR_CACHE_DIR", None)
        command = [sys.executable, str(tmp_path / "script.py")]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=200, check=False)
        assert done.returncode == 0, done.stderr
        found.append(json.loads(done.stdout.splitlines()[-1]))
    assert [values["hits"] > 0 for values in found] == [False, True]
    assert found[0]["is_own"]
    assert found[0]["names"] == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert any((own_home / "runs" / run_id / "compile").iterdir())
    journal = (own_home / "runs" / run_id / "journal" / "attempt-0.rank-0.jsonl").read_text()
    assert journal.count('"compile"') == 2  # begins and ends once


def test_the_cache_is_the_runs_while_it_is_open_and_the_users_choice_goes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    cache = compiling.Cache(tmp_path / "compile")
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(tmp_path / "compile")
    cache.close()
    assert "TORCHINDUCTOR_CACHE_DIR" not in os.environ
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "/chosen")
    cache = compiling.Cache(tmp_path / "other")
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == "/chosen"
    cache.close()
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == "/chosen"


def test_a_folder_that_others_may_write_into_is_not_run_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    (tmp_path / "compile").mkdir()
    (tmp_path / "compile").chmod(0o777)
    with pytest.raises(UsageError, match="may be written by others"):
        compiling.Cache(tmp_path / "compile")


def test_without_a_compiler_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch._inductor import cpp_builder
    from torch._inductor.exc import InvalidCxxCompiler

    def none() -> str:
        raise InvalidCxxCompiler

    monkeypatch.setattr(cpp_builder, "get_cpp_compiler", none)
    with pytest.raises(ConfigError, match=r"no C\+\+ compiler"):
        compiling.apply([], CPU, lambda _: nullcontext())


def test_a_model_that_cannot_be_compiled_is_told_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> object:
        def call(*_: object) -> object:
            raise torch._dynamo.exc.Unsupported("odd construct\nand much more")

        return call

    monkeypatch.setattr(torch, "compile", fail)
    model = nn.Linear(1, 1)
    compiling.apply([model], CPU, lambda _: nullcontext())
    with pytest.raises(UsageError, match=r"could not be compiled: Unsupported: odd construct\n\nhint"):
        model(torch.ones(1))
