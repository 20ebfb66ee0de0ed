"""One look for progress on long work: on stderr, silent where nobody watches, but of what takes minutes.

A bar, gone when the work is done; a line where nobody knows how far it is.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

_SHORT_S, _LINE_EVERY_S = 1.0, 10.0
WAITING = "waiting"
"""The name of the thread that tells what is waited for."""
Advance = Callable[[int, str], None]
"""`advance(done, note)`: how much is done in all, and a few words on how it goes."""


@contextmanager
def bar(what: str, total: int) -> Iterator[Advance]:
    """Show how far a piece of work is while the block runs.

    Args:
      what: a word or two, such as `train`.
      total: what `done` counts up to.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("  {task.description:<10}"),
        BarColumn(bar_width=32),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[note]}"),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=total, note="")
        yield lambda done, note: progress.update(task, completed=done, note=note)


@contextmanager
def late_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """Likewise, of work that is not done within a second; what is given is told how much is done, of how much."""
    begun_s = time.monotonic()
    shown: list[Advance] = []
    with ExitStack() as stack:

        def advance(done: int, total: int) -> None:
            if not shown and done < total and time.monotonic() - begun_s > _SHORT_S:
                shown.append(stack.enter_context(bar(what, total)))
            if shown:
                shown[0](done, "")

        yield advance


@contextmanager
def late_line(text: str) -> Iterator[None]:
    """Say what is waited for, where the block takes more than a second."""
    stderr = sys.stderr
    if not stderr.isatty():
        yield
        return
    late = threading.Timer(_SHORT_S, lambda: print(text, file=stderr, flush=True))
    late.name, late.daemon = WAITING, True
    late.start()
    try:
        yield
    finally:
        late.cancel()
        late.join()


@contextmanager
def bar_or_lines(what: str, total: int) -> Iterator[Advance]:
    """A bar of work that takes minutes; where nobody watches, a line now and then that says that it goes on."""
    import click
    from rich.console import Console

    if Console(stderr=True).is_terminal:
        with bar(what, total) as advance:
            yield advance
        return
    said_s = time.monotonic()

    def say(done: int, note: str) -> None:
        nonlocal said_s
        if time.monotonic() - said_s >= _LINE_EVERY_S:
            said_s = time.monotonic()
            click.echo(f"{what}: {done:,} of {total:,} ({note})", err=True)

    yield say
