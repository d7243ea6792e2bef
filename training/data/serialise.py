"""A row as the tokens a student is trained on: the only serialisation there is, for every trainer.

The prompt is rendered and tokenised as inference does it (`engine.models.local.chat`), and carries no
labels, whatever it holds: instruction, history, feedback, a rejected reply. The labels are on the reasoning,
the reply and the token that ends them.

The store keeps reasoning and reply apart, without the marks between them and with blank space trimmed, and a
teacher's marks are not the student's. So both are put into the student's own form (`Form`), which is read off
its chat template: these are never claimed to be the tokens that the teacher sampled.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from engine.models.base import Message
from engine.models.local.chat import is_thinking, prompt_text, prompt_tokens
from engine.models.thinking import CLOSE, MARKS, OPEN
from sandbox.errors import UsageError

IGNORED = -100  # the label of a token that counts for no loss
# What templates call the reasoning of an assistant's message.
_REASONING_KEYS = ("reasoning_content", "reasoning", "thinking")
_QUESTION, _REASON, _REPLY = "QuestionOfAProbe", "ReasoningOfAProbe", "ReplyOfAProbe"


class TokenizerError(UsageError):
    """The student's tokenizer cannot be trained with; the message says what it lacks."""


class RowError(UsageError):
    """One row cannot be put into the student's form; others can."""


@dataclass(frozen=True)
class Form:
    """How a student writes an answer after its prompt: `opening reasoning between reply end`.

    `bare` stands before a reply without reasoning. `close` is the mark that ends the reasoning. `control`
    finds special tokens, which may stand in no reasoning or reply.
    """

    opening: str
    between: str
    bare: str
    end: str
    close: str
    control: re.Pattern[str]

    def answer(self, reasoning: str, reply: str) -> str:
        """The text after the prompt, its end included. Raises RowError where it would be read otherwise."""
        reasoning, reply = reasoning.strip(), reply.strip()
        if not reply:
            raise RowError("it has no reply")
        if match := self.control.search(reasoning) or self.control.search(reply):
            raise RowError(f"its text holds {match[0]!r}, a token that only the template may set")
        if self.close in reasoning or (not reasoning and self._reads_as_reasoning(reply)):
            raise RowError("its text holds the student's own marks of reasoning")
        before = f"{self.opening}{reasoning}{self.between}" if reasoning else self.bare
        return f"{before}{reply}{self.end}"

    def _reads_as_reasoning(self, reply: str) -> bool:
        """Whether a reply with nothing before it would be taken for reasoning by `ThinkSplitter`."""
        return self.close not in self.bare and (self.close in reply or reply.startswith(tuple(MARKS)))


def tokens(row: Mapping[str, Any], tokenizer: Any) -> tuple[list[int], list[int]]:
    """A row's (input_ids, labels), equally long; nothing is cut off, however long it is.

    `row` has prompt (messages), reasoning and reply, as the rows of `sft` and `repair` do; of a preference
    pair, `row | row["chosen"]` is one. `labels` are the ids where they are trained on, else `IGNORED`.

    Raises:
        TokenizerError: the tokenizer has no chat template, or no token that ends an answer.
        RowError: the template rejects the messages, or the reply cannot be told from what is around it.
    """
    form = form_of(tokenizer)
    prompt = prompt_tokens(tokenizer, _prompt(row["prompt"], tokenizer))
    answer = prompt_tokens(tokenizer, form.answer(row["reasoning"], row["reply"]))
    return prompt + answer, [IGNORED] * len(prompt) + answer


def form_of(tokenizer: Any) -> Form:
    """How the student writes an answer, from its chat template and vocabulary.

    Raises TokenizerError where it has no chat template, or no token that ends an answer.
    """
    template = tokenizer.chat_template
    if not template:
        raise TokenizerError(
            f"{_name(tokenizer)}: its tokenizer has no chat template: take an instruct model"
        )
    cached = _forms.get(tokenizer)
    if cached is None or cached[0] != template:
        cached = _forms[tokenizer] = (template, _find_form(tokenizer))
    return cached[1]


_forms: WeakKeyDictionary[Any, tuple[Any, Form]] = WeakKeyDictionary()


