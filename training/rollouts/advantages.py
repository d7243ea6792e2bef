"""Process advantages of a group of rollouts: FlowReasoner's Eq. 4, and what it leaves open as settings.

The paper normalises the reward of round j of candidate i as

    r~_j(i) = k^j * (r_j(i) - mean(R)) / std(R)

with R the rewards of all rounds of all candidates of one query, and gives the tokens of round m the advantage
sum over j > T of r~_j(i), with k = 1.1 and T = 3. What is ours: as printed the sum does not depend on m,
while the text says "subsequent" rewards; a candidate that stops early has no rounds after T to be rewarded
for; std(R) has no floor; and the sum has no reason to be centred where rounds improve.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.rollouts.calls import Call

_TINY = 1e-8  # a smaller deviation is a rounding error
_EPSILON = 1e-4  # added to the deviation where it has no floor, as TRL does


@dataclass(frozen=True)
class AdvantageSettings:
    """How rewards become advantages. `k` and `T` are the paper's.

    `form`: "subsequent" sums the rounds from max(m, T + 1) on, "literal" those after T for every m.
    `scale`: the deviation is divided by "floor": max(std, `floor`); "std": std, as the paper does, with
    groups of almost equal rewards blown up to full size; "skip": std, and nothing is learned from groups
    whose std is below `floor`; "none": not at all. `floor` is in units of reward.
    `hold`: a candidate that stopped early holds its last reward over the rounds it did not play.
    `center`: "round" takes from each round's advantages their mean over the candidates that played it.
    `limit` bounds an advantage's size; None does not.
    """

    k: float = 1.1
    T: int = 3
    form: Literal["subsequent", "literal"] = "subsequent"
    scale: Literal["floor", "std", "skip", "none"] = "floor"
    floor: float = 0.1
    hold: bool = True
    center: Literal["none", "round"] = "none"
    limit: float | None = None


@dataclass(frozen=True)
class Advantages:
    """`values` are candidates × rounds, 0 where a round was not played. `mean` and `std` are of the group's
    rewards; `scale` is 1 / what deviations are divided by, 0 for a group without a signal.
    """

    values: NDArray[np.float64]
    mean: float
    std: float
    scale: float
    settings: AdvantageSettings

    @property
    def has_signal(self) -> bool:
        """Whether there is anything to learn from the group."""
        return bool(np.any(self.values))

    def own(self, reward: float, round_number: int) -> float:
        """The advantage of a reply that is credited with `reward` alone; `round_number` counts from 1."""
        value = self.settings.k**round_number * (reward - self.mean) * self.scale
        return float(_limited(np.asarray(value), self.settings))


def process_advantages(rewards: ArrayLike, settings: AdvantageSettings = AdvantageSettings()) -> Advantages:
    """The advantages of one group (FlowReasoner, Equation 4).

    `rewards` are candidates × rounds, NaN where a round was not played; a row of NaN is a candidate that was
    dropped, and counts for nothing. Raises ValueError where `rewards` has another shape, or no round comes
    after T.
    """
    array = np.asarray(rewards, dtype=np.float64)
    if array.ndim != 2:
        raise ValueError(f"rewards are candidates × rounds, not an array of {array.ndim} dimensions")
    rounds = array.shape[1]
    if rounds <= settings.T:
        raise ValueError(
            f"T = {settings.T} leaves no reward in {rounds} rounds: take a smaller T or more rounds"
        )
    played = ~np.isnan(array)
    filled = _held(array) if settings.hold else array
    counted = filled[~np.isnan(filled)]
    mean = float(counted.mean()) if counted.size else 0.0
    std = float(counted.std()) if counted.size else 0.0
    scale = _scale(std, settings)
    number = np.arange(1, rounds + 1)
    weighed = np.where(np.isnan(filled), 0.0, settings.k**number * (filled - mean) * scale) * (
        number > settings.T
    )
    if settings.form == "literal":
        sums = np.repeat(weighed.sum(1, keepdims=True), rounds, axis=1)
    else:
        sums = weighed[:, ::-1].cumsum(1)[:, ::-1]
    values = np.where(played, sums, 0.0)
    if settings.center == "round":
        count = np.maximum(played.sum(0), 1)
        values = np.where(played, values - values.sum(0) / count, 0.0)
    return Advantages(_limited(values, settings), mean, std, scale, settings)


def call_advantages(calls: Sequence[Call], group: Advantages, candidate: int, rejected: float) -> list[float]:
    """An advantage for each of `calls`, those of the group's candidate with the index `candidate`.

    A reply that gave the round's workflow has its round's, and so has a repair turn whatever came of it. A
    first reply that could not run is credited with the reward `rejected` alone: what its repair earned and
    what later rounds did is not its doing. A call whose reply was never looked at has 0.
    """
    out: list[float] = []
    for call in calls:
        if call.valid is None or call.round > group.values.shape[1]:
            out.append(0.0)
        elif not call.valid and call.turn == "reply":
            out.append(group.own(rejected, call.round))
        else:
            out.append(float(group.values[candidate, call.round - 1]))
    return out


def _held(rewards: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each candidate's rewards, the last one repeated over the rounds behind it."""
    out = rewards.copy()
    for row in out:
        played = np.flatnonzero(~np.isnan(row))
        if played.size:
            row[played[-1] + 1 :] = row[played[-1]]
    return out


def _scale(std: float, settings: AdvantageSettings) -> float:
    if std < _TINY:
        return 0.0
    match settings.scale:
        case "floor":
            return 1 / max(std, settings.floor)
        case "std":
            return 1 / (std + _EPSILON)
        case "skip":
            return 0.0 if std < settings.floor else 1 / (std + _EPSILON)
        case "none":
            return 1.0


def _limited(values: NDArray[np.float64], settings: AdvantageSettings) -> NDArray[np.float64]:
    return values if settings.limit is None else np.clip(values, -settings.limit, settings.limit)
