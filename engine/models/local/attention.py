"""Attention on a CPU where query heads share keys and values (grouped queries, Ainslie et al. 2023).

Transformers copies the shared keys and values for each query head first, on a CPU: in decoding, which reads
all of them for one token, that takes many times as long as the attention itself. PyTorch can do without.

In decoding, the columns of padding before short rows are not read either, as far as these are neighbours: one
long answer among many would otherwise make the attention of all of them as long.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

_NAME = "sdpa-shared"
_MOST_GROUPS = 16  # lengths that are alike differ by less than a factor of 2: so many are all there are


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

    heads, shared = query.shape[1], key.shape[1]
    if is_decoding and (attention_mask is None or attention_mask.shape[1] == 1):
        # Heads that share keys as tokens of one head: each key is read once.
        query = query.reshape(len(query), shared, heads // shared, -1)

    def attend(rows: slice, start: int) -> torch.Tensor:
        mask = None if attention_mask is None else attention_mask[rows, :, :, start:]
        parts = query[rows], key[rows, :, start:], value[rows, :, start:]
        return scaled_dot_product_attention(*parts, mask, dropout, scale=scaling, enable_gqa=True)

    groups = [(slice(None), 0)]
    if is_decoding and attention_mask is not None and attention_mask.dtype == torch.bool:
        groups = _alike(attention_mask.expand(len(query), -1, -1, -1))
    output = torch.cat([attend(*group) for group in groups]).view(len(query), heads, -1, value.shape[-1])
    return output.transpose(1, 2).contiguous(), None


def _alike(mask: torch.Tensor) -> list[tuple[slice, int]]:
    """Neighbouring rows of like length, and the first column that any of them needs. `mask` is rows × 1 × 1 ×
    columns; what it closes at a row's beginning is padding.
    """
    columns = mask.shape[-1]
    starts = mask[:, 0, 0].to(torch.uint8).argmax(-1).tolist()
    edges = _edges([columns - start for start in starts])
    if len(edges) > _MOST_GROUPS:  # in no order: each would be a product of its own
        return [(slice(None), 0)]
    return [(slice(first, end), min(starts[first:end])) for first, end in pairwise(edges)]


def _edges(lengths: Sequence[int]) -> list[int]:
    """Where neighbours of like length begin, among rows of these lengths, and where the last of them end."""
    sizes = [length.bit_length() for length in lengths]
    return [0, *(place for place in range(1, len(sizes)) if sizes[place] != sizes[place - 1]), len(sizes)]


def seats(lengths: Sequence[int], free: Sequence[int], new: Sequence[int]) -> list[int] | None:
    """Which of the `free` places among rows of these lengths `new` ones take, so that rows of like length are
    neighbours; None where that needs more places, or leaves them in no order.
    """
    taken, left = list(lengths), list(free)
    if len(left) < len(new):
        return None
    places = []
    for length in new:

        def groups(place: int, length: int = length) -> int:
            return len(_edges([*taken[:place], length, *taken[place + 1 :]]))

        places.append(place := min(left, key=groups))
        left.remove(place)
        taken[place] = length
    return places if 2 * len(_edges(taken)) <= _MOST_GROUPS else None
