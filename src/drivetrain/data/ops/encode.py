"""Parts become the bytes of files: what a data set stores."""

from __future__ import annotations

from dataclasses import dataclass

from drivetrain.data.codec import encode
from drivetrain.data.pipeline.description import Op
from drivetrain.data.pipeline.item import Item


@dataclass(frozen=True)
class Encode(Op):
    """Part `image` becomes `image.jpg`, `track` becomes `track.npy`, and so on; parts that are not named are left out.

    Takes what `data/codec.py` says for each ending: `jpg` RGB (uint8, HW3), `png` labels (uint8, HW), `npy` any array
    without objects, `json` plain values. Gives bytes.

    Attributes:
      files: names of the parts to give; up to the first dot they name the part to take.
    """

    files: tuple[str, ...]

    def __call__(self, item: Item) -> Item:
        """The item as bytes. Raises SampleError: it has no such part."""
        parts = {file: encode(file, item.read(file.partition(".")[0])) for file in self.files}
        return item.only_parts(parts)
