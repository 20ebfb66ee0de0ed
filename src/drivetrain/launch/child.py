"""What happens in a rank's process between the fork and its end."""

from __future__ import annotations

import _socket
import atexit
import builtins
import faulthandler
import gc
import importlib.machinery
import io
import os
import signal
import sys
import threading
import types
from pathlib import Path
from types import CodeType
from typing import NoReturn

from drivetrain.core import variables
from drivetrain.core.clock import mono_ns
from drivetrain.core.errors import DrivetrainError
from drivetrain.launch.control import Control, set_current
from drivetrain.launch.lost import chain
from drivetrain.launch.prctl import die_with
from drivetrain.launch.wire import Channel, Spawn


def detach(parent_pid: int, stdout: int, stderr: int) -> None:
    """Right after the fork: a session of its own, bound to its parent's life, with its own output and signals."""
    os.setsid()
    die_with(parent_pid)
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    for signum in (signal.SIGTERM, signal.SIGCHLD, signal.SIGHUP):
        signal.signal(signum, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def become(job: Spawn, line: int) -> NoReturn:
    """Run the job's program in this process, and end it as Python would, without the half second of taking torch apart.

    1. An attempt that ends while the program can go on in the next one (see `control`) begins the program anew here.
    2. Threads that are no daemons are waited for, then `atexit` handlers run.
    3. What open files still hold is written, stdout and stderr last.
    4. The process leaves with the code that Python would have left with.

    Args:
      line: descriptor of the socket to the launcher.
    """
    os.set_inheritable(line, False)
    try:
        os.chdir(job.cwd)
        if job.kind == "executable":
            _execute(job.argv, job.env)
    except OSError as exc:
        _say(f"error: cannot start {job.argv[0]} in {job.cwd}: {exc.strerror}")
        os._exit(127)
    os.environ.clear()
    os.environ.update(job.env)
    faulthandler.enable(all_threads=False)  # of a crash there would be no word
    _reseed()
    code = _run_attempts(job, Control(Channel(_socket.socket(fileno=line))))
    _finish()
    os._exit(code)


def _run_attempts(job: Spawn, control: Control) -> int:
    """Run the program, and again for each further attempt that the process lives through; returns the exit code."""
    set_current(control)
    while True:
        control.enter()
        error = _run(job)
        again = control.leave(error)
        if again is None:
            return 0 if error is None or control.ends_well else _code_of(error)
        assert error is not None
        import traceback

        for each in chain(error):
            traceback.clear_frames(each.__traceback__)  # what the program held goes with its frames
        del error, each
        _forget_program()
        for name, value in again.env.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        os.environ[variables.STARTED_NS] = str(mono_ns())
        os.environ[variables.AGAIN] = "1"
        control.come_back(int(os.environ[variables.ATTEMPT]))


def _forget_program() -> None:
    main = sys.modules.pop("__main__", None)
    if main is not None:
        main.__dict__.clear()
    for name in ("last_type", "last_value", "last_traceback"):
        if hasattr(sys, name):
            delattr(sys, name)
    gc.collect()


def _execute(argv: list[str], env: dict[str, str]) -> NoReturn:
    for name in ("SIGPIPE", "SIGXFSZ"):  # Python ignores these two; other programs expect them as they were
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    os.execve(argv[0], argv, env)  # noqa: S606 - no shell, on purpose


def _reseed() -> None:
    """Give what the nursery imported the fresh random state that an import here would give; `random` does so itself."""
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()


def _run(job: Spawn) -> BaseException | None:
    """Run a script or module as `__main__`; returns what it ended with, None when it came to its end."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)
    main = types.ModuleType("__main__")
    main.__dict__["__builtins__"] = builtins
    sys.modules["__main__"] = main
    sys.argv = list(job.argv)
    try:
        code = _module_code(main, job.argv[0]) if job.kind == "module" else _script_code(main, job.argv[0])
        exec(code, main.__dict__)  # noqa: S102 - running the user's program is what this process is for
    except BaseException as exc:  # noqa: BLE001 - the edge of the user's program
        return exc
    return None


def _code_of(error: BaseException) -> int:
    """Say what the program died of, and give its exit code."""
    return _exit_code(error.code) if isinstance(error, SystemExit) else _uncaught(error)


def _script_code(main: types.ModuleType, script: str) -> CodeType:
    path = str(Path(script).absolute())
    _lead_path(str(Path(path).resolve().parent))
    main.__dict__.update(
        __file__=path, __cached__=None, __loader__=importlib.machinery.SourceFileLoader("__main__", path)
    )
    try:
        with io.open_code(path) as file:
            source = file.read()
    except OSError as exc:
        _say(f"error: cannot read {path}: {exc.strerror}")
        raise SystemExit(2) from exc
    return compile(source, path, "exec", dont_inherit=True)


def _module_code(main: types.ModuleType, name: str) -> CodeType:
    _lead_path(str(Path.cwd()))
    spec = _find(name)
    if spec is not None and spec.submodule_search_locations is not None:
        spec = _find(f"{name}.__main__")
    code = getattr(spec.loader, "get_code", lambda _: None)(spec.name) if spec is not None else None
    if spec is None or code is None:
        raise SystemExit(f"{sys.executable}: No module named {name}, or it cannot be run")
    main.__dict__.update(
        __spec__=spec, __file__=spec.origin, __cached__=spec.cached, __loader__=spec.loader, __package__=spec.parent
    )
    sys.argv[0] = spec.origin or name
    assert isinstance(code, CodeType)
    return code


def _find(name: str) -> importlib.machinery.ModuleSpec | None:
    import importlib.util

    try:
        return importlib.util.find_spec(name)
    except ModuleNotFoundError:
        return None


def _lead_path(folder: str) -> None:
    if not sys.flags.safe_path and sys.path[:1] != [folder]:
        sys.path.insert(0, folder)


def _exit_code(code: object) -> int:
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    _say(str(code))
    return 1


def _uncaught(exc: BaseException) -> int:
    """Say it as Python would, beginning with the program's own first line; returns the exit code."""
    trace = exc.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    sys.last_type, sys.last_value, sys.last_traceback = type(exc), exc, trace
    if isinstance(exc, DrivetrainError):
        _say(f"error: {exc}")
        return exc.exit_code
    try:
        sys.excepthook(type(exc), exc.with_traceback(trace), trace)
    except SystemExit as exit_instead:
        return _exit_code(exit_instead.code)
    return 130 if isinstance(exc, KeyboardInterrupt) else 1


def _finish() -> None:
    try:
        threading._shutdown()  # type: ignore[attr-defined]  # as multiprocessing's own forked children do
        atexit._run_exitfuncs()
    except BaseException as exc:  # noqa: BLE001 - Python too prints what goes wrong here, and leaves with its code
        _uncaught(exc)
    for kind in (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom):
        for file in gc.get_objects():
            if type(file) is kind:
                _flush(file)


def _flush(file: io.TextIOWrapper | io.BufferedWriter | io.BufferedRandom) -> None:
    try:
        file.flush()
    except (OSError, ValueError):  # closed, or read only, or nobody reads it any more
        return


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
