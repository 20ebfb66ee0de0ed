"""Run all benchmarks, or the named ones, and print one table with the command, machine and versions."""

from __future__ import annotations

import importlib
import shlex
import sys

from drivetrain.core import clock, environment

NAMES = ("imports", "ledger_record", "step_overhead", "checkpoint", "recovery", "ingest", "loader", "index", "demo")
GPU_NAMES = ("mfu",)  # run by `make bench-gpu`, besides those above that use a GPU where there is one


def main() -> int:
    names = sys.argv[1:] or list(NAMES)
    unknown = [name for name in names if name not in NAMES + GPU_NAMES]
    if unknown:
        print(f"error: no benchmark {unknown[0]}; there are {', '.join(NAMES + GPU_NAMES)}", file=sys.stderr)
        return 2
    found = environment.capture()
    print(f"$ python -m benchmarks {shlex.join(sys.argv[1:])}".rstrip())
    print(f"{clock.utc_text(clock.wall_ns())}, {found['cpu']}, {found['cores']} cores, shared machine")
    print(
        ", ".join(f"{key} {found[key]}" for key in ("python", "torch", "numpy", "commit") if key in found), flush=True
    )
    for name in names:
        print(f"\n{name}")
        for what, figure, target in importlib.import_module(f"benchmarks.{name}").run():
            print(f"  {what:<58} {figure:<44} {target}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
