"""Tokens of people, of which only a hash is kept; and of attempts, which follow from their ids and the server's key."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from drivetrain.core.errors import StoreError

_KEY_BYTES = 32


def server_key(folder: Path) -> bytes:
    """The key of all servers that share this folder; made by the first.

    Raises: StoreError: it cannot be read or made.
    """
    path = folder / "key"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            aside = folder / f".key.{os.getpid()}"
            descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(_KEY_BYTES))
            try:
                os.link(aside, path)
            except FileExistsError:
                pass
            finally:
                aside.unlink()
        return path.read_bytes()
    except OSError as exc:
        raise StoreError(f"cannot use the server's key {path}: {exc.strerror}") from exc


def attempt_token(key: bytes, attempt: str) -> str:
    """Good for this attempt alone; the same each time it is asked for."""
    return hmac.new(key, attempt.encode(), hashlib.sha256).hexdigest()


def is_attempt_token(key: bytes, attempt: str, token: str) -> bool:
    """Whether it is the one of this attempt."""
    return hmac.compare_digest(attempt_token(key, attempt).encode(), token.encode())


def key_hash(key: bytes) -> str:
    """What may be told of a key, to know it again."""
    return hashlib.sha256(key).hexdigest()


def new_token() -> str:
    """For a person; shown once."""
    return f"dt-{secrets.token_urlsafe(32)}"


def token_hash(token: str) -> str:
    """What is kept of it. A token is 32 random bytes, so that a plain hash cannot be guessed from."""
    return hashlib.sha256(token.encode()).hexdigest()