def _find_form(tokenizer: Any) -> Form:
    """Renders a probe with and without reasoning and looks at what the template put around them."""
    import jinja2

    question: list[Message] = [{"role": "user", "content": _QUESTION}]

    def rendered(**reasoning: str) -> str:
        answer = {"role": "assistant", "content": _REPLY, **reasoning}
        return str(tokenizer.apply_chat_template([*question, answer], tokenize=False))

    try:
        start = prompt_text(tokenizer, question)
        plain = rendered()
        control = _control(tokenizer)
        end = _end(plain, control, tokenizer)
        for key in _REASONING_KEYS:
            form = _between_probes(rendered(**{key: _REASON}), plain, start, end, control)
            if form is not None:
                return form
    except (jinja2.TemplateError, TypeError) as error:
        raise TokenizerError(
            f"{_name(tokenizer)}: its chat template cannot write a question and its answer: {error}"
        ) from None
    return _from_vocabulary(tokenizer, start, end, control)


def _between_probes(full: str, plain: str, start: str, end: str, control: re.Pattern[str]) -> Form | None:
    """The form of a template that writes reasoning itself and whose prompt is the beginning of its answer."""
    reason, reply = full.find(_REASON), full.find(_REPLY)
    if not (full.startswith(start) and 0 <= reason < reply):
        return None
    between = full[reason + len(_REASON) : reply]
    bare = plain[len(start) : plain.find(_REPLY)] if plain.startswith(start) else ""
    if is_thinking(start) and not bare.strip():  # the prompt opened a block, which has to be closed
        bare = between
    return Form(full[len(start) : reason], between, bare, end, _closing(between), control)


def _closing(between: str) -> str:
    """The mark that ends the reasoning, as the engine knows it, else all that stands before the reply."""
    return next((close for close in MARKS.values() if close in between), between.strip())


def _from_vocabulary(tokenizer: Any, start: str, end: str, control: re.Pattern[str]) -> Form:
    """The form of a template that says nothing of reasoning: marks as the vocabulary has them.

    A mark that is a token together with blank space, such as the embedded meta-agent's `</think>` with its
    line end, brings the blank space it wants. Others stand on lines of their own, as reasoning models are
    trained to write them.
    """
    own = [token.content for token in tokenizer.added_tokens_decoder.values()]
    opening = next((one for one in own if one.strip() == OPEN and one != OPEN), None)
    between = next((one for one in own if one.strip() == CLOSE and one != CLOSE), None)
    if opening is None:
        opening = OPEN if between is not None else f"{OPEN}\n"
    if between is None:
        between = f"\n{CLOSE}\n\n"
    inside = is_thinking(start)
    return Form("" if inside else opening, between, between if inside else "", end, CLOSE, control)


def _end(plain: str, control: re.Pattern[str], tokenizer: Any) -> str:
    """What ends an answer: all up to the first special token that the template puts behind it.

    What a template writes after that belongs to the next message, and no model is asked for it.
    """
    after = plain[plain.rfind(_REPLY) + len(_REPLY) :]
    if match := control.search(after):
        return after[: match.end()]
    if not tokenizer.eos_token:
        raise TokenizerError(
            f"{_name(tokenizer)}: neither its chat template nor its tokenizer has a token that ends an answer"
        )
    return str(tokenizer.eos_token)


def _control(tokenizer: Any) -> re.Pattern[str]:
    """Finds the special tokens, the longest first where one begins like another."""
    special = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    special |= {token for token in tokenizer.all_special_tokens if token}
    return re.compile("|".join(map(re.escape, sorted(special, key=len, reverse=True))) or r"(?!)")


def _prompt(messages: Sequence[Message], tokenizer: Any) -> str:
    import jinja2

    try:
        return prompt_text(
            tokenizer, [{"role": message["role"], "content": message["content"]} for message in messages]
        )
    except jinja2.TemplateError as error:
        raise RowError(f"the chat template rejects its messages: {error}") from None


def _name(tokenizer: Any) -> str:
    return str(getattr(tokenizer, "name_or_path", "") or "the tokenizer")
