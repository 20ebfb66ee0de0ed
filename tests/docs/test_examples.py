"""Each `$ command` in a ```console block of the docs is run, in order, and prints what the page shows.

Numbers, ids and times differ from run to run, so digits are compared as `#`; a line `...` stands for any lines. The
blocks of a page share one empty folder and home. A block under `<!-- not run: why -->` is left out; one under
`<!-- file: NAME -->` is written to that file first.
"""

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.docs.shown import check

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"(<!-- not run: [^>]+ -->\n)?```console\n(.*?)```", re.DOTALL)
FILE = re.compile(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", re.DOTALL)


@dataclass(frozen=True)
class Example:
    command: str
    expected: str


def examples(page: Path) -> list[Example]:
    found = []
    for skipped, block in BLOCK.findall(page.read_text(encoding="utf-8")):
        if not skipped:
            for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                command, _, expected = part.partition("\n")
                found.append(Example(command, expected))
    return found


def run(command: str, folder: Path) -> str:
    """What a command prints, with its error if it gives one."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "DRIVETRAIN_HOME": str(folder / ".drivetrain"),
        "COLUMNS": "110",
        "NO_COLOR": "1",
    }
    done = subprocess.run(
        shlex.split(command), cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
    return done.stdout if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", [p for p in PAGES if examples(p)], ids=lambda p: str(p.relative_to(ROOT)))
def test_a_page_shows_what_its_commands_print(page: Path, tmp_path: Path) -> None:
    for name, content in FILE.findall(page.read_text(encoding="utf-8")):
        (tmp_path / name).write_text(content, encoding="utf-8")
    for example in examples(page):
        check(example.command, example.expected, run(example.command, tmp_path))


def test_pages_link_to_files_that_exist() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"


def test_each_verb_is_documented() -> None:
    from drivetrain.cli.group import drivetrain

    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    for verb in drivetrain.list_commands(None):  # type: ignore[arg-type]  # the table needs no context
        assert f"drivetrain {verb}" in text, f"no page shows drivetrain {verb}"
