"""What docs show of a command beside what it prints; digits, ids and times differ from run to run and are left out."""

from __future__ import annotations

import re


def shape(text: str) -> str:
    """Text without what differs between runs: ids, numbers, the width of columns, the lengths of rules and bars."""
    text = re.sub(r"\b(run|ds|job)-[0-9a-z]{10}-[0-9a-z]{6}\b", "ID", text)
    text = re.sub(r"[0-9a-f]{12,64}", "HASH", text)
    text = re.sub(r"-?[0-9][0-9.,:_-]*", "#", text)
    text = re.sub(r"# (ns|us|ms|s|m # s|h # m)\b", "# TIME", text)
    text = re.sub(r"# (B|KiB|MiB|GiB)\b", "# SIZE", text)
    return "\n".join(re.sub(r"[ \t─━█-]+", " ", line).strip() for line in text.strip().splitlines())


def matches(expected: str, printed: str) -> bool:
    parts = [re.escape(part.strip("\n")) for part in re.split(r"^\.\.\.$", shape(expected), flags=re.MULTILINE)]
    return re.fullmatch(r"\s*(?:.*?)\s*".join(parts), shape(printed), flags=re.DOTALL) is not None


def check(command: str, expected: str, printed: str) -> None:
    assert matches(expected, printed), f"$ {command}\nshould print\n{shape(expected)}\nbut printed\n{shape(printed)}"
