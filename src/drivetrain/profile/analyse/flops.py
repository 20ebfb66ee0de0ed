"""Arithmetic and memory traffic of operators, from their names and the shapes of their inputs.

Counted as `torch.utils.flop_counter` does: a multiplication with its addition is two; only matrix products,
convolutions and attention count; biases and causal masks change nothing. What has another name, or no shapes, is
unknown, never 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

Shape = tuple[int, ...]
Shapes = Sequence[Shape | None]
"""Of the inputs in order; None for what is no tensor, or a list of them."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What an operator has to do at least.

    Attributes:
      flops: operations of arithmetic.
      elements: numbers that have to be read or written once, inputs and outputs.
    """

    flops: int
    elements: int


@dataclass(frozen=True, slots=True)
class Call:
    """One way in which an operator was called.

    Attributes:
      name: of the operator.
      shapes: of its inputs.
      values: of its inputs that are no tensors, as text, where the trace tells them: `[2, 2]`, `False`.
      outer: shape of the output, where something else in the trace tells it.
    """

    name: str
    shapes: Shapes
    values: Sequence[str] = ()
    outer: Shape | None = None


def cost(call: Call) -> Cost | None:
    """What one such call has to do; None where that is not known."""
    formula = _FORMULAS.get(call.name)
    if formula is None:
        return None
    try:
        return formula(call)
    except (IndexError, ValueError, TypeError, ZeroDivisionError):  # not the arguments that this name has elsewhere
        return None


def _mm(a: Shape, b: Shape, *more: Shape) -> Cost:
    """[..., m, k] x [..., k, n]: 2 m n k each. Source: `mm_flop`, `bmm_flop`."""
    *batch, m, k = a
    k_too, n = b[-2:]
    if k != k_too or list(b[:-2]) != batch:
        raise ValueError(a, b)
    num = math.prod(batch)
    return Cost(2 * num * m * n * k, num * (m * k + k * n + m * n) + sum(math.prod(shape) for shape in more))


def _product(call: Call) -> Cost:
    return _mm(*_given(call.shapes[:2]))


def _product_and_sum(call: Call) -> Cost:
    """Source: `addmm_flop`; the sum is not counted."""
    bias, a, b = _given(call.shapes[:3])
    return _mm(a, b, bias)


def _linear(call: Call) -> Cost:
    """Input [..., k], weight [n, k], perhaps a bias [n]."""
    a, weight = _given(call.shapes[:2])
    bias = [shape for shape in call.shapes[2:3] if shape]
    n, k = weight
    return _mm((math.prod(a[:-1]), a[-1]), (k, n), *bias)


def _convolution(call: Call) -> Cost:
    given, weight = _given(call.shapes[:2])
    return _convolved(given, weight, call.outer or outer_shape(call))


def _convolved(given: Shape, weight: Shape, outer: Shape) -> Cost:
    """Each output takes a product with one filter; turned round if transposed. Source: `conv_flop_count`.

    What is grouped takes a product with the filter of its group only, as the shape of the weight says; in backward too,
    where torch counts the weight's gradient as if nothing were grouped.
    """
    if not len(outer) == len(weight) == len(given):
        raise ValueError(given, weight, outer)
    points = outer if outer[1] == weight[0] else given
    return Cost(2 * math.prod(points) * math.prod(weight[1:]), sum(map(math.prod, (given, weight, outer))))


def _convolution_backward(call: Call) -> Cost:
    """A convolution each for the gradients of input and weight. Inputs: gradient of the output, input, weight.

    A first layer's input needs none; where the trace does not tell the mask of what is asked for, both are counted.
    Source: `conv_backward_flop`.
    """
    outer, given, weight = _given([call.shapes[place] for place in _BACKWARD_ORDER[call.name]])
    once = _convolved(given, weight, outer)
    mask = call.values[10].strip("[]").split(", ") if len(call.values) > 10 else ["True", "True"]
    num = mask[:2].count("True")
    return Cost(num * once.flops, num * once.elements)


def outer_shape(call: Call) -> Shape:
    """The output of a convolution by its stride, padding and dilation. Raises ValueError: they are not told.

    Source: `torch.nn.Conv2d`, `torch.nn.ConvTranspose2d`, "Shape".
    """
    given, weight = _given(call.shapes[:2])
    sizes = [_numbers(text, len(given) - 2) for text in call.values[3:6]]
    if call.name in _SHORT_TRANSPOSED:
        stride, padding, further = sizes
        groups, dilation = int(call.values[6]), _numbers(call.values[7], len(given) - 2)
    else:
        stride, padding, dilation = sizes
    sides = zip(given[2:], weight[2:], stride, padding, dilation, strict=True)
    if call.name in _LONG and call.values[6] == "True":
        further, groups = _numbers(call.values[7], len(given) - 2), int(call.values[8])
    elif call.name not in _SHORT_TRANSPOSED:
        return given[0], weight[0], *((size + 2 * p - d * (k - 1) - 1) // s + 1 for size, k, s, p, d in sides)
    outer = [(size - 1) * s - 2 * p + d * (k - 1) + 1 for size, k, s, p, d in sides]
    return given[0], weight[1] * groups, *(size + more for size, more in zip(outer, further, strict=True))


_SHORT_TRANSPOSED = tuple(f"aten::conv_transpose{dims}d" for dims in (1, 2, 3))
_LONG = ("aten::convolution", "aten::_convolution")


def _numbers(text: str, num: int) -> list[int]:
    """`[2, 2]` or `[2]` or `2` -> so many numbers."""
    found = [int(part) for part in text.strip("[]").split(",")]
    return found * num if len(found) == 1 else found


def outer_shapes(calls: Iterable[Call]) -> dict[tuple[Shape, Shape], Shape]:
    """Outputs of convolutions by shapes of input and weight, as far as the backwards in the same trace tell them.

    Two with the same shapes and other strides contradict each other; then neither is known.
    """
    found: dict[tuple[Shape, Shape], set[Shape]] = {}
    for call in calls:
        first = call.shapes[:3]
        if call.name in _BACKWARD_ORDER and len(first) == 3 and all(first):
            outer, given, weight = _given([first[place] for place in _BACKWARD_ORDER[call.name]])
            found.setdefault((given, weight), set()).add(outer)
    return {key: next(iter(outers)) for key, outers in found.items() if len(outers) == 1}


_BACKWARD_ORDER = {
    "aten::convolution_backward": (0, 1, 2),
    "aten::mkldnn_convolution_backward": (1, 0, 2),
    "aten::cudnn_convolution_backward": (1, 0, 2),
    "aten::thnn_conv2d_backward": (0, 1, 2),
}


def _attention(call: Call) -> Cost:
    return _attended(*_given(call.shapes[:3]))


def _attended(query: Shape, key: Shape, value: Shape) -> Cost:
    """Query [b, h, q, d], key [b, h, s, d], value [b, h, s, v]: two products. Source: `sdpa_flop_count`."""
    *batch, q, d = query
    s, v = value[-2:]
    if key[-2] != s or key[-1] != d:
        raise ValueError(query, key, value)
    num = math.prod(batch)
    return Cost(2 * num * q * s * (d + v), sum(map(math.prod, (query, key, value))) + num * q * v)


def _attention_backward(call: Call) -> Cost:
    return _attended_backward(*_given(call.shapes[:4]))


def _attended_backward(gradient: Shape, query: Shape, key: Shape, value: Shape) -> Cost:
    """Five products where forward has two: 2.5 times. Source: `sdpa_backward_flop_count`, which counts the same."""
    *batch, q, d = query
    s, v = value[-2:]
    flops = 2 * math.prod(batch) * q * s * (3 * d + 2 * v)
    return Cost(flops, 2 * sum(map(math.prod, (query, key, value, gradient))))


def _turned(shapes: Shapes) -> list[Shape]:
    """[b, s, h, d] -> [b, h, s, d]: the kernels' own operators have the first. Packed sequences have no b."""
    return [(shape[0], shape[2], shape[1], shape[3]) for shape in _given(shapes)]


