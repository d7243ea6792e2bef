"""Prompts that begin alike are read once, and their answers are those of prompts that are read whole."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from engine.models.local.sampling import Choice
from engine.models.local.text import TextStream
from engine.models.local.weights import Weights
from tests.support.tiny_llama import make_tiny_llama

if TYPE_CHECKING:
    from engine.models.local.batch import Batch
    from engine.models.local.row import DecodingRow

MADE = 12  # tokens of each answer


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Weights:
    return Weights.load("tiny", str(make_tiny_llama(tmp_path_factory.mktemp("tiny"), context=512)), "cpu")


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many tokens, padding included, each pass of the model has read."""
    from engine.models.local.batch import Batch

    sizes: list[int] = []
    forward = Batch._logits

    def counted(self: Batch, tokens: Any, *rest: Any) -> Any:
        sizes.append(tokens.numel())
        return forward(self, tokens, *rest)

    monkeypatch.setattr(Batch, "_logits", counted)
    return sizes


def empty(weights: Weights) -> Batch:
    """A batch of no rows. PyTorch and Transformers, which it takes, are imported when it is needed."""
    from engine.models.local.batch import Batch

    return Batch(weights)


def row(prompt: list[int], seed: int = 1) -> DecodingRow:
    from engine.models.local.row import DecodingRow

    choice = Choice(0.0 if seed % 2 else 1.0)
    return DecodingRow(prompt, MADE, choice, seed, TextStream(lambda _: "", (), thinking=False))


def run(batch: Batch, rows: list[DecodingRow]) -> list[list[int]]:
    """The tokens of the answers, of rows that are admitted together."""
    batch.admit(rows)
    while any(one.finish is None for one in rows):
        batch.step()
        for one in batch.live:
            if one.finish:
                batch.drop(one)
    return [one.tokens for one in rows]


def alone(weights: Weights, prompt: list[int], seed: int) -> list[int]:
    return run(empty(weights), [row(prompt, seed)])[0]


def prompts() -> list[list[int]]:
    """Of all kinds: equal ones, one that is the beginning of another, and those that part early, late, or at
    at once; short ones.
    """
    from engine.models.local.prefixes import LEAST

    draw = random.Random(3)

    def some(count: int) -> list[int]:
        return [draw.randrange(4, 250) for _ in range(count)]

    start, other = some(150), some(90)
    return [
        *[start + some(n) for n in (0, 0, 1, 5, 40, 100, 130)],
        *[start[:LEAST] + some(80), start[: LEAST - 1] + some(80), start[:LEAST], start[:100]],
        *[other, other + some(3), other, some(200), some(3), some(3) + start],
    ]


def test_answers_are_those_of_prompts_read_whole(weights: Weights) -> None:
    asked = prompts()
    right = [alone(weights, prompt, seed) for seed, prompt in enumerate(asked)]
    assert len({tuple(tokens) for tokens in right}) > 8
    order = list(range(len(asked)))
    for seed in range(3):
        random.Random(seed).shuffle(order)
        batch = empty(weights)  # in waves of 1, 2, 4, … beside those that are still being answered
        taken: list[DecodingRow] = []
        size = 1
        while len(taken) < len(order):
            new = [row(asked[n], n) for n in order[len(taken) : len(taken) + size]]
            batch.admit(new)
            taken += new
            size *= 2
            for one in [one for one in batch.live if one.finish]:
                batch.drop(one)
            if batch.live:
                batch.step()
        while batch.live:
            for one in [one for one in batch.live if one.finish]:
                batch.drop(one)
            if batch.live:
                batch.step()
        assert [one.tokens for one in taken] == [right[n] for n in order]


