"""The page of settings says what the docstrings say; written anew by `python tests/docs/test_settings.py`."""

from __future__ import annotations

import dataclasses
import inspect
import re
from pathlib import Path

import drivetrain as dt

PAGE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "settings.md"
HEAD = """# Settings

What `dt.Run` takes, and what the values in it take. All are keywords, checked where they are written; `help(dt.Run)`
and `help(dt.Checkpoint)` say the same. How they are used: [train.md](train.md).
"""


def described() -> str:
    """The whole page, from the classes."""
    from drivetrain.train.settings import Settings

    kinds = {"dt.Run": Settings, "dt.Checkpoint": dt.Checkpoint, "dt.Anomaly": dt.Anomaly, "dt.Fsdp": dt.Fsdp}
    return HEAD + "".join(section(name, kind) for name, kind in kinds.items())


def section(name: str, kind: type) -> str:
    text = inspect.getdoc(kind) or ""
    listed = text.partition("Attributes:\n")[2]
    meanings = dict(re.findall(r"^  (\w+): (.*?)(?=^  \w+: |\Z)", listed, re.MULTILINE | re.DOTALL))
    rows = [f"\n## {name}\n\n| setting | default | meaning |\n|---|---|---|\n"]
    for field in dataclasses.fields(kind):
        meaning = " ".join(meanings[field.name].split()).replace("|", "\\|")
        rows.append(f"| `{field.name}` | `{field.default!r}` | {meaning} |\n")
    return "".join(rows)


def test_each_setting_is_described_with_its_default() -> None:
    assert PAGE.read_text() == described()


if __name__ == "__main__":
    PAGE.write_text(described())
