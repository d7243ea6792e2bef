"""Settings of a host: another machine that jobs run on, reached over SSH, or a Ray cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, field_validator, model_validator

from engine.endpoint_config import STRICT

RAY = "ray://"
_OF_SSH, _OF_RAY = ("user", "port", "python", "gpus", "wheels"), ("dashboard", "token")


class Host(BaseModel):
    """One machine with an SSH server, or a Ray cluster. What is left out of the former is as the user's own
    SSH configuration says. Keys, jump hosts and all else are set there, as for every other SSH program.
    """

    model_config = STRICT

    address: Annotated[str, Field(min_length=1)]
    """Its name or address, or an alias of the SSH configuration (`~/.ssh/config`). A Ray cluster is
    `ray://HOST:PORT`, with the port of its client server."""
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
    """An environment there, as the path of its Python, to use as it is; unset means that one is made. On
    a Ray cluster, unset means the environment of Ray itself."""
    wheels: Path | None = None
    """A folder here with the wheels to make the environment from, for a host without a package index."""
    dashboard: Annotated[int, Field(ge=1, le=65535)] = 8265
    """The port of a Ray cluster's dashboard, which takes its jobs, at the cluster's address."""
    token: Path | None = None
    """The file with a Ray cluster's token; unset means where Ray itself looks for it."""

    @property
    def is_ray(self) -> bool:
        """Whether it is a Ray cluster."""
        return self.address.startswith(RAY)

    @field_validator("address")
    @classmethod
    def _is_one_word(cls, value: str) -> str:
        if value.startswith("-") or "@" in value or any(c.isspace() for c in value):
            raise ValueError("must be a name or an address alone; `user` and `port` are settings")
        return value

    @field_validator("address")
    @classmethod
    def _names_a_port(cls, value: str) -> str:
        if "://" not in value:
            return value
        if not value.startswith(RAY):
            raise ValueError(
                "a Ray cluster is ray://HOST:PORT, with the port of its client server (10001 by default); "
                "the port of its dashboard is the setting `dashboard`"
            )
        parts = urlsplit(value)
        try:
            complete = parts.hostname and parts.port and value == f"{RAY}{parts.netloc}"
        except ValueError:  # no number, or too large a one
            complete = False
        if not complete:
            raise ValueError("a Ray cluster is ray://HOST:PORT, as in ray://127.0.0.1:10001")
        return value

    @model_validator(mode="after")
    def _settings_fit(self) -> Host:
        other, kind = (_OF_SSH, "a Ray cluster") if self.is_ray else (_OF_RAY, "a host with SSH")
        wrong = [name for name in other if getattr(self, name) != type(self).model_fields[name].default]
        if wrong:
            raise ValueError(f"{kind} has no setting {' or '.join(wrong)}: leave it out")
        return self
