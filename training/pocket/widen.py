"""The embedded meta-agent in a form that vLLM serves: the same function, with wider attention heads.

vLLM has no kernel for heads of 36 dimensions. With zeros in the added ones, the queries scaled and the base
of the rotary embedding raised, heads of 64 give the same logits, and training leaves the zeros as they are.
The output layer becomes a copy of the embeddings that it was tied to: on CPUs vLLM 0.32 keeps the old output
layer when a model with tied ones is sent new weights.

    python -m training.pocket.widen FOLDER
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

WIDE = 64


def widen(source: str | Path, folder: Path, width: int = WIDE) -> Path:
    """Write the Llama model in `source` with heads of `width` dimensions and its tokenizer to `folder`.

    Dimensions i and i + d/2 of a head turn together, by base^(-2i/d) radians a token, so that the halves are
    widened one by one and the base becomes base^(width/d). Scores are divided by the root of the width.
    Raises ValueError where heads are not narrower than that.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model: Any = AutoModelForCausalLM.from_pretrained(source)
    config, narrow = model.config, model.config.head_dim
    if narrow >= width:
        raise ValueError(f"heads of {narrow} dimensions are not narrower than {width}")
    config.head_dim, config.tie_word_embeddings = width, False
    rope = dict(config.rope_parameters)
    config.rope_parameters = rope | {"rope_theta": rope["rope_theta"] ** (width / narrow)}
    wide: Any = type(model)(config)
    state = model.state_dict()
    for name, value in state.items():
        part = name.rsplit(".", 2)[-2]
        if part in ("q_proj", "k_proj", "v_proj"):
            scale = math.sqrt(width / narrow) if part == "q_proj" else 1.0
            state[name] = _wider(value * scale, narrow, width)
        elif part == "o_proj":
            state[name] = _wider(value.T, narrow, width).T.contiguous()
    wide.load_state_dict(state)
    wide.generation_config = model.generation_config
    wide.save_pretrained(folder)
    AutoTokenizer.from_pretrained(source).save_pretrained(folder)
    return folder


def _wider(rows: Any, narrow: int, width: int) -> Any:
    """The rows of all heads, each half of a head followed by zeros. Shape (heads × narrow, n)."""
    from torch.nn.functional import pad

    halves = rows.reshape(-1, narrow // 2, rows.shape[-1])
    return pad(halves, (0, 0, 0, (width - narrow) // 2)).reshape(-1, rows.shape[-1])


if __name__ == "__main__":
    from engine.models.registry import pocket_weights

    widen(pocket_weights("pocket-meta"), Path(sys.argv[1]))
