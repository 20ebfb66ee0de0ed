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


def cost(name: str, shapes: Shapes, outer: Shape | None = None) -> Cost | None:
    """What one call has to do; None where that is not known.

    Args:
      name: of the operator.
      shapes: of its inputs.
      outer: shape of the output, for convolutions forward, whose strides and padding shapes do not tell.
    """
    formula = _FORMULAS.get(name)
    if formula is None:
        return None
    try:
        return formula(shapes, outer)
    except (IndexError, ValueError, TypeError):  # not the arguments that this name has elsewhere
        return None


def _mm(a: Shape, b: Shape, *more: Shape) -> Cost:
    """[..., m, k] x [..., k, n]: 2 m n k each. Source: `mm_flop`, `bmm_flop`."""
    *batch, m, k = a
    k_too, n = b[-2:]
    if k != k_too or list(b[:-2]) != batch:
        raise ValueError(a, b)
    num = math.prod(batch)
    return Cost(2 * num * m * n * k, num * (m * k + k * n + m * n) + sum(math.prod(shape) for shape in more))


def _product(shapes: Shapes, _: Shape | None) -> Cost:
    return _mm(*_given(shapes[:2]))


def _product_and_sum(shapes: Shapes, _: Shape | None) -> Cost:
    """Source: `addmm_flop`; the sum is not counted."""
    bias, a, b = _given(shapes[:3])
    return _mm(a, b, bias)


def _linear(shapes: Shapes, _: Shape | None) -> Cost:
    """Input [..., k], weight [n, k], perhaps a bias [n]."""
    a, weight = _given(shapes[:2])
    bias = [shape for shape in shapes[2:3] if shape]
    n, k = weight
    return _mm((math.prod(a[:-1]), a[-1]), (k, n), *bias)


def _convolution(shapes: Shapes, outer: Shape | None) -> Cost:
    """Each output takes a product with one filter; turned round if transposed. Source: `conv_flop_count`.

    Unlike there, what is grouped takes a product with the filter of its group only, as the shape of the weight says.
    """
    given, weight = _given(shapes[:2])
    if outer is None or len(outer) != len(given) or len(weight) != len(given):
        raise ValueError(outer)
    points = outer if outer[1] == weight[0] else given
    return Cost(2 * math.prod(points) * math.prod(weight[1:]), sum(map(math.prod, (given, weight, outer))))


def _convolution_backward(shapes: Shapes, _: Shape | None) -> Cost:
    """Two convolutions, for gradients of input and weight. Inputs: gradient of the output, input, weight.

    Source: `conv_backward_flop`, which counts one for a first layer, whose input needs no gradient; shapes do not tell.
    """
    outer, given, weight = _given(shapes[:3])
    once = _convolution((given, weight), outer)
    return Cost(2 * once.flops, 2 * once.elements)


def _convolution_backward_of_old(shapes: Shapes, outer: Shape | None) -> Cost:
    """Before torch 1.11 the input came first."""
    given, gradient, weight = _given(shapes[:3])
    return _convolution_backward((gradient, given, weight), outer)


def outer_shapes(calls: Iterable[tuple[str, Shapes]]) -> dict[tuple[Shape, Shape], Shape]:
    """Outputs of convolutions by shapes of input and weight, as far as the backwards in the same trace tell them.

    Two with the same shapes and other strides contradict each other; then neither is known.
    """
    found: dict[tuple[Shape, Shape], set[Shape]] = {}
    for name, shapes in calls:
        first = shapes[:3]
        if name in _BACKWARD_ORDER and len(first) == 3 and all(first):
            outer, given, weight = _given([first[place] for place in _BACKWARD_ORDER[name]])
            found.setdefault((given, weight), set()).add(outer)
    return {key: next(iter(outers)) for key, outers in found.items() if len(outers) == 1}


_BACKWARD_ORDER = {
    "aten::convolution_backward": (0, 1, 2),
    "aten::mkldnn_convolution_backward": (1, 0, 2),
    "aten::cudnn_convolution_backward": (1, 0, 2),
    "aten::thnn_conv2d_backward": (0, 1, 2),
}


def _attention(shapes: Shapes, _: Shape | None) -> Cost:
    """Query [b, h, q, d], key [b, h, s, d], value [b, h, s, v]: two products. Source: `sdpa_flop_count`."""
    query, key, value = _given(shapes[:3])
    *batch, q, d = query
    s, v = value[-2:]
    if key[-2] != s or key[-1] != d:
        raise ValueError(query, key, value)
    num = math.prod(batch)
    return Cost(2 * num * q * s * (d + v), sum(map(math.prod, (query, key, value))) + num * q * v)


def _attention_turned(shapes: Shapes, _: Shape | None) -> Cost:
    """The same with [b, s, h, d], as the kernels' own operators have it; packed sequences have [s, h, d] and no b."""
    turned = [(shape[0], shape[2], shape[1], shape[3]) for shape in _given(shapes[:3])]
    return _attention(turned, None)


def _attention_backward(shapes: Shapes, _: Shape | None) -> Cost:
    """Five products where forward has two: 2.5 times. Source: `sdpa_backward_flop_count`, which counts the same."""
    gradient, query, key, value = _given(shapes[:4])
    *batch, q, d = query
    s, v = value[-2:]
    num = math.prod(batch)
    flops = 2 * num * q * s * (3 * d + 2 * v)
    return Cost(flops, 2 * sum(map(math.prod, (query, key, value))) + 2 * math.prod(gradient))


def _attention_backward_turned(shapes: Shapes, _: Shape | None) -> Cost:
    turned = [(shape[0], shape[2], shape[1], shape[3]) for shape in _given(shapes[:4])]
    return _attention_backward(turned, None)


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
_FORMULAS: dict[str, Callable[[Shapes, Shape | None], Cost]] = {
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
    "aten::cudnn_convolution_backward": _convolution_backward_of_old,
    "aten::mkldnn_convolution_backward": _convolution_backward_of_old,
    "aten::thnn_conv2d_backward": _convolution_backward,
    **dict.fromkeys((f"aten::conv{dims}d" for dims in (1, 2, 3)), _convolution),
    "aten::scaled_dot_product_attention": _attention,
    **dict.fromkeys((f"aten::_scaled_dot_product_{kind}" for kind in _ATTENTIONS), _attention),
    **dict.fromkeys((f"aten::_scaled_dot_product_{kind}_backward" for kind in _ATTENTIONS), _attention_backward),
    "aten::_flash_attention_forward": _attention_turned,
    "aten::_efficient_attention_forward": _attention_turned,
    "aten::_flash_attention_backward": _attention_backward_turned,
    "flash_attn::_flash_attn_forward": _attention_turned,
    "flash_attn::_flash_attn_backward": _attention_backward_turned,
}
