"""A save and a restore of 1 GiB of float32 state on the CPU, beside one memory copy, torch's `async_save`, and reading.

64 tensors of 16 MiB in one process. Everything takes turns in one session: our save, a plain `copy_` of the same bytes
into memory that is there, and `torch.distributed.checkpoint.async_save` with a thread and with a process. *Blocked* is
the time the training thread waits; *whole* is until all is on the disk. A restore reads into live tensors and verifies
hashes; beside it, the same file is read into the same memory. The file is in the page cache for both.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

NUM_SAMPLES = 3
NUM_CORES = 0
LIMIT_S = 600
NUM_TENSORS, NUM_ELEMENTS = 64, 4 << 20


def bench_save_and_restore() -> dict[str, float]:
    """Seconds of each, the second time that it is done."""
    import torch

    os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
    os.environ.setdefault("MASTER_PORT", "29567")
    torch.distributed.init_process_group("gloo", rank=0, world_size=1)  # async_save in a process wants one
    try:
        with tempfile.TemporaryDirectory(dir=os.environ.get("DRIVETRAIN_BENCH_DIR")) as folder:
            return _measured(Path(folder))
    finally:
        torch.distributed.destroy_process_group()


def _measured(folder: Path) -> dict[str, float]:
    import torch

    state = {f"model/{index:02d}": torch.randn(NUM_ELEMENTS) for index in range(NUM_TENSORS)}
    copies = [torch.empty_like(tensor).fill_(0) for tensor in state.values()]
    ours = _Ours(folder / "ours", state)
    found: dict[str, float] = {}
    for repetition in (1, 2):
        copy_s = _timed(lambda: [copy.copy_(tensor) for copy, tensor in zip(copies, state.values(), strict=True)])
        found = {"copy_s": copy_s, **ours.save(repetition)}
        for kind in ("thread", "process"):
            found |= _theirs(folder / f"{kind}-{repetition}", state, kind)
    for _ in (1, 2):
        found |= {"read_s": ours.read(), "restore_s": ours.restore()}
    ours.close()
    return found


class _Ours:
    """Our checkpointer without a run around it."""

    def __init__(self, folder: Path, state: dict[str, Any]) -> None:
        import torch

        from drivetrain.store import LocalShelf, Retention
        from drivetrain.train.checkpoint import Checkpointer
        from drivetrain.train.state import Snapshot
        from drivetrain.train.topology import Topology

        self.state = state
        self.shelf = LocalShelf(folder)
        self.retention = Retention(2)
        self.snapshot = Snapshot(dict(state), {}, {}, frozenset(state))
        self.checkpointer = Checkpointer(self.shelf, Topology(0, 1, 0, torch.device("cpu"), "gloo"))
        self.checkpointer.prepare(lambda: self.snapshot)
        self.buffer = memoryview(bytearray(0))

    def save(self, step: int) -> dict[str, float]:
        began = time.perf_counter()
        self.checkpointer.save(step, "bitwise", lambda: self.snapshot, retention=self.retention, metrics={})
        blocked = time.perf_counter() - began
        self.checkpointer.finish()
        return {"blocked_s": blocked, "whole_s": time.perf_counter() - began}

    def restore(self) -> float:
        from drivetrain.train.reading import read_tensors

        return _timed(lambda: read_tensors(self.shelf, self.shelf.manifest(self.shelf.steps()[-1]), self.state))

    def read(self) -> float:
        """The same file into the same memory."""
        path = next((self.shelf.folder).glob(f"step-{self.shelf.steps()[-1]:08d}/*.safetensors"))
        targets = [memoryview(tensor.numpy()).cast("B") for tensor in self.state.values()]

        def read() -> None:
            with path.open("rb", buffering=0) as file:
                for target in targets:
                    file.readinto(target)

        return _timed(read)

    def close(self) -> None:
        self.checkpointer.close(at_once=False)


def _theirs(folder: Path, state: dict[str, Any], kind: str) -> dict[str, float]:
    from torch.distributed.checkpoint import FileSystemWriter, async_save
    from torch.distributed.checkpoint.state_dict_saver import AsyncCheckpointerType

    types = {"thread": AsyncCheckpointerType.THREAD, "process": AsyncCheckpointerType.PROCESS}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        began = time.perf_counter()
        future = async_save(
            dict(state), storage_writer=FileSystemWriter(str(folder)), async_checkpointer_type=types[kind]
        )
        blocked = time.perf_counter() - began
        future.result()
        whole = time.perf_counter() - began
    shutil.rmtree(folder)
    return {f"{kind}_blocked_s": blocked, f"{kind}_whole_s": whole}


def _timed(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began