def test_what_prompts_share_is_read_once(weights: Weights, read: list[int]) -> None:
    from engine.models.local.prefixes import LEAST

    start = prompts()[0]
    batch = empty(weights)
    rows = [row([*start, *range(5, 5 + n)], n) for n in range(8)]
    batch.admit(rows)
    longest = max(len(one.prompt) for one in rows)
    # One whole prompt, and of the seven others what is left, padded to the longest of it.
    assert read[0] <= longest and sum(read) <= longest + 7 * 8
    read.clear()
    batch.admit([row([*start, 9, 9, 9])])
    assert sum(read) <= 4, "prompts that come later, too"
    read.clear()
    batch.admit([row(start[: LEAST // 2]), row(start[: LEAST // 2])])
    assert len(read) == 1, "little is not worth a second pass"


def test_the_prompts_that_were_used_last_are_kept(
    weights: Weights, read: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = random.Random(1)
    one, two, three = ([draw.randrange(4, 250) for _ in range(100)] for _ in range(3))
    monkeypatch.setattr(Weights, "memory_left", lambda _: 0.0)
    batch = empty(weights)
    batch.admit([row(one)])
    size = batch._prefixes._kept[0].cache.nbytes
    monkeypatch.setattr("engine.models.local.prefixes._FEWEST_BYTES", 2 * size)
    for prompt in (two, one, three):  # `one` was used after `two`
        batch.admit([row(prompt)])
    read.clear()
    batch.admit([row(one), row(three)])
    assert sum(read) == 2
    batch.admit([row(two)])
    assert read[-1] == 100


def test_a_longer_prompt_takes_the_place_of_its_beginning(weights: Weights) -> None:
    from engine.models.local.prefixes import Prefixes

    batch = empty(weights)
    start = prompts()[0]
    for end in (100, 150, 120):
        batch.admit([row([*start[:end], *([7] * 70 if end == 150 else [])])])
    assert [len(kept.tokens) for kept in batch._prefixes._kept] == [220]
    assert Prefixes(lambda: 0.0).longest(np.asarray(start)) == (None, 0)


def test_what_is_kept_takes_a_quarter_of_memory_at_most(
    weights: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = 0.0
    monkeypatch.setattr(Weights, "memory_left", lambda _: left)
    monkeypatch.setattr("engine.models.local.prefixes._FEWEST_BYTES", 0)
    draw = random.Random(2)
    batch = empty(weights)

    def kept_of(number: int) -> int:
        for _ in range(number):
            batch.admit([row([draw.randrange(4, 250) for _ in range(100)])])
        return len(batch._prefixes._kept)

    assert kept_of(3) == 1, "the last one always is"
    size = batch._prefixes._kept[0].cache.nbytes
    left = 11.0 * size  # and one held, of which three are a quarter; as more are held, less would be left
    assert kept_of(9) == 3
    left = float("inf")
    monkeypatch.setattr("engine.models.local.prefixes._MOST_BYTES", 5 * size)
    assert kept_of(9) == 5


def test_prompts_of_different_lengths_are_not_padded_to_the_longest(
    weights: Weights, read: list[int]
) -> None:
    draw = random.Random(4)
    lengths = [30, 31, 33, 90, 300, 303, 301, 32]
    asked = [[draw.randrange(4, 250) for _ in range(length)] for length in lengths]
    batch = empty(weights)
    rows = [row(prompt, seed) for seed, prompt in enumerate(asked)]
    batch.admit(rows)
    assert sorted(read) == [90, 4 * 33, 3 * 303]
    while batch.live:
        batch.step()
        for one in [one for one in batch.live if one.finish]:
            batch.drop(one)
    assert [one.tokens for one in rows] == [alone(weights, prompt, seed) for seed, prompt in enumerate(asked)]


def test_short_answers_do_not_pay_for_a_long_one_beside_them(
    weights: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.models.local import attention

    draw = random.Random(5)
    lengths = [20, 300, 24, 18, 30, 22, 26, 19]
    asked = [[draw.randrange(4, 250) for _ in range(length)] for length in lengths]
    right = [alone(weights, prompt, seed) for seed, prompt in enumerate(asked)]
    batch = empty(weights)
    rows = [row(prompt, seed) for seed, prompt in enumerate(asked)]
    for one in rows:  # one after the other, the long one among the first
        batch.admit([one])
    attended: list[int] = []
    attend = attention.scaled_dot_product_attention

    def counted(query: Any, key: Any, *rest: Any, **others: Any) -> Any:
        attended.append(len(key) * key.shape[2])
        return attend(query, key, *rest, **others)

    monkeypatch.setattr(attention, "scaled_dot_product_attention", counted)
    needed = sum(len(one.prompt) + one.made for one in rows)
    batch.step()
    # Lengths that differ by less than a factor of two are read together.
    assert needed <= sum(attended) / weights.layers <= 2 * needed
    for one in [one for one in batch.live if one.finish]:
        batch.drop(one)
    while batch.live:
        batch.step()
        for one in [one for one in batch.live if one.finish]:
            batch.drop(one)
    assert [one.tokens for one in rows] == right


def test_rows_that_move_together_take_no_second_copy_of_all_layers() -> None:
    import torch

    from engine.models.local.cache import Chosen, RoomyCache, join

    caches = [RoomyCache(3), RoomyCache(3)]
    for number, cache in enumerate(caches):
        for layer in cache.roomy:
            states = torch.full((2, 1, 4 + number, 2), float(number)) + torch.arange(2.0).view(2, 1, 1, 1) / 2
            layer.update(states, states)
    every = torch.arange(2)
    joined = join([Chosen(caches[0], every, every + 2), Chosen(caches[1], every, every)], 5)
    keys, _ = joined.roomy[2].filled()
    assert keys[:, 0, 4, 0].tolist() == [1.0, 1.5, 0.0, 0.5]
    assert keys[2:, 0, 0, 0].tolist() == [0.0, 0.0]  # padding before the shorter ones
    for cache in caches:
        with pytest.raises(RuntimeError, match="no states"):
            cache.roomy[0].filled()


def test_rows_may_join_where_half_of_the_memory_that_is_left_has_room_for_them(
    weights: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = 0.0
    monkeypatch.setattr(Weights, "memory_left", lambda _: left)
    batch = empty(weights)
    assert batch.has_room([row([5] * 30)])  # one alone always may
    batch.admit([row([5] * 30)])
    of_a_row = batch._cache.nbytes  # 64 columns, since rows get room in blocks
    new = [row([7] * 40), row([8] * 60)]
    assert not batch.has_room(new[:1])
    left = 4.0 * of_a_row
    assert batch.has_room(new) and not batch.has_room([*new, row([9] * 3)])
    # A longer prompt gives those that are there more columns, too: 3 rows of 128 instead of 1 of 64.
    long = [row([9] * 100), row([9] * 3)]
    left = 2.0 * 5 * of_a_row
    assert batch.has_room(long)
    left -= 1
    assert not batch.has_room(long)
