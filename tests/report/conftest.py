"""A run folder as a launcher and two ranks would leave it: killed once, resumed, finished."""

from __future__ import annotations

import json
import math
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

from drivetrain.core.clock import host_id, mono_ns, wall_ns
from drivetrain.ledger.journal import Header
from drivetrain.store import (
    CheckpointManifest,
    RunFolder,
    SavedState,
    StoredFile,
    checkpoint_folder,
    create_run,
    publish_bytes,
)

MS = 1_000_000
NUM_RANKS, NUM_STEPS, COMMIT_EVERY, DIES_IN_STEP = 2, 120, 20, 48


class Journalist:
    """Writes journal files whose times are planned, in milliseconds since the run began."""

    def __init__(self, run: RunFolder) -> None:
        self._run = run
        self._start_ns = mono_ns() - 300_000 * MS
        self._wall_ns = wall_ns() - 300_000 * MS
        self._files: dict[str, list[str]] = {}

    def write(self, name: str, writer: int | None, attempt: int, at_ms: float, kind: str, **fields: object) -> None:
        """One record; the file's header comes first, made at its first record."""
        at_ns = self._start_ns + round(at_ms * MS)
        if name not in self._files:
            wall = self._wall_ns + round(at_ms * MS)
            header = Header(self._run.id, attempt, writer, host_id(), 1, 30_000 * MS, at_ns, wall)
            self._files[name] = [json.dumps({f: getattr(header, f) for f in header.__struct_fields__})]
        self._files[name].append(json.dumps({"k": kind, "t": at_ns, **fields}))

    def save(self) -> None:
        """Put the files in place."""
        for name, lines in self._files.items():
            publish_bytes(self._run.journal / f"{name}.jsonl", "\n".join([*lines, ""]).encode())


class RankDiary:
    """One rank of one attempt, telling its journal what it does as its clock goes on."""

    def __init__(self, journalist: Journalist, attempt: int, rank: int, at_ms: float) -> None:
        self._journalist = journalist
        self._attempt = attempt
        self.rank = rank
        self.now_ms = at_ms

    def say(self, kind: str, **fields: object) -> None:
        name = f"attempt-{self._attempt}.rank-{self.rank}"
        self._journalist.write(name, self.rank, self._attempt, self.now_ms, kind, **fields)

    def phase(self, name: str, duration_ms: float) -> None:
        self.say("begin", phase=name)
        self.now_ms += duration_ms
        self.say("end", phase=name)

    def live(self, first: int, end: int) -> None:
        self.say("begin", phase="init")
        self.now_ms += 900 if self._attempt else 2900
        if self._attempt:
            self.phase("restore", 350)
            self.say("resume", step=first)
        self.say("end", phase="init")
        self.say("begin", phase="data_wait")
        for step in range(first, end):
            self.now_ms += 600 if step % 31 == 30 and self.rank == 1 else 40 + 9 * math.sin(step)
            self.say("step_begin", step=step, end="data_wait")
            self.now_ms += 240 + 25 * math.sin(step * 7 + self.rank)
            if step == DIES_IN_STEP and self._attempt == 0:
                return
            self._finish_step(step)
        self.say("end", phase="data_wait")
        self.say("begin", phase="teardown")
        self.now_ms += 300

    def _finish_step(self, step: int) -> None:
        if self.rank == 0:
            self.say("log", step=step, values={"loss": 2.1 * math.exp(-step / 40) + 0.3 + 0.12 * math.sin(step * 1.7)})
        self.say("step_end", step=step, then="data_wait")
        if (step + 1) % COMMIT_EVERY == 0:
            self.phase("checkpoint", 130)
            if self.rank == 0:
                self.say("commit", step=step + 1)
        if (step + 1) % 40 == 0:
            self.phase("eval", 900)
            if self.rank == 0:
                self.say("log", step=step, values={"mean_iou": 0.62 - 0.5 * math.exp(-step / 50)})


def _attempt(journalist: Journalist, attempt: int, at_ms: float, first: int) -> float:
    """Both ranks from start to the end of the attempt; returns when the last one ended."""
    diaries = [RankDiary(journalist, attempt, rank, at_ms) for rank in range(NUM_RANKS)]
    for diary in diaries:
        diary.live(first, NUM_STEPS)
    return max(diary.now_ms for diary in diaries)


@pytest.fixture
def run(own_home: Path) -> RunFolder:
    """Two ranks, 120 steps, a checkpoint every 20, rank 1 killed in step 48, with pictures and results."""
    environment = {"python": "3.11.9", "torch": "2.13.0", "cpu": "Some <CPU> & more", "commit": "abc123"}
    run = create_run(
        ["python", "recipes/segment.py", "data set"],
        NUM_RANKS,
        name="segment <two> & more",
        environment=environment,
        config={"global_batch": 8, "seed": 0},
    )
    journalist = Journalist(run)

    def supervise(at_ms: float, kind: str, **fields: object) -> None:
        journalist.write("launcher", None, 0, at_ms, kind, **fields)

    supervise(0, "submit")
    now = 120.0
    for rank in range(NUM_RANKS):
        supervise(now, "alloc", rank=rank, devices=1)
        supervise(now + 180, "start", rank=rank)
    died_ms = _attempt(journalist, 0, now + 180, 0)
    supervise(died_ms, "exit", rank=1, code=-9)
    supervise(died_ms + 40, "exit", rank=0, code=-15)
    for rank in range(NUM_RANKS):
        supervise(died_ms + 400, "start", rank=rank)
    done_ms = _attempt(journalist, 1, died_ms + 400, 40)
    for rank in range(NUM_RANKS):
        supervise(done_ms, "exit", rank=rank, code=0)
        supervise(done_ms + 20, "release", rank=rank)
    supervise(done_ms + 20, "beat")
    journalist.save()
    _keep(run)
    return run


def _keep(run: RunFolder) -> None:
    for index in range(6):
        publish_bytes(run.kept / f"held-out/{index:03d}.jpg", jpeg(index))
    scores = {"mean IoU, held out": 0.594, "per-pixel prior": 0.41, "majority class": 0.041}
    publish_bytes(run.kept / "results.json", json.dumps(scores).encode())
    for step in (80, 100, 120):
        folder = checkpoint_folder(run.checkpoints, step)
        files = {"rank-0.pt": StoredFile(900_000, "0" * 64)}
        publish_bytes(folder / "rank-0.pt", bytes(900_000))
        manifest = CheckpointManifest(step, NUM_RANKS, "bitwise", wall_ns(), SavedState({}, [{}] * NUM_RANKS), files)
        publish_bytes(folder / "manifest.json", msgspec.json.encode(manifest))


def jpeg(seed: int, width: int = 768, height: int = 144) -> bytes:
    """A picture with smooth shapes, as a JPEG."""
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    waves = [127 + 120 * np.sin(xs / (40 + 9 * seed + 17 * c) + ys / (25 + 5 * c)) for c in range(3)]
    done, data = cv2.imencode(".jpg", np.stack(waves, axis=-1).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 85])
    assert done
    return data.tobytes()
