"""The process that plays: `python -m drivetrain.server.foresee.child`, a question a line in, an answer a line out.

It ends with whoever asks, and when nobody has asked for a while.
"""

from __future__ import annotations

import os
import select
import sys
import time
from dataclasses import dataclass, field

import msgspec
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from drivetrain.core.errors import DrivetrainError
from drivetrain.server.database import engine_at, reading
from drivetrain.server.foresee.answers import WaitAnswer, WhatIfAnswer, wait_answer, what_if_answer
from drivetrain.server.foresee.present import read_present
from drivetrain.server.foresee.question import Question, Said

IDLE_S = 60.0
_NICE = 10


@dataclass(slots=True)
class _Databases:
    """Opened once."""

    engines: dict[str, Engine] = field(default_factory=dict)

    def at(self, url: str) -> Engine:
        if url not in self.engines:
            self.engines[url] = engine_at(url)
        return self.engines[url]


def main() -> None:
    """Answer until nobody asks any more."""
    os.nice(_NICE)
    databases = _Databases()
    while select.select([sys.stdin], [], [], IDLE_S)[0]:
        line = sys.stdin.buffer.readline()
        if not line:
            break
        sys.stdout.buffer.write(msgspec.json.encode(_said(line, databases)) + b"\n")
        sys.stdout.buffer.flush()


def _said(line: bytes, databases: _Databases) -> Said:
    try:
        question = msgspec.json.decode(line, type=Question)
        return Said(msgspec.to_builtins(answer(question, databases.at(question.database))))
    except DrivetrainError as exc:
        return Said(error=exc.message, hint=exc.hint, is_usage=exc.exit_code == 2)
    except SQLAlchemyError as exc:
        return Said(error=f"the database does not answer: {type(exc).__name__}")
    except Exception as exc:  # noqa: BLE001 - the edge of a process: whoever asked is told
        return Said(error=f"a bug in the play: {exc!r}")


def answer(question: Question, database: Engine) -> WaitAnswer | WhatIfAnswer:
    """Of a database, in about the time there is. Raises: UsageError."""
    with reading(database) as connection:
        present = read_present(connection, question.now_s)
    until_s = time.monotonic() + question.budget_s

    def is_over() -> bool:
        return time.monotonic() > until_s

    if question.job:
        return wait_answer(present, question.job, is_over)
    return what_if_answer(present, question.add, question.over_s, is_over)


if __name__ == "__main__":
    main()
