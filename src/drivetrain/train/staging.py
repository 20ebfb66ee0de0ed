"""Memory shared with the writer process, where a rank's file is made ready: all of a save that training waits for."""

from __future__ import annotations

import ctypes
import mmap
import os
import threading
from collections.abc import Sequence

import torch

from drivetrain.store.layout import Block, FilePlan

_MADV_POPULATE_WRITE = 23
_GRAIN = 2 << 20
_libc = ctypes.CDLL(None)


class Staging:
    """A file in memory that grows. For one thread.

    Attributes:
      descriptor: of the file, for the writer.
    """

    def __init__(self, device: torch.device) -> None:
        self.descriptor = os.memfd_create("drivetrain-checkpoint")
        self._is_pinned = device.type == "cuda"
        self._bytes = torch.empty(0, dtype=torch.uint8)
        self._prefaulting: threading.Thread | None = None
        self._plan: FilePlan | None = None
        self._views: list[torch.Tensor] = []

    def reserve(self, size_bytes: int) -> None:
        """Map so much, and have the system find the pages for it in the background: that costs more than a copy."""
        if size_bytes <= len(self._bytes):
            return
        self._release()
        capacity = -(-size_bytes // _GRAIN) * _GRAIN
        os.ftruncate(self.descriptor, capacity)
        self._bytes = torch.frombuffer(mmap.mmap(self.descriptor, capacity), dtype=torch.uint8)
        self._prefaulting = threading.Thread(target=self._prefault, name="drivetrain-prefault", daemon=True)
        self._prefaulting.start()

    def fill(self, plan: FilePlan, locals_: Sequence[torch.Tensor]) -> None:
        """Make a file ready.

        Args:
          plan: the file.
          locals_: the tensors of its blocks, in order.
        """
        self.reserve(plan.size_bytes)
        self._settle()
        if plan is not self._plan:
            self._plan, self._views = plan, [self._view(block, begin) for block, begin in plan.blocks]
            self._bytes[: len(plan.header)] = torch.frombuffer(bytearray(plan.header), dtype=torch.uint8)
        for view, local in zip(self._views, locals_, strict=True):
            view.copy_(local, non_blocking=True)
        if self._is_pinned:
            torch.cuda.current_stream().synchronize()

    def close(self) -> None:
        """Give the memory back; twice is fine."""
        self._release()
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _view(self, block: Block, begin: int) -> torch.Tensor:
        data = self._bytes[begin : begin + block.size_bytes]
        return data.view(getattr(torch, block.dtype)).view(block.lengths)

    def _prefault(self) -> None:
        _libc.madvise(ctypes.c_void_p(self._bytes.data_ptr()), ctypes.c_size_t(len(self._bytes)), _MADV_POPULATE_WRITE)
        if self._is_pinned:
            torch.cuda.cudart().cudaHostRegister(self._bytes.data_ptr(), len(self._bytes), 0)  # type: ignore[no-untyped-call]  # torch has no types here

    def _settle(self) -> None:
        if self._prefaulting is not None:
            self._prefaulting.join()
            self._prefaulting = None

    def _release(self) -> None:
        self._settle()
        if self._is_pinned and len(self._bytes):
            torch.cuda.cudart().cudaHostUnregister(self._bytes.data_ptr())  # type: ignore[no-untyped-call]  # likewise
        self._plan, self._views = None, []
        self._bytes = torch.empty(0, dtype=torch.uint8)  # the mapping goes with the last tensor that looks into it
