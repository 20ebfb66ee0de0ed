"""One sample into a batch: found, read, decoded, augmented, put in; what cannot be read is replaced."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from drivetrain.core.errors import DataError, SampleError
from drivetrain.data.augment.keyed import generator
from drivetrain.data.dataset import DataSet
from drivetrain.data.loading.augmenting import Augment, at_size, mirrored
from drivetrain.data.loading.bad import BadSamples
from drivetrain.data.loading.decoding import Decoder, ImageSize
from drivetrain.data.loading.draft import Draft
from drivetrain.data.loading.sequence import Place, Sequence
from drivetrain.data.loading.tally import Tally, now_ns
from drivetrain.data.order import is_mirrored, mix


@dataclass(frozen=True, eq=False)
class Source:
    """A data set that samples come from.

    Attributes:
      name: before its samples' keys, where there are several; else empty.
      dataset: opened.
      stems: name of each part in batches -> its name in the data set.
    """

    name: str
    dataset: DataSet
    stems: dict[str, str]

    @classmethod
    def of(cls, name: str, dataset: DataSet) -> Source:
        """Parts are called `image`, not `image.jpg`, in batches, where that is unique."""
        parts = list(dataset.manifest.parts)
        short = [part.partition(".")[0] for part in parts]
        taken = {"key", "position", *(stem for stem in short if short.count(stem) > 1)}
        return cls(name, dataset, {s if s not in taken else p: p for s, p in zip(short, parts, strict=True)})

    def key(self, row: int) -> str:
        """What the sample in a row is called in batches."""
        key = self.dataset.key(row)
        return f"{self.name}/{key}" if self.name else key


@dataclass(frozen=True, eq=False)
class Filler:
    """Puts samples into drafts; called from any thread.

    Attributes:
      sources: the data sets, numbered as in `sequence`.
      sequence: which sample is where.
      seed: of augmentation.
      size: of images and label maps, or None.
      augment: or None.
      flip: mirror half of the samples.
      columns: that batches have.
      bad: samples that could not be read.
    """

    sources: tuple[Source, ...]
    sequence: Sequence
    seed: int
    size: ImageSize | None
    augment: Augment | None
    flip: bool
    columns: tuple[str, ...]
    bad: BadSamples
    decoder: Decoder

    def __call__(self, draft: Draft, number: int, tally: Tally) -> None:
        """Put in the sample at a position; where it cannot be read, the next readable one of its epoch."""
        place = draft.places[number]
        reason = self._try(draft, number, place, tally)
        if reason is None:
            return
        following = self.sequence.instead(int(draft.positions[number]))
        for ahead in range(1, len(following)):
            if self._try(draft, number, following[ahead], tally) is None:
                return
        path = self.sources[place.source].dataset.path
        raise DataError(f"none of the {len(following)} samples of {path} can be read; for one: {reason}")

    def will_need(self, draft: Draft) -> None:
        """Have far shards fetched meanwhile."""
        for number, source in enumerate(self.sources):
            rows = [place.row for place in draft.places if place.source == number]
            source.dataset.will_need(rows)

    def close(self) -> None:
        """Let go of the data sets' files and of what fetches them."""
        for source in self.sources:
            source.dataset.close()

    def _try(self, draft: Draft, number: int, place: Place, tally: Tally) -> str | None:
        """Put in a sample; why it cannot be, in words, and then it is counted."""
        source = self.sources[place.source]
        key = source.key(place.row)
        try:
            self._put(draft, number, key, place, tally)
        except SampleError as exc:
            self.bad.add(key, exc.message)
            return exc.message
        return None

    def _put(self, draft: Draft, number: int, key: str, place: Place, tally: Tally) -> None:
        source = self.sources[place.source]
        began = now_ns()
        stored = source.dataset.stored_parts(place.row)
        have_read = now_ns()
        tally.read_ns += have_read - began
        tally.read_bytes += sum(map(len, stored.values()))
        is_final = self.augment is None and not self.flip
        parts: dict[str, Any] = {
            stem: self.decoder.decode(
                part, stored[part], where=f"{part} of {key}", room=draft.room(stem, number) if is_final else np.empty
            )
            for stem, part in source.stems.items()
            if part in stored
        }
        decoded = now_ns()
        tally.decode_ns += decoded - have_read
        parts, columns = self._augmented(source, place, parts)
        augmented = now_ns()
        tally.augment_ns += augmented - decoded
        draft.put(number, key, parts, columns)
        tally.collate_ns += now_ns() - augmented
        tally.num_samples += 1

    def _augmented(self, source: Source, place: Place, parts: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Parts, and the columns that batches have."""
        if self.flip and is_mirrored(self._seed(place), place.epoch, place.number):
            parts = mirrored(parts, source.stems)
        if self.augment is None and not self.columns:
            return parts, {}
        columns = at_size(source.dataset.columns(place.row), self.size)
        if self.augment is not None:
            chance = generator(self._seed(place), place.epoch, place.row)
            changed, columns = self.augment(parts, columns, chance)
            parts = dict(changed)
        return parts, {name: columns[name] for name in self.columns}

    def _seed(self, place: Place) -> int:
        """Of augmentation: other draws for the samples of other data sets."""
        return self.seed if place.source == 0 else mix(self.seed, place.source, 11)
