"""What a command is: a Python script or module that can be forked, or a program that must be executed.

Annotations are types here and not texts of them, which `typing` would compile: agents and ranks have no time for that.
"""

import os
import sys
from pathlib import Path
from typing import Literal, NamedTuple

from drivetrain.core.errors import UsageError

Kind = Literal["script", "module", "executable"]


class Program(NamedTuple):
    """A command, understood.

    Attributes:
      kind: `script` and `module` run in a fork of the nursery; `executable` replaces the forked process.
      argv: what the program finds as its arguments; the script's path, the module's name or the program's path first.
    """

    kind: Kind
    argv: tuple[str, ...]


def resolve(command: tuple[str, ...], *, cwd: Path, path: str | None) -> Program:
    """Understand a command, and refuse what cannot start.

    `python` and `python3` without a folder mean the interpreter that runs Drivetrain, whatever PATH says; another one
    is asked for by its path. Interpreter options other than `-u` (ranks are never block-buffered) and `-m` make it an
    executable: a fork could not honour them.

    Args:
      cwd: where the ranks will run; relative paths are meant from there.
      path: the PATH to search; None for this process's own.
    Raises: UsageError: there is no such program or script.
    """
    name, *arguments = command
    if name in ("python", "python3"):
        name = sys.executable
    found = _found(_anchored(name, cwd), os.environ.get("PATH", os.defpath) if path is None else path)
    if found is None:
        if os.sep in name and (cwd / name).is_file():
            hint = f"chmod +x {name}, or name what runs it, such as: python {name}"
            raise UsageError(f"{name} is not executable", hint=hint)
        raise UsageError(f"there is no program {name} to run", hint="is it installed, executable and on PATH?")
    if _is_this_interpreter(found):
        while arguments[:1] == ["-u"]:
            arguments = arguments[1:]
        if arguments[:1] == ["-m"] and len(arguments) > 1:
            return Program("module", tuple(arguments[1:]))
        if arguments and not arguments[0].startswith("-"):
            return _script(arguments, cwd, found)
    return Program("executable", (found, *arguments))


def _script(arguments: list[str], cwd: Path, interpreter: str) -> Program:
    script = cwd / arguments[0]
    if script.is_file() and script.suffix != ".pyz":
        return Program("script", tuple(arguments))
    if script.exists():  # a folder or archive with a __main__
        return Program("executable", (interpreter, *arguments))
    raise UsageError(f"there is no script {arguments[0]} in {cwd}", hint="check the path after `python`")


def _found(name: str, path: str) -> str | None:
    """As `shutil.which`, whose module imports three compressors before the first rank could begin."""
    folders = [""] if os.sep in name else path.split(os.pathsep)
    candidates = (os.path.join(folder, name) for folder in folders)  # noqa: PTH118 - as PATH has it
    return next((each for each in candidates if os.access(each, os.X_OK) and not Path(each).is_dir()), None)


def _anchored(name: str, cwd: Path) -> str:
    return str(cwd / name) if os.sep in name else name


def _is_this_interpreter(found: str) -> bool:
    """Whether it is ours: the same file through the same environment (a venv's `python` links to its base's)."""
    ours, theirs = Path(sys.executable), Path(found)
    return ours.parent.resolve() == theirs.parent.resolve() and ours.resolve() == theirs.resolve()
