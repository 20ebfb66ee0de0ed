"""One event of a Kineto or Chrome trace, typed; only the fields that some analysis uses are decoded."""

from __future__ import annotations

import msgspec

from drivetrain.profile.trace import Kind

KINDS = {
    "cpu_op": Kind.CPU_OP,
    "operator": Kind.CPU_OP,
    "cuda_runtime": Kind.RUNTIME,
    "cuda_driver": Kind.RUNTIME,
    "runtime": Kind.RUNTIME,
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


class Args(msgspec.Struct, gc=False):
    """Details of an event; field names as Kineto has written them over the years."""

    correlation: int | None = None
    external: int | None = msgspec.field(name="External id", default=None)
    external_old: int | None = msgspec.field(name="external id", default=None)
    stream: int | None = None
    device: int | None = None
    size_bytes: int | None = msgspec.field(name="bytes", default=None)
    sequence: int | None = msgspec.field(name="Sequence number", default=None)
    dims: msgspec.Raw = msgspec.field(name="Input Dims", default=msgspec.Raw())
    types: msgspec.Raw = msgspec.field(name="Input type", default=msgspec.Raw())
    stack: str | None = msgspec.field(name="Call stack", default=None)
    python_id: int | None = msgspec.field(name="Python id", default=None)
    python_parent: int | None = msgspec.field(name="Python parent id", default=None)
    collective: str | None = msgspec.field(name="Collective name", default=None)
    in_elements: int | None = msgspec.field(name="In msg nelems", default=None)
    out_elements: int | None = msgspec.field(name="Out msg nelems", default=None)
    dtype: str | None = None
    group: str | None = msgspec.field(name="Process Group Name", default=None)
    group_size: int | None = msgspec.field(name="Group size", default=None)
    changed_bytes: int | None = msgspec.field(name="Bytes", default=None)
    total_bytes: int | None = msgspec.field(name="Total Allocated", default=None)
    address: int | None = msgspec.field(name="Addr", default=None)
    device_kind: int | None = msgspec.field(name="Device Type", default=None)
    device_index: int | None = msgspec.field(name="Device Id", default=None)


class RawEvent(msgspec.Struct, gc=False):
    """One object of `traceEvents`."""

    ph: str = ""
    name: str = ""
    cat: str = ""
    ts: float | None = None
    dur: float | None = None
    pid: int | str = 0
    tid: int | str = 0
    args: Args | None = None


def kind_of(category: str) -> Kind:
    """What an event of this category is."""
    return KINDS.get(category, Kind.OTHER) if category.islower() else KINDS.get(category.lower(), Kind.OTHER)
