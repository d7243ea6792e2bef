"""Chat messages as a model's tokens, and its tokens as text.

This is the one place where a chat template is applied for inference. Training serialises its rows with the
same functions (`training.data.serialise`), so that a model is trained on prompts in the form it is asked in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.models.base import Completion, Message, ModelError
from engine.models.local.text import TextStream
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


class Chat:
    """A tokenizer with its chat template. `name` is the model's, for messages."""

    def __init__(self, name: str, tokenizer: Any) -> None:
        self.name = name
        self.tokenizer = tokenizer

    def prompt(self, messages: Sequence[Message]) -> tuple[list[int], bool]:
        """The prompt's tokens, and whether it ends inside an open think block.

        Raises:
            ModelError: the model has no chat template, or its template rejects the messages.
        """
        import jinja2

        if not self.tokenizer.chat_template:
            raise ModelError(
                "bad-response", f"{self.name}: its tokenizer has no chat template: take an instruct model"
            )
        try:
            text = prompt_text(self.tokenizer, messages)
        except jinja2.TemplateError as error:
            raise ModelError(
                "refused", f"{self.name}: its chat template rejects the messages: {error}"
            ) from None
        return prompt_tokens(self.tokenizer, text), is_thinking(text)

    def decode(self, tokens: list[int]) -> str:
        """The text of tokens, without the special ones."""
        return self.tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)


def completion_of(
    text: TextStream,
    finish: str,
    tokens_in: int,
    tokens_out: int,
    sampled: dict[str, Any],
    *,
    default_room: bool = False,
    repeats: bool = False,
) -> Completion:
    """The finished answer, at a cost of 0. `default_room` says that nobody chose how long the answer may be,
    which is flagged where the limit cut it off; `repeats`, that it was cut off where it only repeated itself.
    """
    flags = [] if text.text.strip() else ["empty"]
    flags += ["only-reasoning"] if flags and text.reasoning.strip() else []
    if finish == "length":
        why = ["repetition"] if repeats else ["default-limit"] if default_room else []
        flags += ["truncated", *why]
    return Completion(
        text.text, text.reasoning, finish, tokens_in, tokens_out, 0.0, tuple(flags), sampled=sampled
    )
