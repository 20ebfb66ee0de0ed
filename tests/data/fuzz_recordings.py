"""Damaged recordings, by seed: run as a program, with memory limited, it opens and reads each and prints what came.

    python fuzz_recordings.py FOLDER SEED COUNT FILE...

Each file is damaged COUNT times: bits flipped, bytes cut off, eight bytes replaced by a huge length. Whatever is raised
that is not a DataError ends the program.
"""

from __future__ import annotations

import json
import random
import resource
import sys
import time
from pathlib import Path

from drivetrain.core.errors import DataError
from drivetrain.data import open_log

MEMORY_BYTES = 1 << 30  # more than the program has before it opens anything


def damaged(data: bytes, chance: random.Random) -> bytes:
    content = bytearray(data)
    kind = chance.randrange(4)
    if kind == 0:
        return bytes(content[: chance.randrange(len(content))])
    for _ in range(chance.choice((1, 1, 2, 8))):
        at = chance.randrange(len(content))
        if kind == 1:
            content[at] ^= 1 << chance.randrange(8)
        elif kind == 2:
            huge = chance.choice((1 << 31, 1 << 40, (1 << 63) - 1, (1 << 64) - 1, 0))
            content[at : at + 8] = huge.to_bytes(8, "little")
        else:
            content[at : at + 4] = (0xFFFFFFFF).to_bytes(4, "little")
    return bytes(content[: len(data)])


def read_all(path: Path) -> tuple[int, int]:
    """How many messages were read and how many refused. Raises DataError: the log was refused."""
    log = open_log(path)
    num_read = num_refused = 0
    for stream in log.streams.values():
        for i in range(len(stream)):
            try:
                stream.read(i)
                num_read += 1
            except DataError:
                num_refused += 1
    return num_read, num_refused


def limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def main(folder: Path, seed: int, count: int, files: list[Path]) -> None:
    limit_memory()
    totals = {"whole": 0, "refused": 0, "read": 0, "messages_refused": 0, "slowest_s": 0.0}
    for file in files:
        data = file.read_bytes()
        for number in range(count):
            copy = folder / f"damaged{file.suffix}"
            copy.write_bytes(damaged(data, random.Random(f"{seed} {file.name} {number}")))
            started = time.monotonic()
            try:
                num_read, num_refused = read_all(copy)
            except DataError:
                totals["refused"] += 1
            except BaseException:
                print(f"seed {seed}, {file}, number {number}", file=sys.stderr)
                raise
            else:
                totals["whole"] += 1
                totals["read"] += num_read
                totals["messages_refused"] += num_refused
            totals["slowest_s"] = max(totals["slowest_s"], time.monotonic() - started)
    print(json.dumps(totals))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), [Path(name) for name in sys.argv[4:]])
