"""Kernels -> object code: what the process runs that makes it."""

from __future__ import annotations

import sys
from typing import Any

from drivetrain.profile.read.scan.machine import NAME, target_machine

_MAY_CALL = ("llvm.", "memset", "memcpy", "memmove", "memcmp", "bcmp")
"""What is there wherever machine code is loaded."""


def main() -> None:
    """Write it to stdout."""
    sys.stdout.buffer.write(made())


def made() -> bytes:
    """Object code of `rows.scan` for this machine."""
    import llvmlite.binding

    from drivetrain.profile.read.scan import rows

    llvm: Any = llvmlite.binding
    scan: Any = rows.scan
    (compiled,) = scan.overloads.values()
    module = llvm.parse_assembly(compiled.library.get_llvm_str())
    module.get_function(compiled.fndesc.llvm_func_name).name = NAME
    called = [function.name for function in module.functions if function.is_declaration]
    unknown = [name for name in called if not name.startswith(_MAY_CALL)]
    if unknown:
        raise RuntimeError(f"the kernels call {', '.join(unknown)}, which is not there without numba")
    code: bytes = target_machine(llvm).emit_object(module)
    return code
