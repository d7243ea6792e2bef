"""Preference pairs: two replies to one prompt, of which one scored higher.

ScoreFlow (Wang et al., 2025, Section 3.2): of all pairs with s_w > s_l, as many as asked for are drawn with
replacement, with probability proportional to d(s_w, s_l) = (s_w - s_l)^3 (the release). Replies are compared
only where the whole prompt is the same: first rounds of runs on one problem pair, while later ones, whose
history differs, do not. Replies that cannot run, or have no score, are in no pair.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from random import Random

from engine.variants.scoreflow_pairs import pair_weight
from training.data.attempts import attempts
from training.data.candidates import ABOUT, PROMPT, Candidate, Choosing, KindOfData, Reading, Row, key
from training.data.options import BuildOptions, DataError

MOST_PAIRS = 1_000_000  # where every pair is asked for, more than this are refused
COLUMNS = {
    **PROMPT,
    "chosen": ("answer", "the preferred reply: {reasoning, reply}"),
    "rejected": ("answer", "the other one"),
    "score_chosen": ("float64", "s_w, in [0, 1]"),
    "score_rejected": ("float64", "s_l, in [0, 1]"),
    "weight": ("float64", "(s_w - s_l)^3, in proportion to which pairs were drawn"),
    "problem": ABOUT["problem"],
    "benchmark": ABOUT["benchmark"],
    "meta_agent": ABOUT["meta_agent"],
    "run_chosen": ("string", "the run of the preferred reply"),
    "run_rejected": ("string", "the run of the other one"),
}


def find(reading: Reading) -> Iterator[Candidate]:
    """The replies of one run that have a score, one candidate each, in groups of equal prompts."""
    options, dropped = reading.options, reading.dropped
    for attempt in attempts(reading.trajectory, reading.scores, strict=options.strict, dropped=dropped):
        if attempt.score is None:
            dropped["not-scored"] += 1
            continue
        answer = attempt.call.answered
        row = {
            "prompt": attempt.prompt,
            "answer": {"reasoning": answer.reasoning, "reply": answer.text},
            "score": attempt.score,
            **reading.about(attempt),
        }
        group = key(attempt.prompt)
        yield Candidate(row, reading.same(attempt, group), attempt.score, group)


def choose(candidates: Choosing, options: BuildOptions) -> Iterator[Row]:
    """The drawn pairs, one row each time a pair was drawn; or, for `pairs` 0, every pair once.

    Raises DataError where every pair is asked for and they are more than `MOST_PAIRS`.
    """
    groups = [_ByScore(group) for group in candidates.scored_groups()]
    if options.pairs:
        numbers = _drawn(groups, options.pairs, options.seed)
    else:
        total = sum(group.pairs for group in groups)
        if total > MOST_PAIRS:
            raise DataError(f"there are {total:,} pairs; draw some of them with --pairs N")
        numbers = (pair for group in groups for pair in group.all())
    for winner, loser in numbers:
        yield _pair(candidates.row(winner), candidates.row(loser))


class _ByScore:
    """The replies to one prompt, by score: there are few different scores, and many replies may share one."""

    def __init__(self, replies: Sequence[tuple[float, int]]) -> None:
        """`replies` are (score, number)."""
        self._of: dict[float, list[int]] = {}
        for score, number in replies:
            self._of.setdefault(score, []).append(number)
        scores = sorted(self._of)
        self._kinds = [(winner, loser) for winner in scores for loser in scores if winner > loser]
        counts = [len(self._of[winner]) * len(self._of[loser]) for winner, loser in self._kinds]
        self.pairs = sum(counts)
        self._sums = list(
            accumulate(
                count * pair_weight(winner, loser)
                for count, (winner, loser) in zip(counts, self._kinds, strict=True)
            )
        )

    @property
    def weight(self) -> float:
        """The sum of all its pairs' weights."""
        return self._sums[-1] if self._sums else 0.0

    def draw(self, rng: Random) -> tuple[int, int]:
        """One pair (winner, loser), drawn in proportion to its weight."""
        winner, loser = self._kinds[_place(self._sums, rng)]
        return rng.choice(self._of[winner]), rng.choice(self._of[loser])

    def all(self) -> Iterator[tuple[int, int]]:
        for winner, loser in self._kinds:
            yield from ((better, worse) for better in self._of[winner] for worse in self._of[loser])


def _drawn(groups: Sequence[_ByScore], count: int, seed: int) -> Iterator[tuple[int, int]]:
    groups = [group for group in groups if group.weight > 0]
    if not groups:
        return
    rng, sums = Random(seed), list(accumulate(group.weight for group in groups))
    for _ in range(count):
        yield groups[_place(sums, rng)].draw(rng)


def _place(sums: Sequence[float], rng: Random) -> int:
    """An index, drawn in proportion to its part of the running `sums`."""
    return min(bisect_right(sums, rng.random() * sums[-1]), len(sums) - 1)


def _pair(winner: Row, loser: Row) -> Row:
    return {
        "prompt": winner["prompt"],
        "chosen": winner["answer"],
        "rejected": loser["answer"],
        "score_chosen": winner["score"],
        "score_rejected": loser["score"],
        "weight": pair_weight(winner["score"], loser["score"]),
        "problem": winner["problem"],
        "benchmark": winner["benchmark"],
        "meta_agent": winner["meta_agent"],
        "run_chosen": winner["run"],
        "run_rejected": loser["run"],
    }


def _texts(row: Row) -> list[str]:
    prompt_texts = [message["content"] for message in row["prompt"]]
    answers = [row[name] for name in ("answer", "chosen", "rejected") if name in row]
    return prompt_texts + [text for answer in answers for text in (answer["reasoning"], answer["reply"])]


def _answers(row: Row) -> list[Row]:
    return [{"prompt": row["prompt"], **row[name]} for name in ("chosen", "rejected")]


DPO = KindOfData(
    COLUMNS, find, choose, _texts, _answers, nothing="no two replies to one prompt in them differ in score"
)
