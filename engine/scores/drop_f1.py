"""DROP's scores (Dua et al. 2019): F1 over bags of words, spans aligned, numbers compared as numbers.

The rule is that of the official `drop_eval.py` (github.com/allenai/allennlp-reading-comprehension): words are
parted at hyphens too, a bag holds each word once, a bag without one of the reference's numbers scores 0,
several spans are aligned one to one so that the sum is best, and the mean is over the longer side. Where it
differs stands in `docs/benchmarks.md`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from engine.scores.numerals import NUMBER, fold
from engine.scores.words import is_number, words

_SEPARATOR = re.compile(r"[,;\n]|\band\b", re.IGNORECASE)
_BULLET = re.compile(r"^[ \t]*(?:[-*•]|\d{1,3}[.)])[ \t]+", re.MULTILINE)
_COMMA = "\ue020"  # one inside a number; in no input, because `fold` drops characters for private use
_MOST_SPANS = 1000  # of an answer; the mean is over all it has


def drop_scores(answer: str, accepted: Sequence[Sequence[str]]) -> tuple[float, bool]:
    """(F1, exact match), the best over the `accepted` answers, each one or several spans.

    An answer is one span. Where an accepted one has several, it is read as a list too, parted at commas,
    semicolons, lines and "and", and the better reading counts.
    """
    best_f1, exact = 0.0, False
    for wanted in accepted:
        for said in [[answer]] + ([_spans(answer)] if len(wanted) > 1 else []):
            f1, same = _compare(said, wanted)
            best_f1, exact = max(best_f1, f1), exact or same
    return best_f1, exact


def _compare(said: Sequence[str], wanted: Sequence[str]) -> tuple[float, bool]:
    said_words = [words(span, hyphens=False) for span in said[:_MOST_SPANS]]
    wanted_words = [words(span, hyphens=False) for span in wanted]
    if not all(said_words) or not all(wanted_words):
        return 0.0, False
    same = len(said) == len(wanted) and set(map(tuple, said_words)) == set(map(tuple, wanted_words))
    table = [[_f1(set(one), set(other)) for one in said_words] for other in wanted_words]
    return _best_sum(table) / max(len(said), len(wanted)), same


def _f1(said: set[str], wanted: set[str]) -> float:
    """F1 of two bags; 0 without one of the numbers that are wanted."""
    numbers = {word for word in wanted if is_number(word)}
    shared = len(said & wanted)
    if not shared or (numbers and not numbers & said):
        return 0.0
    precision, recall = shared / len(said), shared / len(wanted)
    return 2 * precision * recall / (precision + recall)


def _best_sum(table: list[list[float]]) -> float:
    """The largest sum of entries no two of which share a row or a column."""
    if len(table) == 1:
        return max(table[0])
    from scipy.optimize import linear_sum_assignment  # heavy, and most answers are one span

    rows, columns = linear_sum_assignment(table, maximize=True)
    return float(sum(table[row][column] for row, column in zip(rows, columns, strict=True)))


def _spans(text: str) -> list[str]:
    """A list's items: what stands between separators that are not inside a number."""
    marked = NUMBER.sub(lambda number: number[0].replace(",", _COMMA), _BULLET.sub("", fold(text)))
    items = [item.strip().replace(_COMMA, ",") for item in _SEPARATOR.split(marked)]
    return [item for item in items if item] or [text]
