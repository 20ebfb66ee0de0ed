"""Nested state <-> plain JSON and named tensors, so that a checkpoint needs no pickle.

Dicts with text keys, lists, text, numbers, booleans and None are JSON as they are. What JSON has not is wrapped in a
dict with one key that begins with `$`: `$tensor` (a tensor's name), `$tuple`, `$items` (a dict with other keys),
`$counter`, `$float` (`inf`, `-inf` or `nan`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

Tensors = dict[str, torch.Tensor]


def split(tree: Any, name: str, tensors: Tensors) -> Any:
    """The JSON form of a state; its tensors go into `tensors` under names that begin with `name`.

    Raises: TypeError: a value that is neither a container, plain, nor a tensor; the message says where.
    """
    if isinstance(tree, float) and not math.isfinite(tree):
        return {"$float": str(float(tree))}
    if tree is None or isinstance(tree, str | bool | int | float):
        return tree
    if isinstance(tree, torch.Tensor):
        tensors[name] = tree.detach()
        return {"$tensor": name}
    if isinstance(tree, np.ndarray | np.generic):
        return split(torch.from_numpy(np.array(tree)) if tree.ndim else tree.item(), name, tensors)
    if isinstance(tree, list | tuple):
        items = [split(item, f"{name}/{index}", tensors) for index, item in enumerate(tree)]
        return {"$tuple": items} if isinstance(tree, tuple) else items
    if isinstance(tree, Counter):
        return {"$counter": split(list(tree.items()), name, tensors)}
    if isinstance(tree, Mapping):
        if all(isinstance(key, str) and not key.startswith("$") for key in tree):
            return {key: split(value, f"{name}/{key}", tensors) for key, value in tree.items()}
        return {
            "$items": [[split(k, f"{name}/{k}?", tensors), split(v, f"{name}/{k}", tensors)] for k, v in tree.items()]
        }
    raise TypeError(
        f"{name} is a {type(tree).__name__}, which a checkpoint cannot hold: use numbers, text, lists, dicts, tensors"
    )


def join(plain: Any, tensors: Mapping[str, torch.Tensor]) -> Any:
    """The state that `split` took apart."""
    if isinstance(plain, list):
        return [join(item, tensors) for item in plain]
    if not isinstance(plain, dict):
        return plain
    if len(plain) == 1:
        ((kind, value),) = plain.items()
        if kind == "$tensor":
            return tensors[value]
        if kind == "$float":
            return float(value)
        if kind == "$tuple":
            return tuple(join(value, tensors))
        if kind == "$counter":
            return Counter(dict(join(value, tensors)))
        if kind == "$items":
            return {join(key, tensors): join(item, tensors) for key, item in value}
    return {key: join(value, tensors) for key, value in plain.items()}
