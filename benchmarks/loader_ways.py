"""One way to load PandaSet's JPEGs per process: `python loader_ways.py WAY FOLDER WORKERS`; prints images a second.

All ways read the same JPEGs, decode them with simplejpeg, resize them with OpenCV, stack 32 of them, as uint8 but in
`torch_float`, and hand the batch to a loop that does nothing with it. FOLDER holds what `prepare` made of the JPEGs. It
runs in `.venv` and, for peers, in `.venv-peers`, so it imports nothing of ours but in our own ways.
"""

from __future__ import annotations

import importlib.machinery
import itertools
import os
import sys
import time
import types
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import simplejpeg

BATCH, SIZE = 32, (960, 540)
NUM_WARMUP = 3
NUM_BATCHES = int(os.environ.get("LOADER_BATCHES", "20"))


def pixels(data: bytes) -> np.ndarray:
    return cv2.resize(simplejpeg.decode_jpeg(data, "RGB"), SIZE, interpolation=cv2.INTER_AREA)


def stack(images: list[np.ndarray]) -> np.ndarray:
    return np.stack(images)


def ceiling(folder: Path, workers: int) -> Iterator[int]:
    """Codec and resize alone, in threads that reuse their memory; nothing is read, ordered or batched."""
    files = [file.read_bytes() for file in sorted((folder / "files").iterdir())]

    def work(number: int) -> int:
        scratch, place = np.empty((1080, 1920, 3), np.uint8), np.empty((SIZE[1], SIZE[0], 3), np.uint8)
        for at in range(number, BATCH, workers):
            simplejpeg.decode_jpeg(files[at % len(files)], "RGB", buffer=scratch)
            cv2.resize(scratch, SIZE, dst=place, interpolation=cv2.INTER_AREA)
        return 1

    with ThreadPoolExecutor(workers) as pool:
        while True:
            assert sum(pool.map(work, range(workers))) == workers
            yield BATCH


def ours(folder: Path, workers: int, *, exact: bool = True) -> Iterator[int]:
    from drivetrain.data import ImageSize, Loader

    loader = Loader(folder / "ours", global_batch=BATCH, threads=workers, size=ImageSize(*SIZE, exact=exact))
    for batch in loader:
        assert batch["image"].shape == (BATCH, SIZE[1], SIZE[0], 3)
        yield BATCH


def ours_scaled(folder: Path, workers: int) -> Iterator[int]:
    return ours(folder, workers, exact=False)


def torch(folder: Path, workers: int, finish: Callable[[np.ndarray], np.ndarray] = np.asarray) -> Iterator[int]:
    from torch.utils.data import DataLoader, Dataset

    files = sorted((folder / "files").iterdir())

    class Images(Dataset):  # type: ignore[type-arg]
        def __len__(self) -> int:
            return 100_000

        def __getitem__(self, index: int) -> np.ndarray:
            return finish(pixels(files[index % len(files)].read_bytes()))

    yield from _sizes(DataLoader(Images(), BATCH, shuffle=True, num_workers=workers))


def torch_float(folder: Path, workers: int) -> Iterator[int]:
    """float32 from 0 to 1, as its users mostly have their samples."""
    return torch(folder, workers, lambda image: np.multiply(image, 1 / 255, dtype=np.float32))


def streaming(folder: Path, workers: int) -> Iterator[int]:
    _stand_in_for_torchvision()
    from streaming import StreamingDataset
    from torch.utils.data import DataLoader

    class Images(StreamingDataset):  # type: ignore[misc]
        def __getitem__(self, at: int) -> np.ndarray:
            return pixels(super().__getitem__(at)["image"])

    dataset = Images(local=str(folder / "mds"), shuffle=True, batch_size=BATCH)
    yield from _again(lambda: DataLoader(dataset, BATCH, num_workers=workers, persistent_workers=workers > 0))


def webdataset(folder: Path, workers: int) -> Iterator[int]:
    import webdataset as wds

    shards = sorted(str(file) for file in (folder / "wds").glob("*.tar"))
    dataset = wds.WebDataset(shards, shardshuffle=False, resampled=True).shuffle(64)
    dataset = (
        dataset.to_tuple("image.jpg")
        .map_tuple(pixels)
        .batched(BATCH, collation_fn=lambda rows: stack([row[0] for row in rows]))
    )
    yield from _sizes(wds.WebLoader(dataset, batch_size=None, num_workers=workers))


