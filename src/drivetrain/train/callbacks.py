"""What a user may hang into `fit`, and the calls to it: an error in a callback names it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from drivetrain.core.config import nearest
from drivetrain.core.errors import ConfigError

if TYPE_CHECKING:
    import torch

    from drivetrain.train.run import Run


class Callback(Protocol):
    """Called by `fit` on every rank. Inherit and write those methods that you need; the others cost nothing.

    One that also has `state_dict` and `load_state_dict` is saved in every checkpoint and goes on from it; what it holds
    must be the same on every rank.
    """

    def on_start(self, run: Run) -> None:
        """Everything is set up and resumed; the first step comes next."""

    def on_step(self, run: Run, loss: torch.Tensor) -> None:
        """A step is done, and `run.step_index` counts it.

        Args:
          loss: its last microbatch's, detached, on the device; reading it waits for the device.
        """

    def on_eval(self, run: Run, metrics: Mapping[str, float]) -> None:
        """An evaluation is done; all ranks are given rank 0's metrics."""

    def on_end(self, run: Run) -> None:
        """The last step is done and saved; not called after an error."""


HOOKS = ("on_start", "on_step", "on_eval", "on_end")


class Hooks:
    """The callbacks' methods, sorted by when they are called.

    Attributes:
      on_step: whether any callback wants to hear of steps.
    """

    def __init__(self, callbacks: Sequence[Callback]) -> None:
        """Raises: ConfigError: something is no callback, or has a method that `fit` would never call."""
        for callback in callbacks:
            _check(callback)
        self._methods = {hook: [m for callback in callbacks if (m := _method(callback, hook))] for hook in HOOKS}
        self.on_step = bool(self._methods["on_step"])

    def call(self, hook: str, run: Run, *values: object) -> None:
        """Call every callback that has this method, in the order given to `fit`.

        Raises: whatever a callback raises, with a note of which one and at which step.
        """
        for method in self._methods[hook]:
            try:
                method(run, *values)
            except Exception as exc:
                exc.add_note(f"in the callback {method.__qualname__}, after {run.step_index} steps")
                raise


def stateful(callbacks: Sequence[Callback]) -> dict[str, Any]:
    """Those callbacks that have a state, by names that stay the same from one attempt to the next."""
    found: dict[str, Any] = {}
    for callback in callbacks:
        if hasattr(callback, "state_dict") and hasattr(callback, "load_state_dict"):
            name = kind = f"callback.{type(callback).__name__}"
            number = 1
            while name in found:
                number += 1
                name = f"{kind}.{number}"
            found[name] = callback
    return found


def _check(callback: object) -> None:
    names = [name for name in dir(callback) if name.startswith("on_")]
    kind = type(callback).__name__
    if isinstance(callback, type) or not any(name in HOOKS for name in names):
        shown = f"the class {callback.__name__}" if isinstance(callback, type) else f"a {kind}"
        raise ConfigError(
            f"callbacks has {shown}, which is no callback",
            hint=f"give it an object with one or more of {', '.join(HOOKS)}",
        )
    for name in names:
        guess = "" if name in HOOKS else nearest(name, list(HOOKS))
        if guess:
            raise ConfigError(f"the callback {kind} has {name}, which fit never calls", hint=f"did you mean {guess}?")


def _method(callback: Callback, hook: str) -> Callable[..., None] | None:
    """The callback's own method; None where it only inherits the empty one."""
    method: Callable[..., None] | None = getattr(callback, hook, None)
    return None if getattr(method, "__func__", method) is getattr(Callback, hook) else method
