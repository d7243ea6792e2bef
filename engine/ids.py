"""Identifiers and content addresses."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping
from typing import Any

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32, lower case


def new_id() -> str:
    """A sortable unique id: 10 characters of milliseconds, 10 of randomness (a short ULID)."""
    value = (time.time_ns() // 1_000_000) << 50 | int.from_bytes(os.urandom(7)) >> 6
    return "".join(_ALPHABET[(value >> shift) & 31] for shift in range(95, -5, -5))


def content_key(*parts: Any) -> str:
    """A 128-bit content address of JSON-ready values."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True, default=repr, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def step_key(draw: str, worker: str, sampling: Mapping[str, Any]) -> str:
    """The content address of a step: its draw (operator, inputs, seed, occurrence), the worker and how it is
    sampled (`Sampling.to_json`).
    """
    return content_key(draw, worker, sampling)


def derived_seed(*parts: Any) -> int:
    """A seed in [0, 2**31) that depends on nothing but `parts`."""
    return int(content_key("seed", *parts)[:8], 16) >> 1
