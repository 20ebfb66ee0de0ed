"""The process that writes checkpoints: what it says, and what it outlives."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from drivetrain.core.errors import StoreError
from drivetrain.store import LocalShelf, Retention
from drivetrain.store.layout import Block, plan_file
from drivetrain.store.writer import Writer
from drivetrain.store.writer_process import Channel, Sealed, Write, WriterProcess, Written
from drivetrain.store.writing import Common, Job, tensors_of


class Unlistable(LocalShelf):
    """One that takes checkpoints, and then does not answer."""

    def steps(self) -> list[int]:
        raise StoreError("cannot list it")


def test_old_checkpoints_that_cannot_be_listed_stay_and_the_next_job_is_done(tmp_path: Path, caplog) -> None:
    shelf, (ours, theirs) = Unlistable(tmp_path), socket.socketpair()
    channel, memory = Channel(ours), os.memfd_create("image")
    plan = plan_file([Block("model/x", "uint8", (4,), (0,), (4,), is_everywhere=True)])
    os.write(memory, plan.header + b"abcd")
    common = Common("bitwise", {}, {}, {}, Retention(1))
    size, header = plan.size_bytes, len(plan.header)
    for step in (1, 2):
        (tmp_path / f"step-0000000{step}.incomplete").mkdir()
        channel.send(Write(Job(step, 0, 1, size, header, tensors_of(plan, 0), frozenset(), {}, common)))
    ours.shutdown(socket.SHUT_WR)
    Writer(Channel(theirs), memory, shelf).serve()
    theirs.close()
    said = [channel.receive() for _ in range(5)]
    os.close(memory)
    channel.close()
    assert [type(message) for message in said] == [Written, Sealed, Written, Sealed, type(None)]
    assert not any(message.error for message in said if isinstance(message, Written | Sealed))
    assert caplog.messages == ["old checkpoints stay: cannot list it"] * 2


def test_it_ends_though_a_fork_of_its_rank_still_has_the_channel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = os.memfd_create("image")
    writer = WriterProcess(memory, str(tmp_path), 1.0)
    held = os.dup(writer._channel.fileno())  # as a fork has it
    try:
        monkeypatch.setattr(writer._process, "kill", lambda: pytest.fail("it had to be killed"))
        writer.stop(at_once=False, timeout_s=30)
        assert writer._process.returncode == 0
    finally:
        os.close(held)
        os.close(memory)
