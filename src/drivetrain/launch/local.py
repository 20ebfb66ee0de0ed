"""What this machine has to give: a `Node` of its own, its cores, a port."""

from __future__ import annotations

import _socket
import os
import selectors
from contextlib import closing, suppress

from drivetrain.launch.node import Listener, Node
from drivetrain.launch.nursery_process import NurseryProcess
from drivetrain.launch.output import Output
from drivetrain.launch.program import Program
from drivetrain.launch.spec import LaunchSpec, preload_of, thread_environment
from drivetrain.ledger import Recorder
from drivetrain.store import RunFolder

_FIRST_PORT, _NUM_PORTS, _TRIES = 20_000, 12_768, 64


def make_node(
    spec: LaunchSpec,
    program: Program,
    run: RunFolder,
    *,
    output: Output,
    recorder: Recorder,
    selector: selectors.BaseSelector,
    listener: Listener,
) -> Node:
    """A node whose nursery has not begun to start."""
    user = {**os.environ, **spec.env}
    env = {**user, **thread_environment(spec, num_cores=num_cores(), user=user)}
    modules = preload_of(spec, program)
    return Node(
        run,
        make_nursery=lambda: NurseryProcess(modules, env=env, cwd=spec.folder, grace_ns=spec.grace_ns),
        env=user,
        grace_ns=spec.grace_ns,
        output=output,
        recorder=recorder,
        selector=selector,
        listener=listener,
    )


def num_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def free_port() -> int:
    """A port of this host that nobody listens on, below those that the kernel gives to outgoing connections.

    From those, a connection of another rank could take it between now and the moment rank 0 listens.
    """
    for _ in range(_TRIES):
        port = _FIRST_PORT + int.from_bytes(os.urandom(4), "big") % _NUM_PORTS
        with closing(_socket.socket()) as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    return 29_500