def _attention_turned(call: Call) -> Cost:
    return _attended(*_turned(call.shapes[:3]))


def _attention_backward_turned(call: Call) -> Cost:
    return _attended_backward(*_turned(call.shapes[:4]))


def _given(shapes: Shapes) -> list[Shape]:
    found = [shape for shape in shapes if shape]
    if len(found) != len(shapes):
        raise ValueError(shapes)
    return found


_ATTENTIONS = (
    "flash_attention",
    "efficient_attention",
    "cudnn_attention",
    "flash_attention_for_cpu",
    "fused_attention_overrideable",
)
_FORMULAS: dict[str, Callable[[Call], Cost]] = {
    "aten::mm": _product,
    "aten::bmm": _product,
    "aten::addmm": _product_and_sum,
    "aten::baddbmm": _product_and_sum,
    "aten::_scaled_mm": _product,
    "aten::linear": _linear,
    "aten::convolution": _convolution,
    "aten::_convolution": _convolution,
    "aten::cudnn_convolution": _convolution,
    "aten::mkldnn_convolution": _convolution,
    "aten::_slow_conv2d_forward": _convolution,
    "aten::convolution_overrideable": _convolution,
    "aten::convolution_backward": _convolution_backward,
    "aten::cudnn_convolution_backward": _convolution_backward,
    "aten::mkldnn_convolution_backward": _convolution_backward,
    "aten::thnn_conv2d_backward": _convolution_backward,
    **dict.fromkeys((f"aten::conv{dims}d" for dims in (1, 2, 3)), _convolution),
    **dict.fromkeys(_SHORT_TRANSPOSED, _convolution),
    "aten::scaled_dot_product_attention": _attention,
    **dict.fromkeys((f"aten::_scaled_dot_product_{kind}" for kind in _ATTENTIONS), _attention),
    **dict.fromkeys((f"aten::_scaled_dot_product_{kind}_backward" for kind in _ATTENTIONS), _attention_backward),
    "aten::_flash_attention_forward": _attention_turned,
    "aten::_efficient_attention_forward": _attention_turned,
    "aten::_flash_attention_backward": _attention_backward_turned,
    "flash_attn::_flash_attn_forward": _attention_turned,
    "flash_attn::_flash_attn_backward": _attention_backward_turned,
}
