"""Calls as rows: which join, who owns a token, what is trained on."""

from __future__ import annotations

import random

from training.rollouts.calls import Call, rows


def call(prompt: list[int], completion: list[int], number: int = 1, temperature: float = 1.0) -> Call:
    return Call(number, prompt, completion, [-float(t) for t in completion], temperature)


def test_a_call_that_continues_the_tokens_joins_their_row() -> None:
    made = rows([call([1, 2], [5, 3]), call([1, 2, 5, 3, 7, 8], [9, 3], 2), call([1, 2, 40], [11, 3], 3)])
    assert [(r.prompt, r.completion) for r in made] == [([1, 2], [5, 3, 7, 8, 9, 3]), ([1, 2, 40], [11, 3])]
    assert made[0].owners == [0, 0, None, None, 1, 1]
    assert made[0].logps == [-5.0, -3.0, 0.0, 0.0, -9.0, -3.0]
    assert made[0].of_calls([0.5, -1.0, 2.0]) == [0.5, 0.5, 0.0, 0.0, -1.0, -1.0]
    assert made[1].of_calls([0.5, -1.0, 2.0]) == [2.0, 2.0]


def test_a_call_of_other_tokens_opens_a_row() -> None:
    first = call([1, 2], [5, 3])
    for other in (
        call([1, 2], [5, 3]),  # the same question again
        call([1, 2, 5], [6]),  # what was sampled is not all in it
        call([1, 2, 5, 4], [6]),  # another last token: a template that drops the end
        call([2, 1, 2, 5, 3], [6]),
        call([1, 2, 5, 3], [6], temperature=0.5),  # one row has one temperature
    ):
        assert len(rows([first, other])) == 2


def test_a_call_without_a_token_makes_no_row_and_keeps_the_numbers_of_the_others() -> None:
    made = rows([call([1], []), call([1], [4]), call([1, 4, 5], [])])
    assert [(r.prompt, r.completion, r.owners) for r in made] == [([1], [4], [1])]


def test_every_token_of_every_call_is_in_exactly_one_place() -> None:
    rng = random.Random(3)
    for _ in range(200):
        calls: list[Call] = []
        for number in range(rng.randint(1, 6)):
            before = calls[-1].prompt + calls[-1].completion if calls and rng.random() < 0.6 else []
            prompt = before + [rng.randrange(4) for _ in range(rng.randint(0, 3))] or [1]
            calls.append(call(prompt, [rng.randrange(4) for _ in range(rng.randint(0, 4))], number + 1))
        found: dict[int, list[int]] = {}
        for row in rows(calls):
            assert len(row.completion) == len(row.owners) == len(row.logps)
            for at, owner in enumerate(row.owners):
                if owner is not None:
                    found.setdefault(owner, []).append(row.completion[at])
                    assert (row.prompt + row.completion)[: len(calls[owner].prompt)] == calls[owner].prompt
        assert found == {n: c.completion for n, c in enumerate(calls) if c.completion}
