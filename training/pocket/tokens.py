"""The tokenizers: small byte-level BPE vocabularies in which the operators' fixed sentences are one token.

Sentences are added tokens taken from the operators themselves. They change no text, only its length:
the worker's prompts are mostly boilerplate, and time on a CPU goes with the number of tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from engine.models.base import Message
from engine.operators import custom_code_generate, review, revise, sc_ensemble

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PAD, USER, ASSISTANT, END = "<|p|>", "<|u|>", "<|a|>", "<|e|>"
# Words with their space, one digit a token with its space, newlines with the indent after them.
_PIECES = r"\n *| ?[A-Za-z]+|_[A-Za-z]+| ?[0-9]| ?[^\sA-Za-z0-9]+|\s"

WORKER_TEMPLATE = (
    "{% for m in messages %}"
    "{% if m['role'] == 'user' %}<|u|>{{ m['content'] }}"
    "{% elif m['role'] == 'assistant' %}<|a|>{{ m['content'] }}<|e|>{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<|a|>{% endif %}"
)
# The first request only: the system message never changes, and a repair turn is answered as a new
# attempt. A long request keeps its two ends, where the query and the last round's feedback are.
META_TEMPLATE = (
    "{% set asked = (messages | selectattr('role', 'equalto', 'user') | list)[0]['content'] %}"
    "<|u|>{% if asked | length > 2600 %}{{ asked[:900] }}\n...\n{{ asked[-1600:] }}"
    "{% else %}{{ asked }}{% endif %}"
    "{% if not add_generation_prompt and messages[-1]['role'] == 'assistant' %}"
    "<|a|>{{ messages[-1]['content'] }}<|e|>{% else %}<|a|>{% endif %}"
)


def worker_sentences() -> list[str]:
    """Fixed text of the operators' prompts and of the replies."""
    before, after = custom_code_generate.prompt("P", "NAME", "").removeprefix("P").split("NAME")
    return [
        before,
        after,
        "Problem:\n",
        "\n\nSolution:\n",
        "\n\nFeedback:\n",
        " tests failed:\n",
        f"\n\n{revise.INSTRUCTION}",
        f"\n\n{review.INSTRUCTION}",
        f"\n\n{sc_ensemble.INSTRUCTION}",
        "```python\ndef ",
        "\n```",
    ]


META_SENTENCES = [
    "Query:\n",
    "\n\nEntry point: ",
    "\n\nVisible tests:\n",
    "\n\nRounds so far:\n",
    "\n\nWrite the first workflow.",
    "\n\nImprove on it with one change.",
    "<think>",
    "</think>\n",
    "<modification>",
    "</modification>\n",
    "<graph>\n",
    "\n</graph>",
    "<prompt>\n",
    "\n</prompt>",
]


def templated(tokenizer: PreTrainedTokenizerFast, messages: Sequence[Message]) -> str:
    """The messages as the model reads them, up to where its answer starts."""
    conversation = [{"role": message["role"], "content": message["content"]} for message in messages]
    return str(tokenizer.apply_chat_template(conversation, tokenize=False, add_generation_prompt=True))


def token_id(tokenizer: PreTrainedTokenizerFast, token: str) -> int:
    """The id of a token. Raises TypeError where it is not one token."""
    ident = tokenizer.convert_tokens_to_ids(token)
    if not isinstance(ident, int):
        raise TypeError(f"{token!r} is not one token")
    return ident


def train_tokenizer(
    texts: Iterable[str], sentences: list[str], template: str, vocabulary: int
) -> PreTrainedTokenizerFast:
    """A BPE tokenizer of exactly `vocabulary` entries, learned from `texts`."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    special = [PAD, USER, ASSISTANT, END]
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - len(sentences),
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    pieces = sorted(sentences, key=len, reverse=True)
    tokenizer.train_from_iterator((_without(text, pieces) for text in texts), trainer)
    tokenizer.add_tokens([AddedToken(sentence, special=False, normalized=False) for sentence in sentences])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=[USER, ASSISTANT],
        clean_up_tokenization_spaces=False,
        padding_side="left",
    )
    fast.chat_template = template
    return fast


def _without(text: str, sentences: list[str]) -> str:
    """The text without what is a token of its own, so that no merges are spent on it."""
    for sentence in sentences:
        text = text.replace(sentence, "\n")
    return text
