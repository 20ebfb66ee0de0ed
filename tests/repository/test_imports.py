import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import drivetrain

PACKAGE = Path(drivetrain.__file__).parent
ROOMS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
HEAVY = ("torch", "numpy", "pyarrow", "cv2", "ray", "rich", "click")
LIGHT_ROOMS = (
    "core",
    "ledger",
    "store",
    "figures",
    "launch",
    "bench",
    "monitor",
    "report",
    "cli.main",
    "cli.runs",
    "cli.report",
    "cli.tune",
)


def _modules_after(statement: str) -> set[str]:
    program = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert not _modules_after("import drivetrain") & {*HEAVY, "msgspec"}


@pytest.mark.parametrize("room", LIGHT_ROOMS)
def test_rooms_beside_training_load_neither_torch_nor_arrays(room: str) -> None:
    assert not _modules_after(f"import drivetrain.{room}") & {"torch", "numpy", "pyarrow", "cv2"}


def test_the_data_room_never_loads_torch() -> None:
    assert "torch" not in _modules_after("import drivetrain.data")


def test_help_of_a_benchs_verbs_waits_for_no_trials() -> None:
    assert "drivetrain.bench.trials" not in _modules_after("import drivetrain.cli.bench.run")


def test_callbacks_of_other_frameworks_load_none_of_them_until_used() -> None:
    loaded = _modules_after("from drivetrain import HuggingFaceCallback, LightningCallback, step_done")
    assert not loaded & {"lightning", "pytorch_lightning", "transformers", "accelerate"}


@pytest.mark.parametrize(
    ("name", "package"), [("LightningCallback", "lightning"), ("HuggingFaceCallback", "transformers")]
)
def test_a_callback_without_its_framework_says_the_install_command(name: str, package: str) -> None:
    absent = "for name in ('lightning', 'pytorch_lightning', 'transformers'): sys.modules[name] = None"
    program = f"import sys\n{absent}\nimport drivetrain\ndrivetrain.{name}()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert f"{package} is not installed, and this needs it\n\nhint: pip install {package}" in done.stderr


@pytest.mark.parametrize(("room", "package"), [("data", "pyarrow"), ("data", "cv2"), ("train", "torch")])
def test_a_room_without_its_packages_says_the_install_command(room: str, package: str) -> None:
    program = f"import sys; sys.modules[{package!r}] = None; import drivetrain.{room}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stderr.endswith(
        f"MissingExtraError: {package} is not installed, and this needs it\n\nhint: pip install 'drivetrain[{room}]'\n"
    )


@pytest.mark.parametrize("room", ROOMS)
def test_each_room_says_its_job_and_exports_what_it_lists(room: str) -> None:
    module = importlib.import_module(f"drivetrain.{room}")
    assert module.__doc__
    assert len(module.__doc__.splitlines()[0]) > 20
    for name in getattr(module, "__all__", ()):
        assert getattr(module, name) is not None


def test_the_top_package_exports_just_what_it_lists() -> None:
    for name in drivetrain.__all__:
        assert getattr(drivetrain, name) is not None
    with pytest.raises(AttributeError, match="it has Account"):
        drivetrain.no_such_name  # noqa: B018


def test_nothing_unpickles_foreign_bytes_or_runs_shell_text() -> None:
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in {"pickle.load", "pickle.loads", "os.system", "eval"}, f"{path}:{node.lineno}"
                assert not any(k.arg == "shell" for k in node.keywords), f"{path}:{node.lineno}"
