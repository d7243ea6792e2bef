"""Advantages against a plain-Python calculation and numbers worked by hand."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from training.rollouts.advantages import (
    AdvantageSettings,
    call_advantages,
    process_advantages,
)
from training.rollouts.calls import Call

NAN = math.nan


def plainly(rewards: list[list[float]], s: AdvantageSettings) -> list[list[float]]:
    """The same, written out as sums over lists."""
    rounds = len(rewards[0])
    held: list[list[float | None]] = []
    for row in rewards:
        out: list[float | None] = []
        for value in row:
            if not math.isnan(value):
                out.append(value)
            else:
                out.append(out[-1] if s.hold and out else None)
        held.append(out)
    every = [v for row in held for v in row if v is not None]
    mean = sum(every) / len(every) if every else 0.0
    std = math.sqrt(sum((v - mean) ** 2 for v in every) / len(every)) if every else 0.0
    if std < 1e-8:
        divisor = math.inf
    elif s.scale == "floor":
        divisor = std if std > s.floor else s.floor
    elif s.scale == "std":
        divisor = std + 1e-4
    elif s.scale == "skip":
        divisor = math.inf if std < s.floor else std + 1e-4
    else:
        divisor = 1.0
    table = []
    for given, row in zip(rewards, held, strict=True):
        line = []
        for m in range(1, rounds + 1):
            total = 0.0
            for j in range(1, rounds + 1):
                value = row[j - 1]
                counts = j > s.T and (s.form == "literal" or j >= m)
                if counts and value is not None:
                    total += s.k**j * (value - mean) / divisor
            line.append(0.0 if math.isnan(given[m - 1]) else total)
        table.append(line)
    if s.center == "round":
        for m in range(rounds):
            played = [i for i in range(len(rewards)) if not math.isnan(rewards[i][m])]
            middle = sum(table[i][m] for i in played) / len(played) if played else 0.0
            for i in played:
                table[i][m] -= middle
    if s.limit is not None:
        table = [[max(-s.limit, min(s.limit, v)) for v in line] for line in table]
    return table


@pytest.mark.parametrize("form", ["subsequent", "literal"])
@pytest.mark.parametrize("scale", ["floor", "std", "skip", "none"])
@pytest.mark.parametrize("hold", [True, False])
@pytest.mark.parametrize("center", ["none", "round"])
@pytest.mark.parametrize("limit", [None, 0.7])
def test_every_setting_equals_the_sums_written_out(form, scale, hold, center, limit) -> None:  # type: ignore[no-untyped-def]
    rng = random.Random(f"{form}{scale}{hold}{center}{limit}")
    for _ in range(12):
        candidates, rounds = rng.randint(1, 5), rng.randint(1, 6)
        settings = AdvantageSettings(
            rng.choice([1.0, 1.1, 1.5]), rng.randrange(rounds), form, scale, 0.1, hold, center, limit
        )
        table = []
        for _ in range(candidates):
            played = rng.randint(0, rounds)
            spread = rng.choice([1.0, 0.001])
            table.append([rng.random() * spread if m < played else NAN for m in range(rounds)])
        found = process_advantages(table, settings)
        assert np.allclose(found.values, plainly(table, settings), atol=1e-9), (table, settings)


def test_eq_4_by_hand() -> None:
    # R = {0, 1, 1, 0}: mean 0.5, std 0.5; so each reward is ±1, and k = 2 weighs round 1 by 2, round 2 by 4.
    settings = AdvantageSettings(k=2.0, T=0, scale="none")
    doubled = process_advantages([[0.0, 1.0], [1.0, 0.0]], settings).values * 2
    assert doubled.tolist() == [[-2 + 4, 4], [2 - 4, -4]]
    floor = process_advantages([[0.0, 1.0], [1.0, 0.0]], AdvantageSettings(k=2.0, T=0))
    assert floor.values.tolist() == doubled.tolist()
    literal = process_advantages([[0.0, 1.0], [1.0, 0.0]], AdvantageSettings(k=2.0, T=1, form="literal"))
    assert literal.values.tolist() == [[4, 4], [-4, -4]]
    subsequent = process_advantages([[0.0, 1.0], [1.0, 0.0]], AdvantageSettings(k=2.0, T=1))
    assert subsequent.values.tolist() == literal.values.tolist()  # in two rounds only the last one counts


def test_in_the_papers_setting_the_first_four_rounds_have_the_same_advantage() -> None:
    rng = random.Random(1)
    table = [[rng.random() for _ in range(10)] for _ in range(5)]
    values = process_advantages(table, AdvantageSettings(scale="std")).values
    assert np.allclose(values[:, 0], values[:, 3])
    assert not np.allclose(values[:, 3], values[:, 4])


def test_solving_at_once_is_worth_more_than_solving_late() -> None:
    early = [1.0] + [NAN] * 9
    late = [0.0] * 5 + [1.0] + [NAN] * 4
    never = [0.0] * 10
    held = process_advantages([early, late, never]).values
    assert held[0, 0] > held[1, 0] > 0 > held[2, 0]
    lost = process_advantages([early, late, never], AdvantageSettings(hold=False)).values
    assert lost[0, 0] == 0.0  # what holding is for
    assert lost[1, 0] > 0.0


def test_a_candidate_that_was_dropped_counts_for_nothing() -> None:
    some = process_advantages([[0.0, 1.0], [1.0, 1.0]], AdvantageSettings(T=0)).values
    beside = process_advantages([[0.0, 1.0], [NAN, NAN], [1.0, 1.0]], AdvantageSettings(T=0)).values
    assert beside[[0, 2]].tolist() == some.tolist()
    assert beside[1].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("scale", ["floor", "std", "skip", "none"])
def test_a_group_without_a_difference_teaches_nothing(scale) -> None:  # type: ignore[no-untyped-def]
    for table in ([[1.0, 1.0], [1.0, 1.0]], [[0.3, NAN]], [[NAN, NAN]]):
        found = process_advantages(table, AdvantageSettings(T=0, scale=scale))
        assert not found.has_signal
        assert not found.values.any()


def test_a_floor_keeps_small_differences_small() -> None:
    table = [[1.0, 0.9992], [0.9996, 1.0], [1.0, 0.9984]]
    raw = process_advantages(table, AdvantageSettings(T=0, scale="std"))
    floored = process_advantages(table, AdvantageSettings(T=0))
    assert np.abs(raw.values).max() > 1.0
    assert np.abs(floored.values).max() < 0.05
    assert not process_advantages(table, AdvantageSettings(T=0, scale="skip")).has_signal


def test_a_window_without_rounds_is_refused() -> None:
    with pytest.raises(ValueError, match="T = 3 leaves no reward in 3 rounds"):
        process_advantages([[0.0, 0.5, 1.0]], AdvantageSettings(T=3))
    with pytest.raises(ValueError, match="candidates × rounds"):
        process_advantages([0.0, 1.0], AdvantageSettings(T=0))


def test_a_rejected_reply_is_credited_with_its_own_reward_alone() -> None:
    group = process_advantages([[0.0, 1.0], [1.0, 1.0]], AdvantageSettings(k=1.0, T=0))
    calls = [
        Call(1, [1], [2], [0.0], 1.0, "reply", False),
        Call(1, [1], [2], [0.0], 1.0, "repair", True),
        Call(2, [1], [2], [0.0], 1.0, "reply", True),
        Call(2, [1], [2], [0.0], 1.0, "reply", None),
    ]
    found = call_advantages(calls, group, 0, rejected=-0.25)
    mean, std = 0.75, math.sqrt(0.1875)
    assert found[0] == pytest.approx((-0.25 - mean) / std)
    assert found[1:3] == [group.values[0, 0], group.values[0, 1]]
    assert found[3] == 0.0  # its run ended before anybody looked
