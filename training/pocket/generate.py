"""Batched generation with a saved or still training pocket model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from engine.models.base import Message
from training.pocket.tokens import templated

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


def generate(
    model: Any,
    tokenizer: PreTrainedTokenizerFast,
    conversations: Sequence[Sequence[Message]],
    *,
    temperature: float,
    new_tokens: int,
    batch: int = 200,
) -> list[str]:
    """One reply per conversation; temperature 0 is greedy. Seed torch before for the same replies."""
    import torch

    prompts = [templated(tokenizer, conversation) for conversation in conversations]
    # Similar lengths together: padding is the larger part of the work otherwise.
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    replies = [""] * len(prompts)
    how: dict[str, Any] = (
        {"do_sample": False} if temperature == 0 else {"do_sample": True, "temperature": temperature}
    )
    for start in range(0, len(order), batch):
        chosen = order[start : start + batch]
        inputs = tokenizer(
            [prompts[i] for i in chosen], return_tensors="pt", padding=True, add_special_tokens=False
        )
        with torch.inference_mode():
            output = model.generate(
                input_ids=inputs["input_ids"],
                attention_mask=inputs["attention_mask"],
                max_new_tokens=new_tokens,
                eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.pad_token_id,
                **how,
            )
        width = inputs["input_ids"].shape[1]
        for i, row in zip(chosen, output, strict=True):
            replies[i] = str(tokenizer.decode(row[width:], skip_special_tokens=True))
    return replies
