"""Controllers that MaAS's release trained: its `*_controller_sample4.pth` as this project keeps them.

The file is a pickle. It is read with `weights_only`, which builds tensors and nothing else, so nothing in it
is executed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.search import SearchError
from engine.variants.maas_encoders import MISSING_TORCH

if TYPE_CHECKING:
    from torch import Tensor

# The order in which the release lists its operators; each is numbered within those of its benchmark.
_ORDER = ("Generate", "GenerateCoT", "MultiGenerateCoT", "ScEnsemble", "Test", "Programmer", "SelfRefine")
MAX_BYTES = 512 * 1024 * 1024  # a controller has 0.2 MB; some are saved with their sentence encoder
MAX_TEXT = 1024 * 1024  # of an operator.json, which has 2 kB
# `layers.0.query_encoder.weight` there, `0.query.weight` here.
_KEY = re.compile(r"(?:module\.)?layers\.(\d{1,2})\.(query|operator)_encoder\.(weight|bias)")


def released_weights(path: Path) -> dict[str, Tensor]:
    """The weights by the names they have here; those of a sentence encoder are left out.

    Raises SearchError where there is no such file, or it is no controller of the release.
    """
    try:
        import torch
    except ImportError:
        raise SearchError(MISSING_TORCH) from None
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise SearchError(f"{path}: {size:,} bytes are too much for a controller of MaAS")
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise SearchError(
            f"{path}: {error.strerror or 'it cannot be read'}; name a controller's file"
        ) from None
    except Exception as error:  # a damaged or hostile pickle fails in as many ways as there are
        if isinstance(error, SearchError):
            raise
        raise _not_one(path, f"it does not hold weights alone ({type(error).__name__})") from None
    if not isinstance(state, dict):
        raise _not_one(path, "it holds no weights by name")
    weights = {
        f"{found[1]}.{found[2]}.{found[3]}": value.detach().float()
        for key, value in state.items()
        if isinstance(key, str) and (found := _KEY.fullmatch(key)) and isinstance(value, torch.Tensor)
    }
    if not weights:
        raise _not_one(path, "it holds no layers.N.query_encoder and operator_encoder")
    return weights


def released_texts(path: Path, names: Sequence[str]) -> dict[str, str] | None:
    """What the controller in `path` was trained to read of the operators `names`, in the release's order;
    None where its descriptions are neither where the release has them, in `../template/operator.json`, nor
    beside it.

    Raises SearchError where the descriptions cannot be read.
    """
    places = (path.parent.parent / "template" / "operator.json", path.parent / "operator.json")
    file = next((place for place in places if place.is_file()), None)
    if file is None:
        return None
    try:
        known = json.loads(file.read_bytes()[: MAX_TEXT + 1]) if file.stat().st_size <= MAX_TEXT else None
    except (OSError, ValueError, RecursionError):
        known = None
    if not isinstance(known, dict):
        raise SearchError(f"{file}: this is no operator.json of MaAS's release; mend it, or move it away")
    ordered = sorted(names, key=lambda name: _ORDER.index(name) if name in _ORDER else len(_ORDER))
    return {name: _text(number, name, known.get(name)) for number, name in enumerate(ordered)}


def _text(number: int, name: str, about: object) -> str:
    """An operator as the release's `_load_operator_description` writes it."""
    about = about if isinstance(about, dict) else {}
    description = about.get("description", "No description available")
    interface = about.get("interface", "No interface specified")
    return f"{number}. {name}: {description}, with interface {interface}."


def _not_one(path: Path, why: str) -> SearchError:
    return SearchError(f"{path}: this is no controller of MaAS's release: {why}")
