"""How messages become what a model reads: the one place where a chat template is applied for inference.

Training serialises its rows with the same functions (`training.data.serialise`), so that what is trained is
what is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.models.base import Message
from engine.models.thinking import OPEN


def prompt_text(tokenizer: Any, messages: Sequence[Message]) -> str:
    """The messages in the tokenizer's chat template, up to where the answer starts.

    Raises jinja2.TemplateError where the template rejects them.
    """
    return str(tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True))


def prompt_tokens(tokenizer: Any, text: str) -> list[int]:
    """The tokens of a text in which the template has put every special token already."""
    return list(tokenizer.encode(text, add_special_tokens=False))


def is_thinking(text: str) -> bool:
    """Whether a prompt ends inside an open think block."""
    return text.rstrip().endswith(OPEN)
