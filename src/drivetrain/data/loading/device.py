"""Batches on a device: pinned memory, and copies on a stream of their own beside the work of the step before."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from drivetrain.core.extras import require
from drivetrain.data.arrays import Bytes

_TENSOR_KINDS = "biufc"


class Sender:
    """Arrays of batches -> tensors on a device; call from the thread that trains.

    On CUDA the copy begins at once, on a stream of its own, while the device still works at what was queued before;
    work that is queued later waits for it. Elsewhere arrays are copied, or on the CPU shared.
    """

    def __init__(self, device: object) -> None:
        """Args: device: what `torch.device` takes. Raises ValueError: it is not there."""
        self._torch: Any = require("torch", extra="train")
        self.device = self._torch.device(device)
        self.is_pinned = self.device.type == "cuda"
        if self.is_pinned and not self._torch.cuda.is_available():
            raise ValueError(f"device is {device}, and torch finds none here")
        self._stream = self._torch.cuda.Stream(self.device) if self.is_pinned else None
        self._under_way: deque[tuple[Any, Any]] = deque()  # when a copy is over, and what it reads until then

    def allocate(self, num_bytes: int) -> Bytes:
        """Memory that the device can read by itself, where there is such a thing."""
        if not self.is_pinned:
            return np.empty(num_bytes, np.uint8)
        found: Bytes = self._torch.empty(num_bytes, dtype=self._torch.uint8, pin_memory=True).numpy()
        return found

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """The batch with each numeric array, alone or in a list, as a tensor on the device."""
        if self._stream is None:
            return {name: self._sent(value) for name, value in batch.items()}
        with self._torch.cuda.stream(self._stream):
            sent = {name: self._sent(value) for name, value in batch.items()}
            over = self._stream.record_event()
        current = self._torch.cuda.current_stream(self.device)
        current.wait_event(over)
        for value in sent.values():
            for tensor in value if isinstance(value, list) else [value]:
                if isinstance(tensor, self._torch.Tensor):
                    tensor.record_stream(current)
        self._under_way.append((over, batch))
        while self._under_way and self._under_way[0][0].query():
            self._under_way.popleft()
        return sent

    def _sent(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._sent(item) for item in value]
        if not isinstance(value, np.ndarray) or value.dtype.kind not in _TENSOR_KINDS:
            return value
        usable = value.flags.writeable and value.dtype.isnative
        tensor = self._torch.from_numpy(value if usable else np.array(value, value.dtype.newbyteorder("=")))
        return tensor.to(self.device, non_blocking=True)
