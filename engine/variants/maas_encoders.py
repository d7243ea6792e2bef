"""Sentence encoders for MaAS's controller: text in, a unit vector out.

The release uses all-MiniLM-L6-v2, frozen, with 384 numbers. The default here hashes words, so that nothing
has to be downloaded; any Transformers encoder can be used in its place.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from engine.search import SearchError

HASH_WIDTH = 384  # all-MiniLM-L6-v2's
_MAX_TOKENS = 512
_WORD = re.compile(r"\w+|[^\w\s]")

Encode = Callable[[str], list[float]]


def hash_encode(text: str) -> list[float]:
    """Signed feature hashing of words and pairs of neighbouring words, in lower case; unit length.

    The same text gives the same 384 numbers on every machine. An empty text gives zeros.
    """
    words = _WORD.findall(text.lower())
    vector = [0.0] * HASH_WIDTH
    for feature in (*words, *(f"{a} {b}" for a, b in pairwise(words))):
        digest = int.from_bytes(hashlib.blake2b(feature.encode("utf-8", "replace"), digest_size=8).digest())
        vector[digest % HASH_WIDTH] += 1.0 if digest >> 63 else -1.0
    return _unit(vector)


def encoder(name: str) -> Encode:
    """The encoder called `name`: "hash", or a Transformers model by folder or hub name.

    Raises SearchError where it cannot be loaded, or torch is not installed.
    """
    return hash_encode if name == "hash" else _transformers_encoder(name)


@lru_cache(maxsize=2)
def _transformers_encoder(name: str) -> Encode:
    """Mean of the last hidden states, as all-MiniLM-L6-v2 is meant to be pooled; unit length."""
    try:
        import torch
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging
    except ImportError:
        raise SearchError(MISSING_TORCH) from None
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    folder = Path(name).expanduser() if name.startswith("~") else Path(name)
    name = str(folder) if folder.is_dir() else name
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
        model: Any = AutoModel.from_pretrained(name, use_safetensors=True, trust_remote_code=False).eval()
    except (OSError, ValueError, KeyError) as error:
        first = str(error).strip().split("\n")[0][:200]
        raise SearchError(
            f"the sentence encoder {name!r} cannot be loaded ({first}); give a model's folder, or use hash"
        ) from None
    limit = min(_longest(name), int(getattr(model.config, "max_position_embeddings", _MAX_TOKENS)))

    @lru_cache(maxsize=4096)
    def encode(text: str) -> tuple[float, ...]:
        tokens = tokenizer(text or " ", truncation=True, max_length=limit, return_tensors="pt")
        with torch.no_grad():
            states = model(input_ids=tokens["input_ids"]).last_hidden_state[0]
        return tuple(_unit(states.mean(dim=0).float().tolist()))

    return lambda text: list(encode(text))


def _longest(name: str) -> int:
    """After how many tokens the sentence encoder cuts a text: what its own file says, which for
    all-MiniLM-L6-v2 is half of what its network could read.
    """
    from transformers.utils.hub import cached_file

    try:
        found = cached_file(name, "sentence_bert_config.json")
        said = json.loads(Path(found).read_text("utf-8")).get("max_seq_length") if found else None
    except (OSError, ValueError, AttributeError):
        said = None
    return min(_MAX_TOKENS, said) if type(said) is int and said > 0 else _MAX_TOKENS


MISSING_TORCH = "maas needs torch, which is not installed; run `pip install 'flowreasoner[local]'`"


def _unit(vector: list[float]) -> list[float]:
    length = math.sqrt(sum(v * v for v in vector))
    return [v / length for v in vector] if length else vector
