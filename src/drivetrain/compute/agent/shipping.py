"""Sends what ranks write to a server that does not see it: in order, each byte once, going on where it stopped."""

from __future__ import annotations

from pathlib import Path

from drivetrain.compute.agent.client import AgentClient

_PIECE_BYTES = 1 << 20
_PIECES_A_TURN = 32


class Shipping:
    """Files of a run that only grow, and how much of each the server has.

    Args:
      run: folder of the run.
      folders: of it, whose files are sent.
    """

    def __init__(self, run: Path, folders: tuple[str, ...] = ("journal", "logs")) -> None:
        self._run, self._folders = run, folders
        self._sent_bytes: dict[str, int] = {}

    def send(self, client: AgentClient) -> bool:
        """Send what is new, but not for long; whether that is all. Raises: ServerAwayError."""
        pieces = 0
        for path in self._files():
            name = path.relative_to(self._run).as_posix()
            with path.open("rb") as file:
                while True:
                    offset = self._sent_bytes.get(name, 0)
                    file.seek(offset)
                    piece = file.read(_PIECE_BYTES)
                    if not piece and name in self._sent_bytes:
                        break
                    if pieces == _PIECES_A_TURN:
                        return False
                    self._sent_bytes[name] = client.append(name, offset, piece)
                    pieces += 1
        return True

    def _files(self) -> list[Path]:
        return sorted(path for name in self._folders for path in (self._run / name).glob("*") if path.is_file())
