"""DROP's scores (Dua et al. 2019): F1 over bags of words, spans aligned, numbers compared as numbers.

The rule is that of the official `drop_eval.py` (github.com/allenai/allennlp-reading-comprehension): words are
split at hyphens too, a bag holds each word once, a bag without any of the reference's numbers scores 0,
several spans are aligned one to one so that the sum is best, and the mean is over the longer side.
`docs/benchmarks.md` says where ours differs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from engine.scores.numerals import NUMBER, fold
from engine.scores.words import is_number, words

_SEPARATOR = re.compile(r"[,;\n]|\band\b", re.IGNORECASE)
_BULLET = re.compile(r"^[ \t]*(?:[-*•]|\d{1,3}[.)])[ \t]+", re.MULTILINE)
_COMMA = "\ue020"  # one inside a number; in no input, because `fold` drops characters for private use
_MOST_SPANS = 1000  # of an answer are compared, since alignment is cubic; the mean is still over all it has


def drop_scores(answer: str, accepted: Sequence[Sequence[str]]) -> tuple[float, bool]:
    """(F1 in [0, 1], exact match), each the best over the `accepted` answers, of one or several spans each.

    An answer is one span. Where an accepted one has several, the answer is also read as a list, split at
    commas, semicolons, lines and "and", and the better reading counts.
    """
    best_f1, exact = 0.0, False
    for reference in accepted:
        for spans in [[answer]] + ([_spans(answer)] if len(reference) > 1 else []):
            f1, same = _compare(spans, reference)
            best_f1, exact = max(best_f1, f1), exact or same
    return best_f1, exact


def _compare(spans: Sequence[str], reference: Sequence[str]) -> tuple[float, bool]:
    answered = [words(span, hyphens=False) for span in spans[:_MOST_SPANS]]
    expected = [words(span, hyphens=False) for span in reference]
    if not all(answered) or not all(expected):
        return 0.0, False
    same = len(spans) == len(reference) and set(map(tuple, answered)) == set(map(tuple, expected))
    table = [[_f1(set(one), set(other)) for one in answered] for other in expected]
    return _best_sum(table) / max(len(spans), len(reference)), same


def _f1(answered: set[str], expected: set[str]) -> float:
    """F1 of two bags of words; 0 where numbers are expected and none of them is answered."""
    numbers = {word for word in expected if is_number(word)}
    shared = len(answered & expected)
    if not shared or (numbers and not numbers & answered):
        return 0.0
    precision, recall = shared / len(answered), shared / len(expected)
    return 2 * precision * recall / (precision + recall)


def _best_sum(table: list[list[float]]) -> float:
    """The largest sum of entries no two of which share a row or a column."""
    if len(table) == 1:
        return max(table[0])
    from scipy.optimize import linear_sum_assignment  # heavy, and most answers are one span

    rows, columns = linear_sum_assignment(table, maximize=True)
    return float(sum(table[row][column] for row, column in zip(rows, columns, strict=True)))


def _spans(text: str) -> list[str]:
    """The items of a list, split at the separators that are not inside a number."""
    marked = NUMBER.sub(lambda number: number[0].replace(",", _COMMA), _BULLET.sub("", fold(text)))
    items = [item.strip().replace(_COMMA, ",") for item in _SEPARATOR.split(marked)]
    return [item for item in items if item] or [text]
