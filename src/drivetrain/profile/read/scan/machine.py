"""The scan as machine code: made by numba once for a kind of machine, kept on disk, loaded by LLVM alone.

To import numba and have it look up a kernel that it has kept takes a second and 80 MB, more than a scan of 200 MB does.
What it makes needs nothing of it, though: the kernels take addresses, ask for no memory and raise nothing. So their
object code is kept; a process of its own makes it, in some seconds, and takes numba and 200 MB away with it.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from drivetrain.profile.read.scan.memory import Found, Rows, Text, Tokens

logger = logging.getLogger(__name__)

NAME = "drivetrain_scan"
_HERE = Path(__file__).parent
_SOURCES = (_HERE, _HERE.parent, _HERE.parent.parent)
"""Folders of all that the code rests on: kernels, and the fields, kinds and columns that are constants in them."""
_DIGEST_BYTES = 32
_PATIENCE_S = 120.0


class Machine:
    """Machine code in memory.

    Args:
      code: object code for this machine.
    """

    def __init__(self, code: bytes) -> None:
        import llvmlite.binding as llvm

        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target_machine(llvm))
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        self._engine.finalize_object()
        pointer = ctypes.c_void_p
        num_arrays = sum(len(group._fields) for group in (Tokens, Found, Rows))
        taken = [pointer, pointer, pointer, ctypes.c_int64, *[pointer] * num_arrays]
        self._function = ctypes.CFUNCTYPE(ctypes.c_int32, *taken)(self._engine.get_function_address(NAME))

    def scan(self, text: Text, length: int, tokens: Tokens, found: Found, rows: Rows) -> int:
        """`rows.scan`; other threads run meanwhile.

        Args:
          text: of more bytes than `length`, zeros behind.
          length: of it, in bytes.
          tokens, found, rows: are written to.
        """
        answer, error = ctypes.c_int64(), ctypes.c_void_p()
        addresses = [array.ctypes.data for group in (tokens, found, rows) for array in group]
        self._function(ctypes.addressof(answer), ctypes.addressof(error), text.ctypes.data, length, *addresses)
        return answer.value


def machine_code(*, may_be_made: bool) -> Machine | None:
    """The scan for this machine; None where it is neither kept nor can be made.

    Args:
      may_be_made: take the time to make what is not kept.
    """
    try:
        import llvmlite.binding as llvm
    except ImportError:
        return None
    path = kept_at(llvm)
    with suppress(OSError):
        kept = path.read_bytes()
        if hashlib.sha256(kept[_DIGEST_BYTES:]).digest() == kept[:_DIGEST_BYTES]:
            return Machine(kept[_DIGEST_BYTES:])
    code = _made() if may_be_made else None
    if code is None:
        return None
    with suppress(OSError):
        _keep(path, hashlib.sha256(code).digest() + code)
    return Machine(code)


def target_machine(llvm: Any) -> Any:
    """What LLVM knows of this machine."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    cpu, features = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    return llvm.Target.from_default_triple().create_target_machine(cpu=cpu, features=features, opt=3, jit=True)


def kept_at(llvm: Any) -> Path:
    """Where code from these sources for this kind of machine is kept: beside them, or where we may write."""
    target = llvm.get_default_triple(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    digest = hashlib.sha256(" ".join(target).encode())
    for folder in _SOURCES:
        for file in sorted(folder.glob("*.py")):
            digest.update(f"{file.name}\0".encode() + file.read_bytes())
    beside = _HERE / "__pycache__" if os.access(_HERE, os.W_OK) else Path.home() / ".cache" / "drivetrain"
    return beside / f"scan-{digest.hexdigest()[:16]}.o"


def _keep(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    file, name = tempfile.mkstemp(dir=path.parent)
    try:
        with open(file, "wb") as out:
            out.write(content)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


def _made() -> bytes | None:
    logger.info("making machine code that reads large traces, once for this machine")
    program = f"from {__package__}.making import main; main()"
    try:
        done = subprocess.run(
            [sys.executable, "-c", program],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE_S,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        logger.warning("no machine code could be made, so large traces take longer to read: %s", exc)
        return None
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        logger.warning("no machine code could be made, so large traces take longer to read: %s", last)
        return None
    return done.stdout
