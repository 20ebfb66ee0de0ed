"""Reads damaged traces in a process of its own: prints what became of them; crashes, hangs and too much memory show."""

from __future__ import annotations

import gzip
import json
import random
import resource
import sys
from collections import Counter
from pathlib import Path

from drivetrain.core.errors import DataError
from drivetrain.profile import read_trace

_MOST_BYTES = 3 << 30
_BITS = (b'"', b"\\", b"{", b"}", b"[", b"]", b",", b"\0", b"\xff", b"NaN", b"1e999", b'"ts":', b"-", b"\n", b"},{")


def damaged(data: bytes, choose: random.Random) -> bytes:
    """The same bytes with a few changes: some overwritten, put in, cut out, or put elsewhere; or cut off."""
    out = bytearray(data)
    for _ in range(choose.randrange(1, 8)):
        at = choose.randrange(len(out))
        way = choose.randrange(6)
        if way == 0:
            out[at : at + 1] = choose.choice(_BITS)
        elif way == 1:
            out[at:at] = choose.choice(_BITS) * choose.choice((1, 1, 1, 500))
        elif way == 2:
            del out[at : at + choose.choice((1, 3, 1000))]
        elif way == 3:
            begin = choose.randrange(len(out))
            out[at:at] = out[begin : begin + choose.choice((10, 5000))]
        elif way == 4:
            out[at] ^= 1 << choose.randrange(8)
        elif choose.random() < 0.3:
            del out[max(at, 1) :]
    return bytes(out)


def main() -> None:
    folder, seed, count, files = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_BYTES, _MOST_BYTES))
    totals: Counter[str] = Counter()
    for number, file in enumerate(files):
        data = Path(file).read_bytes()
        for turn in range(count):
            choose = random.Random(f"{seed} {number} {turn}")
            path = folder / f"damaged-{turn}.json"
            path.write_bytes(damaged(data, choose) if turn % 3 else gzip.compress(damaged(data, choose), 1))
            if turn % 3 == 1:
                path.write_bytes(damaged(gzip.compress(data, 1), choose))
            try:
                trace = read_trace(path, processes=1)
            except DataError:
                totals["refused"] += 1
            else:
                totals["read"] += 1
                totals["events"] += len(trace)
                totals["skipped"] += sum(trace.origin.skipped.values())
    print(json.dumps(totals))


if __name__ == "__main__":
    main()
