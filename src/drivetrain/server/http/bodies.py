"""What people's requests carry: a key that is not known is refused, since what it says would not be done."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Body(BaseModel):
    """Of a request by a person or a program of theirs."""

    model_config = ConfigDict(extra="forbid")
