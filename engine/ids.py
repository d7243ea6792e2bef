"""Identifiers and content addresses."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from ulid import ULID


def new_id() -> str:
    """A unique id that sorts by the millisecond it was made in: a ULID of 26 characters, in lower case."""
    return str(ULID()).lower()


def content_key(*parts: Any) -> str:
    """A content address of JSON-ready values, 32 hex digits; a value that JSON cannot hold counts as its
    repr.
    """
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True, default=repr, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def step_key(draw: str, worker: str, sampling: Mapping[str, Any]) -> str:
    """The content address of a step: its draw (the content key of operator, inputs, seed and occurrence), the
    worker's name and how it is sampled (`Sampling.to_json`).
    """
    return content_key(draw, worker, sampling)


def derived_seed(*parts: Any) -> int:
    """A seed in [0, 2**31) that depends only on `parts`, and is the same on every machine."""
    return int(content_key("seed", *parts)[:8], 16) >> 1
