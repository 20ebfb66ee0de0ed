"""Which sample is at which position: a pure function of (seed, epoch, position), without a table.

Each epoch is a keyed permutation of the n samples: a balanced Feistel network over the smallest even number of bits
that holds n, walked until it lands below n (cycle walking; under four rounds of it on average). Memory is O(1) for
any n, and any position can be asked for at once.
Source: J. Black, P. Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from drivetrain.data.arrays import Ints

_NUM_ROUNDS = 6
_MASK = (1 << 64) - 1
_U64 = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Order:
    """The endless sequence of samples: epoch after epoch, each a fresh permutation.

    Attributes:
      num_samples: n, at least 1.
      seed: the whole of the randomness.
    """

    num_samples: int
    seed: int = 0

    def __post_init__(self) -> None:
        if self.num_samples < 1:
            raise ValueError(f"num_samples is {self.num_samples}; an order needs at least one sample")

    def samples_at(self, positions: Ints) -> Ints:
        """Sample numbers (0 .. n-1) at positions of the endless sequence; position p is in epoch p // n."""
        epochs, places = np.divmod(np.asarray(positions, np.int64), self.num_samples)
        found = np.empty_like(places)
        for epoch in np.unique(epochs):
            inside = epochs == epoch
            found[inside] = permute(places[inside], self.num_samples, key=mix(self.seed, int(epoch)))
        return found


def is_mirrored(seed: int, epoch: int, sample: int) -> bool:
    """A fair coin per (seed, epoch, sample): whether augmentation mirrors it."""
    key = _scramble_one(epoch ^ mix(seed, -1))
    return bool(_scramble_one(sample ^ key) >> 63)


def permute(places: Ints, num_samples: int, *, key: int) -> Ints:
    """Where a keyed permutation of 0 .. num_samples-1 sends each place; one-to-one."""
    half_bits = max(1, (max(1, num_samples - 1).bit_length() + 1) // 2)
    values = _feistel(places.astype(np.uint64), half_bits, key)
    outside = values >= num_samples
    while outside.any():
        values[outside] = _feistel(values[outside], half_bits, key)
        outside = values >= num_samples
    return values.astype(np.int64)


def mix(*parts: int) -> int:
    """Fold whole numbers into one key of 64 bits that differs when any of them does."""
    key = 0x9E3779B97F4A7C15
    for part in parts:
        key = _scramble_one((key ^ part) & _MASK)
    return key


@lru_cache(maxsize=256)
def _round_keys(key: int) -> tuple[np.uint64, ...]:
    return tuple(np.uint64(mix(key, number)) for number in range(_NUM_ROUNDS))


def _feistel(values: _U64, half_bits: int, key: int) -> _U64:
    bits, mask = np.uint64(half_bits), np.uint64((1 << half_bits) - 1)
    left, right = values >> bits, values & mask
    for round_key in _round_keys(key):
        left, right = right, left ^ (_scramble(right ^ round_key) & mask)
    return (left << bits) | right


def _scramble(values: _U64) -> _U64:
    """The finishing function of SplitMix64 (Steele, Lea, Flood, 2014) over an array; wraps modulo 2^64."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _scramble_one(value: int) -> int:
    """The same of one number below 2^64."""
    value = (value + 0x9E3779B97F4A7C15) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)
