"""`server.toml`: what is wrong with it is said before a server begins."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from drivetrain.core.errors import ConfigError
from drivetrain.server.pools import ENGINES, PoolConfig, read_config, unknown_partitions


def config(folder: Path, *lines: str) -> Path:
    path = folder / "server.toml"
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (["[[pools]]", 'name = "a"', "pirce_per_gpu_h = 1"], "did you mean pools[0].price_per_gpu_h?"),
        (["[[pool]]", 'name = "a"'], "did you mean pools?"),
        (["[[pools]]", 'name = "a"', 'engine = "slrum"'], "did you mean slurm?"),
        (["[[pools]]", 'name = "a"', 'engine = "mesos"'], f"one of {', '.join(ENGINES)}"),
        (["[[pools]]", 'name = "a b"'], "expected letters, digits"),
        (["[[pools]]", 'name = "a"', "gpus = -1"], "expected 0 to 1000"),
        (["[[pools]]", 'name = "a"', "nodes = 0"], "expected 1 to 10,000"),
        (["[[pools]]", 'name = "a"', "price_per_gpu_h = -2.5"], "expected 0 to 1,000,000"),
        (["[[pools]]", 'name = "a"', "interruptions_per_h = inf"], "expected 0 to 1,000,000"),
        (["[[pools]]", 'name = "a"', "[[pools]]", 'name = "a"'], "of different names"),
        (["pools = []"], "one or more"),
        ([""], "names no pool"),
        (["[[pools]]", 'name = "a"', 'nodes = "four"'], "pools[0].nodes is a text, expected a whole number"),
        (["[[pools]]", 'engine = "local"'], "pools[0].name is missing"),
        (["[[pools]"], "is not valid TOML"),
    ],
)
def test_what_cannot_be_is_refused_with_the_nearest_that_could(lines: list[str], says: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        read_config(config(tmp_path, *lines))
    assert says in str(refused.value)


def test_without_a_file_there_is_one_pool_of_this_machine() -> None:
    assert [(pool.name, pool.engine) for pool in read_config(None).pools] == [("local", "local")]


def test_a_partition_that_slurm_has_not_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sinfo = tmp_path / "bin" / "sinfo"
    sinfo.parent.mkdir()
    sinfo.write_text("#!/bin/sh\nprintf 'main\\ndebug\\n'\n")
    sinfo.chmod(0o755)
    monkeypatch.setenv("PATH", f"{sinfo.parent}:{os.environ['PATH']}")
    lines = ["[[pools]]", 'name = "a"', 'engine = "slurm"']
    assert not list(unknown_partitions(read_config(config(tmp_path, *lines, 'partition = "main,debug"'))))
    (said,) = unknown_partitions(read_config(config(tmp_path, *lines, 'partition = "mian"')))
    assert said == "pool a: Slurm has no partition 'mian'; did you mean main?"


def test_each_key_of_a_pool_is_in_the_guide() -> None:
    guide = (Path(__file__).resolve().parents[2] / "docs" / "guides" / "cluster.md").read_text()
    missing = [key.name for key in dataclasses.fields(PoolConfig) if f"\n| `{key.name}` | " not in guide]
    assert not missing
