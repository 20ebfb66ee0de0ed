"""What program goodput needs: the arithmetic of one step of the model, and the most that its device could do."""

from __future__ import annotations

import functools
import time
from typing import Any

import msgspec
import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop, sdpa_flop

from drivetrain.core.profiling import Subject
from drivetrain.profile.analyse import peaks
from drivetrain.store import publish_bytes
from drivetrain.store.captures import PROGRAM_FILE, Program

_MEASURE_S = 0.25
_ROWS, _ROWS_ELSE = 512, 8192
_DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16", "fp8": "float8"}
_CPU_ATTENTION = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: sdpa_flop,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: sdpa_backward_flop,
}
"""Torch's counter leaves these out."""


class _Counter(FlopCounterMode):
    """Torch's counter, without what a backward pass computes a second time (`recompute`)."""

    def _count_flops(self, func_packet: Any, out: Any, args: Any, kwargs: Any) -> Any:
        if _is_recomputing():
            return out
        return super()._count_flops(func_packet, out, args, kwargs)  # type: ignore[no-untyped-call]  # torch has no types here


def _is_recomputing() -> bool:
    """The engine of backward works without gradients, but a forward pass inside it has them on."""
    return torch._C._current_graph_task_id() != -1 and torch.is_grad_enabled()


class StepFlops:
    """FLOPs of the forward and backward passes of one step, on this rank; a multiplication and an addition are two.

    Counted as `FlopCounterMode` does, from matrix products, convolutions and attention. It is on from `resume` to
    `pause`, so that loading, evaluation and the optimizer do not count. The numbers that the step computes stay the
    same, bit for bit.

    Attributes:
      total: so far.
      is_whole: whether the optimizer has taken the step, so that there is nothing to come.
    """

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.total = 0
        self.is_whole = False
        self._counter: _Counter | None = None
        self._hook = optimizer.register_step_pre_hook(self._step_ends)

    def resume(self) -> None:
        """Count from here on, unless the step is over."""
        if self._counter is None and not self.is_whole:
            self._counter = _Counter(display=False, custom_mapping=_CPU_ATTENTION)
            self._counter.__enter__()  # type: ignore[no-untyped-call]  # as above

    def pause(self) -> None:
        """Until here; twice is fine."""
        counter, self._counter = self._counter, None
        if counter is not None:
            counter.__exit__(None, None, None)  # type: ignore[no-untyped-call]  # as above
            self.total += counter.get_total_flops()

    def close(self) -> None:
        """Leave nothing behind."""
        self.pause()
        self._hook.remove()

    def _step_ends(self, *_: Any) -> None:
        self.pause()
        self.is_whole = True


class ProgramMeter:
    """Measures what program goodput needs, in one step that is not recorded, and tells the ledger and the folder."""

    def __init__(self, subject: Subject, device: torch.device) -> None:
        self._subject, self._device = subject, device
        self._flops: StepFlops | None = None

    @property
    def is_counted(self) -> bool:
        """Whether there is something to tell."""
        return self._flops is not None and self._flops.is_whole

    def begin(self) -> None:
        """The next step is to be counted."""
        self.close()
        self._flops = StepFlops(self._subject.optimizer)

    def count(self, is_on: bool) -> None:
        """Whether what comes is the step's own work."""
        if self._flops is not None:
            (self._flops.resume if is_on else self._flops.pause)()

    def tell(self, step: int) -> None:
        """Write down the arithmetic of the whole step, and the peak. Raises StoreError: the disk would not take it."""
        assert self._flops is not None
        if not self._flops.total:  # nothing that torch counts: that is no measurement of 0
            return
        subject, device = self._subject, self._device
        dtype = arithmetic(subject.precision, device)
        peak, source = peak_of_device(dtype, device)
        program = Program(
            flops_per_step=self._flops.total / subject.share,
            peak_flops_per_s=peak,
            peak_source=source,
            dtype=dtype,
            device=device_name(device),
            step=step,
        )
        subject.recorder.program(step, program.flops_per_step, program.peak_flops_per_s)
        publish_bytes(subject.folder / PROGRAM_FILE, msgspec.json.format(msgspec.json.encode(program), indent=2))

    def close(self) -> None:
        """Leave nothing on; twice is fine."""
        flops, self._flops = self._flops, None
        if flops is not None:
            flops.close()


def device_name(device: torch.device) -> str:
    """As its maker calls it."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def arithmetic(precision: str, device: torch.device) -> str:
    """What matrix products are computed in, as the table of peaks says it; `tf32` where float32 stands for that."""
    is_tf32 = precision == "fp32" and device.type == "cuda" and torch.backends.cuda.matmul.allow_tf32
    return "tf32" if is_tf32 else _DTYPES[precision]


def peak_of_device(dtype: str, device: torch.device) -> tuple[float, str]:
    """FLOP/s at most, and where that comes from: the datasheet, or where there is none, what is measured now."""
    known = peaks.peak_of(device_name(device))
    flops_per_s = None if known is None else known.flops_per_s(dtype)
    if known is not None and flops_per_s is not None:
        return flops_per_s, known.source
    return measured_peak(dtype, device), "measured: the best product of two square matrices on this device"


@functools.cache
def measured_peak(dtype: str, device: torch.device) -> float:
    """FLOP/s of a product of two square matrices, the best of some, with the threads that this process has.

    Once a process. Other work on the machine makes it too low where it leaves no product undisturbed.
    """
    rows = _ROWS if device.type == "cpu" else _ROWS_ELSE
    made = getattr(torch, dtype, torch.bfloat16 if dtype == "float8" else torch.float32)
    a, b = (torch.ones(rows, rows, dtype=made, device=device) for _ in range(2))
    best_s, end_s = float("inf"), time.perf_counter() + _MEASURE_S
    while time.perf_counter() < end_s:
        _wait(device)
        began_s = time.perf_counter()
        torch.mm(a, b)
        _wait(device)
        best_s = min(best_s, time.perf_counter() - began_s)
    return 2 * rows**3 / best_s


def _wait(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
