"""Names of kernels as people say them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from drivetrain.report.profile.story import TableLine

_WRAPPERS = ("Kernel", "Kernel1", "Kernel2", "device_kernel")
_SAYS_WHAT = re.compile(
    r"\b(\w++)(?:<[^<>()]*>)?\((?:at::)?TensorIterator"  # the function of PyTorch in which a lambda stands
    r"|\b(?!gpu_kernel_impl|BinaryFunctor|[AB]UnaryFunctor)(\w*Functor\w*|\w+_functor|\w+Ops|\w+_kernel_impl)\b"
)
_PLAIN = re.compile(r"[\w:~ ]+")


def plain_kernel(name: str) -> str:
    """The function of a kernel without its types: `elementwise_kernel AddFunctor` of a line of C++.

    Template arguments are left out but the one that says what an elementwise kernel computes, or which kernel of
    CUTLASS it is. What is no C++ stays as it is.
    """
    text = name.removeprefix("void ").replace("(anonymous namespace)::", "")
    if text.startswith("std::enable_if<"):
        text = text.partition("::type ")[2] or text
    is_signature = "(" in text and (text.endswith(")") or "<" in text)
    if not is_signature or text.startswith("Mem"):
        return name
    start = _PLAIN.match(text)
    *spaces, base = (start[0] if start else "").strip().split("::")
    inside = text[len(start[0]) :] if start else ""
    if base == "kernel" and spaces:
        return f"{spaces[-1]}::{base}"
    if base in _WRAPPERS:
        inner = re.search(r"\w+", inside)
        return inner[0] if inner else name
    what = _SAYS_WHAT.search(inside) if "elementwise" in base or "apply" in base or "reduce" in base else None
    return f"{base} {what[1] or what[2]}" if what else base or name


def by_plain_name(kernels: Sequence[TableLine]) -> list[TableLine]:
    """Kernels that people call the same as one line each, the longest together first."""
    found: dict[tuple[str, str], TableLine] = {}
    for line in kernels:
        name = plain_kernel(line.name)
        same = found.get((name, line.note))
        found[name, line.note] = replace(line, name=name) if same is None else _both(same, line)
    return sorted(found.values(), key=lambda line: -line.total_ns)


def _both(one: TableLine, other: TableLine) -> TableLine:
    count, total_ns = one.count + other.count, one.total_ns + other.total_ns
    return replace(one, count=count, total_ns=total_ns, self_ns=total_ns, mean_ns=round(total_ns / count))
