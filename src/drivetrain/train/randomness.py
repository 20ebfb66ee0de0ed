"""All random number generators of a rank: seed them, read them, set them back."""

from __future__ import annotations

import hashlib
import random
from typing import Any

import numpy as np
import torch

_GOLDEN = 0x9E3779B97F4A7C15  # 2**64 over the golden ratio: multiples of it are far apart
_MASK = 0xFFFFFFFFFFFFFFFF


def seed_all(seed: int, *keys: object) -> None:
    """Seed torch (all devices), numpy and python from a seed and what else must tell streams apart."""
    number = _number_of(seed, *keys)
    torch.manual_seed(number)
    np.random.seed(number % 2**32)
    random.seed(number)


class StepSeeds:
    """Seeds every generator of a rank at the beginning of each step, as a pure function of (seed, rank, step).

    So a process that takes a rank over in the middle of a run draws what the one before would have drawn, though nobody
    could ask it for the state of its generators. It costs some 9 us a step, so that only runs that have peers do it.
    """

    def __init__(self, seed: int, rank: int, device: torch.device) -> None:
        self._base = _number_of(seed, "step", rank)
        self._generators = [torch.default_generator]
        if device.type == "cuda":
            self._generators.append(torch.cuda.default_generators[device.index or 0])

    def __call__(self, step: int) -> None:
        """Seed for one step."""
        number = _mixed(self._base + step * _GOLDEN)
        for generator in self._generators:
            generator.manual_seed(number)
        np.random.seed(number & 0xFFFFFFFF)
        random.seed(number)


def _number_of(*keys: object) -> int:
    """63 bits that keys decide."""
    return int.from_bytes(hashlib.blake2b(repr(keys).encode(), digest_size=8).digest(), "big") >> 1


def _mixed(number: int) -> int:
    """63 bits in which each depends on all those of `number`. Source: the finalizer of SplitMix64, by Steele et al."""
    number &= _MASK
    number = (number ^ (number >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    number = (number ^ (number >> 27)) * 0x94D049BB133111EB & _MASK
    return (number ^ (number >> 31)) >> 1


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
