"""A policy that replies from a script, in the tokens of the embedded meta-agent; no weights are loaded."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from engine.models.base import Sampling
from engine.models.local.chat import Chat
from engine.models.registry import pocket_weights
from training.rollouts.generators import Generated
from training.rollouts.policy import PolicyModel

Say = Callable[[str, Sampling], str]  # the prompt as text → the reply


@lru_cache
def tokenizer() -> Any:
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast.from_pretrained(pocket_weights("pocket-meta"))


def chat() -> Chat:
    return Chat("policy", tokenizer())


class Script:
    """A source that answers at once."""

    def __init__(self, *replies: str | Say) -> None:
        """Each of `replies` in turn, the last one for ever."""
        self._replies = list(replies)
        self.prompts: list[list[int]] = []
        self.samplings: list[Sampling] = []

    async def ask(self, prompt: list[int], sampling: Sampling) -> Generated:
        self.prompts.append(prompt)
        self.samplings.append(sampling)
        reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        text = reply if isinstance(reply, str) else reply(tokenizer().decode(prompt), sampling)
        return generated(text)


def generated(text: str) -> Generated:
    ids = [*tokenizer().encode(text, add_special_tokens=False), tokenizer().eos_token_id]
    return Generated(ids, [-0.5] * len(ids), 0.8)


def policy(*replies: str | Say) -> PolicyModel:
    return PolicyModel("policy", chat(), Script(*replies))
