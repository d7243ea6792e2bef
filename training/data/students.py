"""The tokenizer of the model that is to be trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.models.base import ModelError
from engine.models.registry import local_source
from training.data.serialise import TokenizerError, form_of

if TYPE_CHECKING:
    from engine.config import Settings


def load_tokenizer(name: str, settings: Settings) -> Any:
    """The tokenizer of `name`: a model of this process as `models` lists it, a folder, or a hub ID.

    Raises TokenizerError where there is none, or none that rows can be written with.
    """
    try:
        source = local_source(name, settings) or local_source(f"hf:{name}", settings)
    except ModelError as error:
        raise TokenizerError(f"--tokenizer {error}") from None
    try:
        tokenizer = read_tokenizer(source)
    except ImportError:
        needed = "--tokenizer needs the package transformers; pip install 'flowreasoner[local]'"
        raise TokenizerError(needed) from None
    except ModelError as error:
        raise TokenizerError(f"--tokenizer {name}: {error}") from None
    form_of(tokenizer)
    return tokenizer


def read_tokenizer(source: str | None) -> Any:
    """The tokenizer of a folder or a hub's ID.

    Raises ModelError where there is none, and ImportError without Transformers.
    """
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).strip().partition("\n")[0][:200]
        raise ModelError("not-found", f"there is no tokenizer in {source} ({reason})") from None
