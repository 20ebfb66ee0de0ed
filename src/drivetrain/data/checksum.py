"""CRC-32 of a part, by the quickest code at hand: a checksum must not take longer than reading what it is of."""

try:
    from isal.isal_zlib import crc32
except ModuleNotFoundError:
    from zlib import crc32

__all__ = ["crc32"]
