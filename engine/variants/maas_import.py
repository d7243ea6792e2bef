"""Controllers that MaAS's release trained: its `*_controller_sample4.pth` as this project keeps them.

The file is a pickle. It is read with `weights_only`, which builds tensors and nothing else, so nothing in it
is executed.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.search import SearchError
from engine.variants.maas_encoders import MISSING_TORCH

if TYPE_CHECKING:
    from torch import Tensor

MAX_BYTES = 512 * 1024 * 1024  # a controller has 0.2 MB; some are saved with their sentence encoder
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


def _not_one(path: Path, why: str) -> SearchError:
    return SearchError(f"{path}: this is no controller of MaAS's release: {why}")
