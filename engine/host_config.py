"""Settings of a host: another machine that jobs run on, reached over SSH."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field, field_validator

from engine.endpoint_config import STRICT


class Host(BaseModel):
    """One machine with an SSH server. What is left out is as the user's own SSH configuration says. Keys,
    jump hosts and all else are set there, as for every other SSH program.
    """

    model_config = STRICT

    address: Annotated[str, Field(min_length=1)]
    """Its name or address, or an alias of the SSH configuration (`~/.ssh/config`)."""
    user: Annotated[str, Field(min_length=1)] | None = None
    """The user to log in as; unset means as the SSH configuration says."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """The port of its SSH server; unset means as the SSH configuration says."""
    python: Annotated[str, Field(min_length=1)] = "python3"
    """The Python there, 3.11 or newer; jobs get an environment of their own that is made with it."""
    workdir: Annotated[str, Field(min_length=1)] = "~/.flowreasoner"
    """The folder there for code, environments, data and jobs."""
    gpus: list[Annotated[int, Field(ge=0)]] = []
    """The GPUs there that a job takes if it does not say which."""
    environment: Annotated[str, Field(min_length=1)] | None = None
    """An environment there, as the path of its Python, to use as it is; unset means that one is made."""
    wheels: Path | None = None
    """A folder here with the wheels to make the environment from, for a host without a package index."""

    @field_validator("address")
    @classmethod
    def _is_one_word(cls, value: str) -> str:
        if value.startswith("-") or "@" in value or any(c.isspace() for c in value):
            raise ValueError("must be a name or an address alone; `user` and `port` are settings")
        return value
