"""Names for the arrays of this room.

Shape suffixes, here and everywhere in the room: N points or queries, H rows, W columns, K things, C classes, B samples
of a batch, 3 or 2 the components of a vector (x y z, u v, or red green blue).
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Bytes: TypeAlias = NDArray[np.uint8]
Floats: TypeAlias = NDArray[np.floating[Any]]
Ints: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]
