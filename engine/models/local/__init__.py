"""Transformers models in this process: batched, streaming, seeded. Importing this loads no torch."""

from engine.models.local.model import LocalModel

__all__ = ["LocalModel"]
