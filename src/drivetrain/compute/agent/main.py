"""How an agent begins: the program `BEGIN`, with the folder of its attempt and its number in the gang.

From the start of its process to the first line of a rank, most of the time is importing. So the server is asked whether
there is something to do before what does it is imported, what forks the ranks imports its own beside that, and what
others import and agents do not need is left out.
"""

from __future__ import annotations

import gc
import sys

from drivetrain.core.late import Late

with Late("ntpath", "fnmatch", "warnings", "urllib.parse:quote_from_bytes"):
    import signal
    from contextlib import suppress
    from pathlib import Path

    from drivetrain.compute.agent.claim import claim, claim_file
    from drivetrain.launch import spares

BEGIN = ("-c", "import gc; gc.disable(); from drivetrain.compute.agent.main import begin; begin()")
"""Arguments of a Python that is to be an agent: `-m` would import for 5 ms what runs modules."""


def begin() -> None:
    """Be the agent that the command line asks for."""
    if not sys.flags.safe_path:
        sys.path.pop(0)  # the folder where we are, which `-c` put there
    sys.exit(main(sys.argv[1], int(sys.argv[2])))


def main(folder: str, member: int) -> int:
    """Be the agent of a member, unless another process is."""
    if claim(claim_file(Path(folder), member)) is None:
        return 0
    spares.prepare()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # until there is somebody who knows what to do then
    try:
        return _work(Path(folder), member)
    finally:
        spares.drop()


def _work(folder: Path, member: int) -> int:
    gc.disable()  # nothing that imports make is garbage
    _import_msgspec()
    from drivetrain.compute.agent.assignment import read_assignment
    from drivetrain.compute.agent.client import AgentClient

    assignment = read_assignment(folder)
    client = AgentClient.of(folder, assignment, member)
    client.begin_beat()
    from drivetrain.compute.agent.work import Agent

    gc.freeze()
    gc.enable()
    return Agent(assignment, client, lambda: AgentClient.of(folder, assignment, member)).work()


def _import_msgspec() -> None:
    """Without what it looks for to understand types that agents have none of, which takes longer than all of it.

    `typing_extensions` would bring `inspect`; `uuid` asks which platform this is; what is used of `datetime` is in C;
    and it makes a `ForwardRef` to see whether it may, for which Python would get ready to compile.
    """
    if "msgspec" in sys.modules:
        return
    import _datetime  # type: ignore[import-not-found]  # which is said nowhere to have types
    import typing
    from types import SimpleNamespace

    others = {
        "typing_extensions": None,  # as Python says that there is none
        "uuid": SimpleNamespace(UUID=type("UUID", (), {}), SafeUUID=SimpleNamespace(unknown=None)),
        "decimal": SimpleNamespace(Decimal=type("Decimal", (), {})),
        "datetime": _datetime,
    }
    others = {name: module for name, module in others.items() if name not in sys.modules}
    sys.modules.update(others)
    forward_ref, typing.ForwardRef = typing.ForwardRef, SimpleNamespace  # type: ignore[misc, assignment]
    unused = Late(
        "msgspec._json_schema:schema,schema_components",
        "msgspec.inspect",
        "msgspec.msgpack",
        "msgspec.toml",
        "msgspec.yaml",
        "textwrap",
    )
    with unused, suppress(AttributeError):  # a version that wants more gets all
        import msgspec as msgspec
    typing.ForwardRef = forward_ref  # type: ignore[misc]
    for name in others:
        del sys.modules[name]
