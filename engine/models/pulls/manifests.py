"""What is kept about a pulled model, in its folder."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from engine.models.pulls.shelf import MANIFEST

SPEED = "speed.json"


class Pulled(BaseModel):
    """What a model's manifest says. `source` is where it came from, for people; `files` has each file's
    SHA-256 in hex.
    """

    model_config = ConfigDict(frozen=True)

    source: str
    revision: str = ""
    licence: str = ""
    bytes: int
    files: dict[str, str]


class Speed(BaseModel):
    """What a model did here when it was measured, once (`engine.models.pulls.measure`).

    Seconds to load, tokens a second for one answer and for eight at once, bytes of memory at most, and the
    PyTorch threads it had.
    """

    model_config = ConfigDict(frozen=True)

    load_s: float
    alone: float
    eight: float
    memory: int
    threads: int


def manifest(folder: Path) -> Pulled | None:
    """What is known of a model's folder; None where its manifest cannot be read."""
    try:
        return Pulled.model_validate_json((folder / MANIFEST).read_bytes())
    except (OSError, ValidationError):
        return None


def speed(folder: Path) -> Speed | None:
    """What the model did here when it was measured; None where it was not."""
    try:
        return Speed.model_validate_json((folder / SPEED).read_bytes())
    except (OSError, ValidationError):
        return None
