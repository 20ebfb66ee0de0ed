"""All random number generators of a rank: seed them, read them, set them back."""

from __future__ import annotations

import hashlib
import random
from typing import Any

import numpy as np
import torch


def seed_all(seed: int, *keys: object) -> None:
    """Seed torch (all devices), numpy and python from a seed and what else must tell streams apart."""
    digest = hashlib.blake2b(repr((seed, *keys)).encode(), digest_size=8).digest()
    number = int.from_bytes(digest, "big") >> 1
    torch.manual_seed(number)
    np.random.seed(number % 2**32)
    random.seed(number)


def capture(device: torch.device) -> dict[str, Any]:
    """The state of every generator, as tensors and numbers.

    numpy's and python's generators are 32-bit words; they are held as int64, which torch has everywhere.
    """
    _, key, position, has_gauss, gauss = np.random.get_state()
    version, words, python_gauss = random.getstate()
    state: dict[str, Any] = {
        "torch": torch.get_rng_state(),
        "numpy": torch.from_numpy(np.asarray(key).astype(np.int64)),
        "numpy_rest": [int(position), int(has_gauss), float(gauss)],
        "python": torch.tensor(words, dtype=torch.int64),
        "python_rest": [version, python_gauss],
    }
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def restore(state: dict[str, Any], device: torch.device) -> None:
    """Set every generator back to what `capture` gave."""
    torch.set_rng_state(state["torch"])
    position, has_gauss, gauss = state["numpy_rest"]
    np.random.set_state(("MT19937", state["numpy"].numpy().astype(np.uint32), position, has_gauss, gauss))
    version, python_gauss = state["python_rest"]
    random.setstate((version, tuple(state["python"].tolist()), python_gauss))
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)
