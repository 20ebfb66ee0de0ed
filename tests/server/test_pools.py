"""`server.toml`: what is wrong with it is said before a server begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivetrain.core.errors import ConfigError
from drivetrain.server.pools import ENGINES, read_config


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
        (["[[pools]"], "is not valid TOML"),
    ],
)
def test_what_cannot_be_is_refused_with_the_nearest_that_could(lines: list[str], says: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        read_config(config(tmp_path, *lines))
    assert says in str(refused.value)


def test_without_a_file_there_is_one_pool_of_this_machine() -> None:
    assert [(pool.name, pool.engine) for pool in read_config(None).pools] == [("local", "local")]
