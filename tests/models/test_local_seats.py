"""Answers that join a batch take the places of those that are done: nothing else of the cache is copied."""

from __future__ import annotations

import random
from typing import Any

import pytest

from engine.models.local.attention import seats
from engine.models.local.sampling import Choice
from engine.models.local.text import TextStream
from engine.models.local.weights import Weights
from tests.support.tiny_llama import make_tiny_llama


@pytest.mark.parametrize(
    ("lengths", "free", "new", "places"),
    [
        ([900, 300, 260, 100], [1], [280], [1]),
        ([900, 300, 260, 100], [0, 2], [270], [0]),  # where the longest has gone, groups become fewer
        ([900, 300, 260, 100], [0, 2], [800, 400], [0, 2]),
        ([900, 300, 260, 100], [3], [90, 80], None),  # more than have gone
        ([900, 300, 260, 100], [], [90], None),
        ([], [], [90], None),
        ([500, 100] * 8, [0], [400], None),  # in no order already: better made anew
    ],
)
def test_like_lengths_stay_neighbours(
    lengths: list[int], free: list[int], new: list[int], places: list[int] | None
) -> None:
    assert seats(lengths, free, new) == places


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Weights:
    return Weights.load("tiny", str(make_tiny_llama(tmp_path_factory.mktemp("tiny"), context=1024)), "cpu")


def row(number: int) -> Any:
    """An answer, drawn or greedy, of a length of its own to a prompt of its own."""
    from engine.models.local.row import DecodingRow

    draw = random.Random(number)
    prompt = [draw.randrange(3, 250) for _ in range(draw.choice([3, 20, 90, 200, 400]))]
    stream = TextStream(lambda _: "", (), thinking=False)
    return DecodingRow(prompt, draw.randrange(2, 60), Choice(0.9 if number % 2 else 0.0), number, stream)


def step(batch: Any) -> None:
    for one, _ in batch.step():
        if one.finish:
            batch.drop(one)


def alone(weights: Weights, number: int) -> list[int]:
    from engine.models.local.batch import Batch

    batch, one = Batch(weights), row(number)
    batch.admit([one])
    while one.finish is None:
        step(batch)
    return one.tokens


def test_who_comes_for_one_that_has_gone_says_what_it_says_alone(
    weights: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.models.local import batch as module

    copied: list[int] = []
    join = module.join
    monkeypatch.setattr(module, "join", lambda *args: copied.append(1) or join(*args))
    batch, draw = module.Batch(weights), random.Random(3)
    rows = [row(number) for number in range(60)]
    waiting, came = list(rows), 0
    while waiting or batch.live:
        while waiting and 12 - len(batch.live) > draw.randrange(4):
            for one, _ in batch.admit([waiting.pop(0)]):
                if one.finish:
                    batch.drop(one)
            came += 1
        if batch.live:
            step(batch)
    assert came == 60
    assert len(copied) < 2 * came / 3  # with the first 12, and those that came when too many were done
    assert [one.tokens for one in rows] == [alone(weights, number) for number in range(60)]


def test_a_cache_is_made_anew_once_much_of_it_is_needed_by_nobody(weights: Weights) -> None:
    """Who takes another's place keeps the cache as wide as it is, and each token adds a column."""
    from engine.models.local.batch import Batch

    batch, number, widest = Batch(weights), 0, 0
    while number < 80:
        while len(batch.live) < 6:
            one = row(number)
            one.prompt = one.prompt[:20]
            batch.admit([one])
            number += 1
        step(batch)
        longest = max((len(one.prompt) + one.made for one in batch.live), default=0)
        widest = max(widest, batch._columns - longest)
    # At most what is allowed when one joins, and the longest answer's tokens until the next one does.
    assert widest <= 128 + 60
