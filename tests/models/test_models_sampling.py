"""Answers are drawn from the distribution that Transformers' `generate` draws from with the same settings."""

from __future__ import annotations

import itertools
import json
import math
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from engine.models.base import ModelError, Sampling
from engine.models.local.sampling import Choice, Chooser
from engine.models.local.text import TextStream
from engine.models.local.weights import Weights
from tests.support.missing import needs
from tests.support.tiny_llama import make_tiny_llama

if TYPE_CHECKING:
    from engine.models.local.batch import Batch
    from engine.models.local.row import DecodingRow

needs("torch", "transformers")

DRAWS = 960
PROMPT = [*range(10, 60), 11, 12]
OWN: dict[str, Any] = {"do_sample": True, "temperature": 1.3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_llama(tmp_path_factory.mktemp("tiny"))


def loaded(folder: Path, **generation: Any) -> Weights:
    """The model, with this generation config of its own."""
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": 0, **generation}))
    return Weights.load("tiny", str(folder), "cpu")


def chances(weights: Weights, prompt: list[int], **settings: Any) -> Any:
    """What `generate` draws the first token from (vocabulary)."""
    import torch

    made = weights.model.generate(
        torch.tensor([prompt]),
        attention_mask=torch.ones(1, len(prompt)),
        max_new_tokens=1,
        output_scores=True,
        return_dict_in_generate=True,
        **{"top_k": 0, **settings},  # by itself it takes 50 where a generation config says nothing
    )
    return made.scores[0][0].double().softmax(-1)


def row(prompt: list[int], choice: Choice, seed: int, room: int) -> DecodingRow:
    from engine.models.local.row import DecodingRow

    return DecodingRow(prompt, room, choice, seed, TextStream(lambda _: "", (), thinking=False))


def step(batch: Batch) -> None:
    """Decode one more token of each row that is not done."""
    for one in batch.live:
        if one.finish:
            batch.drop(one)
    if batch.live:
        batch.step()


def answers(weights: Weights, asked: list[tuple[list[int], Choice, int]], room: int) -> list[list[int]]:
    """The tokens of the answers to (prompt, choice, seed), of rows that are asked for together."""
    from engine.models.local.batch import Batch

    batch = Batch(weights)
    made = [row(*one, room) for one in asked]
    batch.admit(made)
    while batch.live:
        step(batch)
    return [one.tokens for one in made]


def surprise(drawn: Counter[int], chances: Any) -> float:
    """How probable it is that draws from `chances` fit them no better: the p-value of a chi-square test."""
    import torch

    total = sum(drawn.values())
    assert all(chances[token] > 0 for token in drawn), "what is cut off is never drawn"
    often = [token for token in range(len(chances)) if chances[token] * total >= 5]
    cells = [(drawn[token], float(chances[token]) * total) for token in often]
    cells.append((total - sum(seen for seen, _ in cells), total - sum(due for _, due in cells)))
    statistic = sum((seen - due) ** 2 / due for seen, due in cells if due > 1)
    freedom = sum(due > 1 for _, due in cells) - 1
    half = torch.tensor([freedom / 2, statistic / 2], dtype=torch.float64)
    return float(torch.special.gammaincc(half[0], half[1]))


@pytest.mark.parametrize(
    "own",
    [
        OWN,
        OWN | {"top_p": 0.6},
        OWN | {"min_p": 0.2},
        OWN | {"top_k": 6, "top_p": 0.7},
        OWN | {"temperature": 2.5, "top_k": 20, "top_p": 0.8, "min_p": 0.05, "repetition_penalty": 1.5},
    ],
    ids=",".join,
)
def test_tokens_are_drawn_as_generate_draws_them(folder: Path, own: dict[str, Any]) -> None:
    """By the model's own generation config, beside rows of other settings, and alone."""
    weights = loaded(folder, **own)
    choice = weights.choice(Sampling())
    others = [choice, replace(choice, temperature=0.0), Choice(0.4), Choice(3.0, 0.9, 3, 0.1, 1.2)]
    drawn: list[tuple[int, ...]] = []
    while len(drawn) < DRAWS:
        seeds = range(len(drawn), len(drawn) + 80)
        rows = [(PROMPT, c, seed) for seed in seeds for c in (choice, others[seed % 4])]
        together = answers(weights, rows, 2)
        for size in (1, 8):
            assert answers(weights, rows[:size], 2) == together[:size]
        drawn += [tuple(tokens) for tokens in together[::2]]
    first = Counter(tokens[0] for tokens in drawn)
    assert surprise(first, chances(weights, PROMPT, **own)) > 1e-3
    begun = next(token for token, _ in first.most_common() if token not in weights.ends)
    second = Counter(tokens[1] for tokens in drawn if tokens[0] == begun)
    assert surprise(second, chances(weights, [*PROMPT, begun], **own)) > 1e-3


def test_without_sampling_only_the_penalty_counts_and_it_counts_what_was_said(folder: Path) -> None:
    """The whole answers are those of `generate`, of rows that come and go."""
    import torch

    weights = loaded(folder, do_sample=False, repetition_penalty=1.3, top_k=3, top_p=0.5, min_p=0.2)
    choice = weights.choice(Sampling())
    assert choice == Choice(0.0, repetition_penalty=1.3)
    prompts = [PROMPT[: 20 + 5 * n] for n in range(6)]
    from engine.models.local.batch import Batch

    batch = Batch(weights)
    made: list[DecodingRow] = []
    for n, prompt in enumerate(prompts):
        made.append(row(prompt, Choice(0.0) if n == 2 else choice, n, 8 * (6 - n)))
        batch.admit(made[-1:])
        step(batch)
    while batch.live:
        step(batch)
    for n, (prompt, one) in enumerate(zip(prompts, made, strict=True)):
        whole = weights.model.generate(
            torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt)),
            max_new_tokens=8 * (6 - n),
            do_sample=False,
            repetition_penalty=1.0 if n == 2 else 1.3,
            top_k=None,
            top_p=None,
            min_p=None,
        )
        assert one.tokens == whole[0, len(prompt) :].tolist()
    assert len({tuple(one.tokens[:8]) for one in made}) > 2


