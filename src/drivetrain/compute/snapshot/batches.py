"""Many small contents in one message: for each its hash, its size in eight bytes, and then itself."""

from __future__ import annotations

from collections.abc import Iterator

from drivetrain.core.errors import DataError

MOST_BATCH_BYTES = 8 << 20
_MOST_CONTENTS = 1000
_HASH_BYTES, _SIZE_BYTES = 64, 8


class Batch:
    """What is to be sent together, until it is enough."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.num_contents, self.num_bytes = 0, 0

    def has_room(self, num_bytes: int) -> bool:
        """Whether a content of so many bytes may come with the others."""
        return (
            self.num_contents < _MOST_CONTENTS
            and self.num_bytes + _HASH_BYTES + _SIZE_BYTES + num_bytes <= MOST_BATCH_BYTES
        )

    def add(self, sha256: str, content: bytes) -> None:
        """One more."""
        self._parts += (sha256.encode("ascii"), len(content).to_bytes(_SIZE_BYTES, "big"), content)
        self.num_contents += 1
        self.num_bytes += _HASH_BYTES + _SIZE_BYTES + len(content)

    def encoded(self) -> bytes:
        """The message."""
        return b"".join(self._parts)


def decode_batch(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Hashes and contents, not yet compared. Raises: DataError: the message ends too early."""
    at = 0
    while at < len(data):
        begin = at + _HASH_BYTES + _SIZE_BYTES
        end = begin + int.from_bytes(data[at + _HASH_BYTES : begin], "big")
        if end > len(data) or begin > len(data):
            raise DataError(f"a content at byte {at} of {len(data)} is cut off")
        yield data[at : at + _HASH_BYTES].decode("ascii", "replace"), data[begin:end]
        at = end
