"""All messages from so long before each query to so long after: the past that a model sees, the future it forecasts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drivetrain.data.arrays import Ints
from drivetrain.data.sync.join import distinct


@dataclass(frozen=True, eq=False)
class Windows:
    """What lies around each query.

    Attributes:
      order: messages by time, repeated stamps left out but for the first.
      first_N, past_N: of each query, where in `order` its window begins, and where it ends.
      num_empty: queries with no message in their window.
    """

    order: Ints
    first_N: Ints
    past_N: Ints
    num_empty: int

    def __len__(self) -> int:
        return len(self.first_N)

    def of(self, query: int) -> Ints:
        """Messages in the window of a query, by time, as indices into the reference as given."""
        found: Ints = self.order[self.first_N[query] : self.past_N[query]]
        return found


def windows(query_t_ns: Ints, reference_t_ns: Ints, *, past_ns: int, future_ns: int) -> Windows:
    """The messages whose stamps lie within [t - past_ns, t + future_ns] of each query's t, both ends included.

    Args:
      query_t_ns, reference_t_ns: int64 stamps, in any order.
      past_ns, future_ns: 0 or more.
    Raises: TypeError: stamps that are not whole numbers. ValueError: a negative length.
    """
    order, stamps = distinct(query_t_ns, reference_t_ns, min(past_ns, future_ns))
    first_N = np.searchsorted(stamps, query_t_ns - past_ns, side="left").astype(np.int64)
    past_N = np.searchsorted(stamps, query_t_ns + future_ns, side="right").astype(np.int64)
    return Windows(order, first_N, past_N, int((past_N <= first_N).sum()))
