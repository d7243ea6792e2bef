"""A controller's checkpoint, as `flowreasoner train maas` leaves it: what `search` finds, in a folder.

`controller.safetensors` has the weights, `controller.json` the rest.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from engine.config import load
from engine.models.base import ModelError
from engine.models.checkpoints import checkpoint_folder
from engine.paths import expanded
from engine.search import SearchError
from sandbox.errors import UsageError

WEIGHTS, ABOUT = "controller.safetensors", "controller.json"
_MOST_BYTES = 64 << 20  # of either file
_ABOUT = TypeAdapter(dict[str, Any])
_KNOWN = {
    "kind": TypeAdapter(str),
    "operators": TypeAdapter(dict[str, str]),
    "instructions": TypeAdapter(dict[str, str]),
    "layers": TypeAdapter(int),
    "hidden": TypeAdapter(int),
    "encoder": TypeAdapter(str),
}


def write_controller(folder: Path, found: Mapping[str, Any]) -> None:
    """Write what `search` finds into a folder. Raises OSError."""
    (folder / WEIGHTS).write_bytes(base64.b64decode(found["controller"]))
    about = {name: value for name, value in found.items() if name != "controller"}
    (folder / ABOUT).write_text(json.dumps(about, indent=1) + "\n", "utf-8")


def read_controller(name: str) -> dict[str, Any]:
    """What `search` found, from the checkpoint `job:ID[@STEP]` or a folder.

    Raises SearchError: there is none, or it is damaged.
    """
    try:
        folder = checkpoint_folder(name, load().jobs_path()) if name.startswith("job:") else expanded(name)
        about = _ABOUT.validate_json(_read(folder / ABOUT))
        for key, kind in _KNOWN.items():
            kind.validate_python(about.get(key), strict=True)
        return {**about, "controller": base64.b64encode(_read(folder / WEIGHTS)).decode()}
    except (ModelError, UsageError) as error:
        raise SearchError(f"controller: {error}") from None
    except OSError as error:
        what = f"controller: {name} holds no controller ({error.strerror or error})"
        raise SearchError(f"{what}; train one with `flowreasoner train maas`") from None
    except ValidationError:
        raise SearchError(f"controller: {name} is damaged: its {ABOUT} is not what was written") from None


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_MOST_BYTES)
