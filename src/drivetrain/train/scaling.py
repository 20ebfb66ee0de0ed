"""The factor that keeps fp16 gradients from vanishing: as large as they bear, found by trying."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

_FIRST = 65536.0
_GROWTH, _BACKOFF, _INTERVAL = 2.0, 0.5, 2000  # those of torch.amp.GradScaler


class LossScale:
    """A power of two, on the device: halved when a gradient overflows, doubled after 2,000 steps without.

    Not torch's GradScaler, because that reads the gradients once more to find overflows, while the norm has told
    already, and because it would have to be told of steps that are left out for other reasons.

    Attributes:
      value: the factor, a float32 scalar.
    """

    def __init__(self, device: torch.device) -> None:
        self.value = torch.full((), _FIRST, device=device)
        self._num_good = torch.zeros((), dtype=torch.int32, device=device)

    @torch.no_grad()
    def unscale(self, gradients: list[torch.Tensor]) -> None:
        """Divide gradients by the factor, in place."""
        if gradients:
            torch._foreach_mul_(gradients, self.value.reciprocal())

    def update(self, overflowed: torch.Tensor) -> None:
        """Take in whether a step's gradients overflowed: a float32 scalar, 0 or 1."""
        torch._amp_update_scale_(self.value, self._num_good, overflowed, _GROWTH, _BACKOFF, _INTERVAL)

    def state_dict(self) -> dict[str, Any]:
        """Factor, and steps since it last changed; waits for the device."""
        return {"value": self.value.item(), "num_good": int(self._num_good.item())}

    def load_state_dict(self, state: Mapping[str, Any], /) -> None:
        """Go back to what `state_dict` gave."""
        self.value.fill_(state["value"])
        self._num_good.fill_(state["num_good"])
