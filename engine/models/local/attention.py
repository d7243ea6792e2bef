"""Attention on a CPU where query heads share keys and values (grouped queries, Ainslie et al. 2023).

Transformers copies the shared keys and values for each query head first, on a CPU: in decoding, which reads
all of them for one token, that takes many times as long as the attention itself. PyTorch can do without.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

_NAME = "sdpa-shared"


def share_keys(model: Any) -> None:
    """Spare a `model` on the CPU those copies, if it uses PyTorch's attention. Its outputs stay the same, up
    to the order of summation.
    """
    if model.config._attn_implementation == "sdpa":
        AttentionInterface.register(_NAME, _forward)
        AttentionMaskInterface.register(_NAME, sdpa_mask)
        model.set_attn_implementation(_NAME)


def _forward(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """What Transformers calls in each layer; queries, keys and values are rows × heads × tokens × size."""
    is_decoding = query.shape[2] == 1
    if others.get("position_bias") is not None or (attention_mask is None and not is_decoding):
        return sdpa_attention_forward(module, query, key, value, attention_mask, dropout, scaling, **others)
    output = torch.nn.functional.scaled_dot_product_attention(
        query, key, value, attention_mask, dropout, scale=scaling, enable_gqa=True
    )
    return output.transpose(1, 2).contiguous(), None