def litdata(folder: Path, workers: int) -> Iterator[int]:
    from litdata import StreamingDataLoader, StreamingDataset

    class Images(StreamingDataset):  # type: ignore[misc]
        def __getitem__(self, at: object) -> np.ndarray:
            return pixels(super().__getitem__(at))

    dataset = Images(str(folder / "litdata"), shuffle=True)
    yield from _again(lambda: StreamingDataLoader(dataset, batch_size=BATCH, num_workers=workers))


def spdl(folder: Path, workers: int) -> Iterator[int]:
    from spdl.pipeline import PipelineBuilder

    files = sorted((folder / "files").iterdir())

    def load(file: Path) -> np.ndarray:
        return pixels(file.read_bytes())

    pipeline = (
        PipelineBuilder()
        .add_source(itertools.cycle(files))
        .pipe(load, concurrency=workers)
        .aggregate(BATCH)
        .pipe(stack)
        .add_sink(3)
        .build(num_threads=workers)
    )
    with pipeline.auto_stop():
        yield from _sizes(pipeline)


def prepare(folder: Path, jpegs: list[Path]) -> None:
    """The JPEGs as plain files and as our data set; with `prepare-peers`, as the peers' too."""
    from drivetrain.data import Encoded, write_dataset

    (folder / "files").mkdir(parents=True)
    for file in jpegs:
        (folder / "files" / file.name).write_bytes(file.read_bytes())
    write_dataset(folder / "ours", (Encoded(file.stem, {"image.jpg": file.read_bytes()}) for file in jpegs))


def prepare_streaming(folder: Path) -> None:
    _stand_in_for_torchvision()
    from streaming import MDSWriter

    with MDSWriter(out=str(folder / "mds"), columns={"image": "bytes"}) as out:
        for file in sorted((folder / "files").iterdir()):
            out.write({"image": file.read_bytes()})


def prepare_webdataset(folder: Path) -> None:
    import webdataset as wds

    (folder / "wds").mkdir()
    files = sorted((folder / "files").iterdir())
    for shard in range(4):  # a worker takes whole shards
        with wds.TarWriter(str(folder / "wds" / f"{shard}.tar")) as out:
            for file in files[shard::4]:
                out.write({"__key__": file.stem, "image.jpg": file.read_bytes()})


def prepare_litdata(folder: Path) -> None:
    from litdata import optimize

    files = [str(file) for file in sorted((folder / "files").iterdir())]
    optimize(read_bytes, files, output_dir=str(folder / "litdata"), chunk_bytes="4MB", num_workers=1)


def read_bytes(file: str) -> bytes:
    return Path(file).read_bytes()


def _sizes(batches: object) -> Iterator[int]:
    for batch in batches:  # type: ignore[attr-defined]
        assert tuple(batch.shape[1:]) == (SIZE[1], SIZE[0], 3)
        yield len(batch)


def _again(loader: Callable[[], object]) -> Iterator[int]:
    """Epoch after epoch of one loader."""
    made = loader()
    while True:
        yield from _sizes(made)


def _stand_in_for_torchvision() -> None:
    """streaming imports torchvision for classes that are not used here, and our torch has no build of it."""
    functions, classes = {"to_tensor": None}, {"VisionDataset": object}
    names = {"": {}, ".transforms": {}, ".transforms.functional": functions, ".datasets": classes}
    for name, values in names.items():
        module = types.ModuleType(f"torchvision{name}")
        module.__spec__ = importlib.machinery.ModuleSpec(module.__name__, None)
        module.__dict__.update(values)
        sys.modules[module.__name__] = module


_ALL = (ceiling, ours, ours_scaled, torch, torch_float, streaming, webdataset, litdata, spdl)
WAYS = {way.__name__: way for way in _ALL}
PREPARE = {"streaming": prepare_streaming, "webdataset": prepare_webdataset, "litdata": prepare_litdata}


def main() -> None:
    warnings.simplefilter("ignore")
    way, folder = sys.argv[1], Path(sys.argv[2])
    if way.startswith("prepare-"):
        PREPARE[way.removeprefix("prepare-")](folder)
        return
    sizes = WAYS[way](folder, int(sys.argv[3]))
    for _ in itertools.islice(sizes, NUM_WARMUP):
        pass
    began, num_images = time.perf_counter(), 0
    for size in itertools.islice(sizes, NUM_BATCHES):
        num_images += size
    print(f"images_per_s {num_images / (time.perf_counter() - began):.2f}", flush=True)
    os._exit(0)  # the time to stop workers is not asked for, and some peers never do


if __name__ == "__main__":
    main()
