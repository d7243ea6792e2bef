"""Settings of an endpoint: its address, its key, and what its models accept."""

from __future__ import annotations

import os
import re
from typing import Annotated, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from engine.secrets import remember

STRICT = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, hide_input_in_errors=True)
# Query parameters that would put a secret into an address, which is shown and recorded.
_SECRET_PARAMETER = re.compile(
    r"key|token|secret|passw|credential|^(code|sig|signature|auth)$", re.IGNORECASE
)
# Characters at the ends of a pasted key that are not part of it: white space and invisible characters.
_BLANK = " \t\r\n\v\f\u00a0\u200b\u2060\ufeff"

Positive = Annotated[int, Field(gt=0)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Parameter = Literal["temperature", "top_p", "max_tokens", "seed", "stop", "stream_options", "stream"]


class ModelQuirks(BaseModel):
    """Corrections to what a model of an endpoint accepts; what is left out keeps its known value."""

    model_config = STRICT

    drop: list[Parameter] | None = None
    """Request parameters never sent to this model; without `stream` its answers arrive all at once."""
    max_tokens_name: Literal["max_tokens", "max_completion_tokens"] | None = None
    """This model's name for the answer's token limit."""
    system: Literal["system", "developer", "user"] | None = None
    """The role system messages are sent with; `user` merges them into the first user message."""
    thinks_first: bool | None = None
    """The prompt template opens the think block, so the answer starts with reasoning."""


class Endpoint(BaseModel):
    """One OpenAI-compatible server, reached as `NAME/MODEL`."""

    model_config = STRICT

    base_url: str
    """The URL up to and including the version, such as `http://localhost:8000/v1` for a local vLLM. A query
    (Azure's `?api-version=…`) is sent with every request."""
    api_key: SecretStr | None = None
    """The key itself. Prefer `api_key_env`; a file that holds a key must be readable by its owner only."""
    api_key_env: str | None = None
    """The environment variable that holds the key. Leave both out for a server without keys."""
    organization: str | None = None
    """The organization to bill, where the server has organizations."""
    timeout_s: Seconds = 120.0
    """The longest silence allowed before the next piece of an answer, in seconds."""
    max_retries: Annotated[int, Field(ge=0, le=100)] = 4
    """How often a call that failed for a temporary reason is tried again."""
    max_concurrency: Positive = 16
    """How many calls may be in progress at this endpoint at once."""
    models: list[str] = []
    """The models to list in menus; any other model of the server can still be named."""
    quirks: dict[str, ModelQuirks] = {}
    """Corrections by model name; `*` and `?` match as in file names, and the first match counts."""

    @field_validator("base_url")
    @classmethod
    def _is_web_address(cls, value: str) -> str:
        value = value.strip()
        try:
            parts = urlsplit(value)
        except ValueError:  # as in http://[::1
            parts = urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be a URL such as http://localhost:8000/v1")
        if parts.username or parts.password:
            raise ValueError("must not hold a user or password: use api_key_env")
        secret = next((n for n, _ in parse_qsl(parts.query) if _SECRET_PARAMETER.search(n)), None)
        if secret is not None:
            raise ValueError(f"must not hold a key, as {secret} in its query: use api_key_env")
        return value.rstrip("/")

    @field_validator("organization")
    @classmethod
    def _can_be_sent(cls, value: str | None) -> str | None:
        if value is not None and (problem := _unsendable(value)):
            raise ValueError(problem)
        return value.strip(_BLANK) if value is not None else None

    def key(self) -> str | None:
        """The key to send, without blank ends; None where none is set, or it cannot be sent in a header. A
        key in the settings counts before one in a variable.
        """
        raw = self.raw_key()
        return None if _unsendable(raw) else raw.strip(_BLANK) or None

    def key_problem(self, name: str) -> str:
        """Why the endpoint called `name` has no key that can be sent, in words that do not show it; "" where
        it has one or needs none.
        """
        raw = self.raw_key()
        setting = f"endpoints.{name}.api_key" if self.api_key is not None else self.api_key_env or ""
        if problem := _unsendable(raw):
            return f"the key in {setting} {problem}: set it again, without that"
        return f"{setting} is not set" if setting and not raw.strip(_BLANK) else ""

    def raw_key(self) -> str:
        """The key as it is set, whether or not it can be sent; "" where there is none. Reading it here
        registers it with `engine.secrets`, so that it is hidden in every text that leaves the process.
        """
        raw = self.api_key.get_secret_value() if self.api_key is not None else ""
        if self.api_key is None and self.api_key_env:
            raw = os.environ.get(self.api_key_env, "")
        remember(raw)
        return raw


def _unsendable(value: str) -> str:
    """What keeps `value` from being sent in a header, in words that do not show it; "" where nothing does."""
    text = value.strip(_BLANK)
    for place, char in enumerate(text, 1):
        if " " <= char <= "~":
            continue
        what = {"\n": "a line break", "\r": "a line break", "\t": "a tab"}.get(
            char, "a control character" if char < " " or char == "\x7f" else "a character that is not ASCII"
        )
        return f"holds {what} (character {place} of {len(text)})"
    return ""
