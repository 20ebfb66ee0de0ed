"""A small generated drive, a data set of it, and a short real drive that a test may damage."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from drivetrain.data import DataSet, Log, SynthSpec, build_dataset, synth


@pytest.fixture(scope="session")
def small_log() -> Log:
    return synth(SynthSpec(duration_s=1.6, width=160, height=90))


@pytest.fixture(scope="session")
def small_dataset(small_log: Log, tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    return build_dataset(small_log, tmp_path_factory.mktemp("datasets") / "small", size=(64, 36))


@pytest.fixture
def dataset_copy(small_dataset: DataSet, tmp_path: Path) -> Path:
    """The small data set's folder, to be damaged."""
    return Path(shutil.copytree(small_dataset.path, tmp_path / "copy"))


@pytest.fixture
def real_drive(shared_data: Path, tmp_path: Path) -> Path:
    """The first eight frames and four sweeps of a PandaSet sequence, to be damaged."""
    source, drive = shared_data / "pandaset_002", tmp_path / "drive"
    lists = ["camera/front_camera/*.json", "lidar/*.json", "annotations/semseg/classes.json"]
    bulk = [
        "camera/front_camera/0[0-7].jpg",
        "lidar_parquet/0[0-6].parquet",
        "annotations/semseg_parquet/0[0-6].parquet",
    ]
    for pattern in [*lists, *bulk, "annotations/cuboids.parquet"]:
        for file in source.glob(pattern):
            copy = drive / file.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
    return drive
