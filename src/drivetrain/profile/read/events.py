"""One event of a Kineto or Chrome trace, typed; only the fields that some analysis uses are decoded."""

from __future__ import annotations

import msgspec

from drivetrain.profile.trace import NONE, Kind

KINDS = {
    "cpu_op": Kind.CPU_OP,
    "operator": Kind.CPU_OP,
    "cuda_runtime": Kind.RUNTIME,
    "cuda_driver": Kind.RUNTIME,
    "runtime": Kind.RUNTIME,
    "xpu_runtime": Kind.RUNTIME,
    "xpu_driver": Kind.RUNTIME,
    "mtia_runtime": Kind.RUNTIME,
    "privateuse1_runtime": Kind.RUNTIME,
    "privateuse1_driver": Kind.RUNTIME,
    "kernel": Kind.KERNEL,
    "gpu_memcpy": Kind.MEMCPY,
    "memcpy": Kind.MEMCPY,
    "gpu_memset": Kind.MEMSET,
    "memset": Kind.MEMSET,
    "user_annotation": Kind.ANNOTATION,
    "cpu_user_annotation": Kind.ANNOTATION,
    "gpu_user_annotation": Kind.DEVICE_ANNOTATION,
    "python_function": Kind.PYTHON,
    "trace": Kind.SPAN,
}
"""By category in small letters; torch before 1.12 wrote capitals."""

NOTHING = msgspec.Raw()


class Args(msgspec.Struct, gc=False):
    """Details of an event; field names as Kineto has written them over the years. Raw ones stay JSON."""

    external: int | None = msgspec.field(name="External id", default=NONE)
    external_old: int | None = msgspec.field(name="external id", default=NONE)
    sequence: int | None = msgspec.field(name="Sequence number", default=NONE)
    dims: msgspec.Raw = msgspec.field(name="Input Dims", default=NOTHING)
    types: msgspec.Raw = msgspec.field(name="Input type", default=NOTHING)
    inputs: msgspec.Raw = msgspec.field(name="Concrete Inputs", default=NOTHING)
    stack: str | None = msgspec.field(name="Call stack", default="")
    module: str | None = msgspec.field(name="Module Hierarchy", default="")
    device: int | None = NONE
    stream: int | None = NONE
    correlation: int | None = NONE
    size_bytes: int | None = msgspec.field(name="bytes", default=NONE)
    python_parent: int | None = msgspec.field(name="Python parent id", default=NONE)
    python_id: int | None = msgspec.field(name="Python id", default=NONE)
    python_module: int | None = msgspec.field(name="Python module id", default=NONE)
    collective: str | None = msgspec.field(name="Collective name", default=None)
    in_elements: int | None = msgspec.field(name="In msg nelems", default=0)
    out_elements: int | None = msgspec.field(name="Out msg nelems", default=0)
    dtype: str | None = None
    group: str | int | None = msgspec.field(name="Process Group Name", default=None)
    group_size: int | None = msgspec.field(name="Group size", default=0)
    total_bytes: int | None = msgspec.field(name="Total Allocated", default=NONE)
    device_index: int | None = msgspec.field(name="Device Id", default=NONE)
    device_kind: int | None = msgspec.field(name="Device Type", default=NONE)
    changed_bytes: int | None = msgspec.field(name="Bytes", default=0)
    address: int | None = msgspec.field(name="Addr", default=NONE)


class RawEvent(msgspec.Struct, gc=False):
    """One object of `traceEvents`."""

    ph: str = ""
    cat: str = ""
    name: str = ""
    pid: int | str = 0
    tid: int | str = 0
    ts: float | None = None
    dur: float | None = None
    args: Args | None = None


def kind_of(category: str) -> Kind:
    """What an event of this category is."""
    return KINDS.get(category, Kind.OTHER) if category.islower() else KINDS.get(category.lower(), Kind.OTHER)
