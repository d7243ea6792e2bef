"""Vanilla: one worker call with the default prompt, pass@1 (the papers' first baseline)."""

from __future__ import annotations

from engine.variants import Options
from engine.variants.manual import manual

VARIANT = manual("vanilla", Options, lambda _: 1)