def test_what_a_call_sets_leaves_the_rest_to_the_model(folder: Path) -> None:
    weights = loaded(folder, **OWN, top_k=-1, top_p=0.9, min_p=0.1, repetition_penalty=1.1)
    assert weights.choice(Sampling()) == Choice(1.3, 0.9, 0, 0.1, 1.1)
    assert weights.choice(Sampling(0.2, 0.5)) == Choice(0.2, 0.5, 0, 0.1, 1.1)
    assert loaded(folder).choice(Sampling(0.2)) == Choice(0.2)


def test_a_penalty_that_makes_no_sense_is_said(folder: Path) -> None:
    with pytest.raises(ModelError, match=r"tiny: its generation_config\.json has a repetition_penalty of -1"):
        loaded(folder, repetition_penalty=-1)


def plainly(logits: list[float], choice: Choice, draw: float) -> int:
    """The token that a row with these logits draws, one token at a time."""
    if choice.temperature <= 0:
        return logits.index(max(logits))
    highest = max(logits)
    weights = [math.exp((logit - highest) / choice.temperature) for logit in logits]
    ranked = sorted(range(len(weights)), key=lambda token: (-weights[token], token))
    ranked = ranked[: choice.top_k or None]
    total, before, kept = math.fsum(weights[token] for token in ranked), 0.0, []
    for token in ranked:
        if before < choice.top_p * total and weights[token] >= choice.min_p * weights[ranked[0]]:
            kept.append(token)
        before += weights[token]
    target, kept = draw * math.fsum(weights[token] for token in kept), sorted(kept)
    sums = itertools.accumulate(weights[token] for token in kept)
    return next(token for token, reached in zip(kept, sums, strict=True) if reached > target)


@pytest.mark.parametrize("step", [0.0, 0.5], ids=["logits that differ", "many equal logits"])
def test_of_a_large_vocabulary_the_same_tokens_are_drawn(step: float) -> None:
    """Only the likeliest are looked at, unless a row may draw any, or as likely ones were not looked at."""
    import torch

    torch.manual_seed(1)
    rng = random.Random(1)
    settings = [
        Choice(0.7, 0.8, 20),
        Choice(0.7, 1.0, 5, 0.1),
        Choice(1.5, 0.5),
        Choice(0.0),
        Choice(0.3, 0.9, 900),
    ]
    mixes = [settings[:2], settings, [*settings, Choice(1.0)], [settings[0]], [Choice(2.0, 0.99)]]
    for mix in mixes * 4:
        logits = torch.randn(len(mix), 5000, dtype=torch.float64).float() * 2
        logits = (logits / step).round() * step if step else logits
        draws = [rng.random() for _ in mix]
        chosen = Chooser(mix, [[0] for _ in mix], torch.device("cpu"))(logits, draws)
        rows = zip(logits.tolist(), mix, draws, strict=True)
        assert chosen == [plainly(row, choice, draw) for row, choice, draw in rows]
