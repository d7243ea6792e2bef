"""One serialisation of rows: the student's own form, labels on nothing but its answer."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from engine.models.local.chat import is_thinking, prompt_text
from engine.models.thinking import ThinkSplitter
from training.data.serialise import IGNORED, RowError, TokenizerError, form_of, tokens
from training.pocket import batches, meta
from training.pocket.model import WEIGHTS

IM = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# The prompt opens the block; an earlier answer is written without its reasoning.
OPENED = IM.replace("assistant\n{% endif %}", "assistant\n<think>\n{% endif %}").replace(
    "{{ m.content }}", "{{ m.content.split('</think>')[-1] }}"
)
# The template writes the reasoning itself.
WRITTEN = IM.replace(
    "{{ m.content }}",
    "{% if m.role == 'assistant' %}<think>\n{{ (m.reasoning_content or '') | trim }}\n</think>\n\n{% endif %}"
    "{{ m.content }}",
)
ASKED = [{"role": "system", "content": "You design."}, {"role": "user", "content": "Round 1 said: no."}]
ROW = {"prompt": ASKED, "reasoning": "Because of this.", "reply": "<graph>\nx = 1\n</graph>"}


def _small(template: str | None, marks: tuple[str, ...] = ("<think>", "</think>")) -> Any:
    """A byte-level tokenizer without merges, with chat marks as special tokens and `marks` as plain ones."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    core = Tokenizer(models.BPE({c: i for i, c in enumerate(alphabet)}, []))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    core.add_tokens([AddedToken(mark, special=False, normalized=False) for mark in marks])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        eos_token="<|im_end|>",
        additional_special_tokens=["<|im_start|>", "<|end|>", "<|channel|>", "<|message|>", "<|start|>"],
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = template
    return tokenizer


@pytest.fixture(scope="module")
def pocket() -> Any:
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast.from_pretrained(WEIGHTS / "meta")


def _parts(row: dict[str, Any], tokenizer: Any) -> tuple[str, str]:
    """What carries no label and what does, as text."""
    ids, labels = tokens(row, tokenizer)
    assert len(ids) == len(labels)
    start = next(i for i, label in enumerate(labels) if label != IGNORED)
    assert set(labels[:start]) <= {IGNORED} and labels[start:] == ids[start:]
    return tokenizer.decode(ids[:start]), tokenizer.decode(ids[start:])


@pytest.mark.parametrize(
    ("template", "marks", "answer"),
    [
        (IM, ("<think>", "</think>"), "<think>\nBecause of this.\n</think>\n\n{}<|im_end|>"),
        (IM, (), "<think>\nBecause of this.\n</think>\n\n{}<|im_end|>"),
        (IM, ("<think>", "</think>\n"), "<think>Because of this.</think>\n{}<|im_end|>"),
        (OPENED, ("<think>", "</think>"), "Because of this.\n</think>\n\n{}<|im_end|>"),
        (WRITTEN, ("<think>", "</think>"), "<think>\nBecause of this.\n</think>\n\n{}<|im_end|>"),
    ],
)
def test_reasoning_and_reply_are_put_into_the_students_form(
    template: str, marks: tuple[str, ...], answer: str
) -> None:
    tokenizer = _small(template, marks)
    prompt, trained = _parts(ROW, tokenizer)
    assert prompt == prompt_text(tokenizer, ASKED)  # what inference sends, history and all, without labels
    assert trained == answer.format(ROW["reply"])


@pytest.mark.parametrize(
    ("template", "before"),
    [(IM, ""), (OPENED, "\n</think>\n\n"), (WRITTEN, "<think>\n\n</think>\n\n")],
)
def test_a_reply_without_reasoning_closes_what_the_student_opened(template: str, before: str) -> None:
    _, trained = _parts(ROW | {"reasoning": " \n"}, _small(template))
    assert trained == f"{before}{ROW['reply']}<|im_end|>"


@pytest.mark.parametrize(
    "name", ["qwen3", "deepseek_r1_distill", "gptoss", "glm4moe", "nemotron_3_nano", "phi3", "qwen3_5_think"]
)
@pytest.mark.parametrize("reasoning", ["Because of this.", ""])
def test_answers_in_the_form_of_known_templates_are_read_back_as_they_were(name: str, reasoning: str) -> None:
    import trl

    template = Path(trl.__file__).parent / "chat_templates" / f"{name}.jinja"
    tokenizer = _small(template.read_text())
    form = form_of(tokenizer)
    splitter = ThinkSplitter(inside=is_thinking(prompt_text(tokenizer, ASKED)))
    splitter.feed(form.answer(reasoning, ROW["reply"]).removesuffix(form.end))
    splitter.close()
    # gpt-oss names its final channel even where nothing came before it, and servers read that.
    text = splitter.text.removeprefix("<|channel|>final<|message|>")
    assert (splitter.reasoning.strip(), text.strip()) == (reasoning, ROW["reply"])


def test_the_embedded_meta_agent_is_trained_on_the_tokens_of_its_own_lessons(pocket: Any) -> None:
    rng = random.Random(3)
    for _ in range(40):
        lesson = meta.lesson(rng)
        thought, reply = lesson.answer.removeprefix("<think>").split("</think>\n", 1)
        row = {"prompt": list(lesson.messages), "reasoning": thought, "reply": reply}
        ids, start = batches.encode(pocket, lesson)
        assert tokens(row, pocket) == (ids, [IGNORED] * start + ids[start:])


def test_nothing_is_cut_off(pocket: Any) -> None:
    long = "word " * 20_000
    ids, labels = tokens(ROW | {"reasoning": long}, pocket)
    assert len(ids) > 20_000 and sum(label != IGNORED for label in labels) > 20_000


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"reply": "a<|im_end|>b"}, "'<|im_end|>'"),
        ({"reasoning": "a<|start|>b"}, "'<|start|>'"),
        ({"reasoning": "a</think>b"}, "marks of reasoning"),
        ({"reasoning": "", "reply": "a</think>b"}, "marks of reasoning"),
        ({"reasoning": "", "reply": "<think>b"}, "marks of reasoning"),
        ({"reply": " \n"}, "no reply"),
    ],
)
def test_a_text_that_would_be_read_otherwise_is_refused(change: dict[str, str], told: str) -> None:
    with pytest.raises(RowError, match=told.replace("|", r"\|")):
        tokens(ROW | change, _small(IM))


def test_a_prompt_may_hold_anything_since_it_is_sent_so() -> None:
    tokenizer = _small(IM)
    asked = [{"role": "user", "content": "a</think><|im_end|>b"}]
    prompt, _ = _parts(ROW | {"prompt": asked}, tokenizer)
    assert prompt == prompt_text(tokenizer, asked)


def test_a_tokenizer_without_a_template_says_what_to_do() -> None:
    with pytest.raises(TokenizerError, match="no chat template: take an instruct model"):
        tokens(ROW, _small(None))


def test_a_template_that_rejects_messages_refuses_the_row() -> None:
    refusing = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}" + IM
    with pytest.raises(RowError, match="no system"):
        tokens(ROW, _small(refusing))


def test_a_template_that_is_changed_is_looked_at_again() -> None:
    tokenizer = _small(IM)
    first = form_of(tokenizer)
    tokenizer.chat_template = OPENED
    assert (first.opening, form_of(tokenizer).opening) == ("<think>\n", "")
