"""Metrics as pure functions of numbers and text; nothing here runs or parses an answer as code."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from engine.scores.numerals import NUMBER, fold, value
from engine.scores.words import units_of, words

GSM8K_TOLERANCE = Fraction(1, 10**6)  # AFlow's scorer
_HEADING = re.compile(r"[.):]\s*\w")
_BOX_WITHIN, _BOXES = 20_000, 20  # characters and boxes from the end
_BOXED = re.compile(r"\\(?:boxed|fbox)\s*")


def pass_at_k(n: int, c: int, k: int) -> float:
    """The chance that at least one of `k` samples is right, estimated without bias from `c` right ones of
    `n`.

    1 - C(n-c, k) / C(n, k), which is 1 where fewer than `k` are wrong; for k = 1 it is c/n (Chen et al.
    2021, "Evaluating Large Language Models Trained on Code", Section 2.1).

    Raises:
        ValueError: not 0 ≤ c ≤ n, or not 1 ≤ k ≤ n.
    """
    if not 0 <= c <= n or not 1 <= k <= n:
        raise ValueError(f"pass@k needs 0 ≤ c ≤ n and 1 ≤ k ≤ n, not n={n}, c={c}, k={k}")
    return 1.0 - math.comb(n - c, k) / math.comb(n, k)


@dataclass(frozen=True)
class Summary:
    """Scores of many problems. `solved` is pass@1, the share in [0, 1] of problems with a score of exactly 1.
    `mean` is the mean score, such as the share of tests passed or F1; the two are easily confused.

    Both are over the problems that were `scored`, and None where there is none. `infra` counts the problems
    on which the sandbox gave no verdict, which are neither right nor wrong.
    """

    solved: float | None
    mean: float | None
    scored: int
    infra: int


def summarise(scores: Sequence[float | None]) -> Summary:
    """The summary of scores in [0, 1]; a score of None is one the sandbox could not give."""
    scored = [score for score in scores if score is not None]
    infra = len(scores) - len(scored)
    if not scored:
        return Summary(None, None, 0, infra)
    solved = sum(score == 1.0 for score in scored) / len(scored)
    return Summary(solved, sum(scored) / len(scored), len(scored), infra)


def exact_match(answer: str, reference: str) -> bool:
    """Whether an answer is one of the reference's `|`-separated alternatives, word by word.

    The words are SQuAD's, with numbers compared as numbers (`engine.scores.words`); a hyphen may be a blank,
    as in DROP. An empty answer matches no reference, not even an empty one.
    """
    readings = (pair for hyphens in (True, False) for pair in _pairs(answer, reference, hyphens))
    return any(answered == expected != [] for answered, expected in readings)


def token_f1(answer: str, reference: str) -> float:
    """HotpotQA's F1 in [0, 1] of two bags of words, the best over the reference's `|`-separated alternatives.

    As in the official `hotpot_evaluate_v1.py` (github.com/hotpotqa/hotpot), where one side is just "yes",
    "no" or "noanswer" and the other side differs, the F1 is 0. The words are those of `exact_match`.

    Only the reference is split at `|`. AFlow's DROP scorer splits the answer too, which gives full marks to
    an answer that lists many guesses.
    """
    if exact_match(answer, reference):
        return 1.0
    return max(_f1(answered, expected) for answered, expected in _pairs(answer, reference))


def alternatives(reference: str) -> list[str]:
    """The answers that a reference accepts: its parts between `|`, blank ones left out; all of it where there
    is no other.
    """
    return [part for part in reference.split("|") if part.strip()] or [reference]


def _pairs(answer: str, reference: str, hyphens: bool = True) -> Iterator[tuple[list[str], list[str]]]:
    """The words of the answer and of each alternative. The sign of a currency or percent does not count,
    unless the other side has another one at the same number: `$5` equals 5, but not `€5`.
    """
    signs = units_of(answer)
    for one in alternatives(reference):
        clash = any(signs.get(number, others).isdisjoint(others) for number, others in units_of(one).items())
        answered, expected = (words(text, hyphens=hyphens, units=clash) for text in (answer, one))
        yield answered, expected


def _f1(answered: list[str], expected: list[str]) -> float:
    if answered != expected and (_is_verdict(answered) or _is_verdict(expected)):
        return 0.0
    shared = sum((Counter(answered) & Counter(expected)).values())
    if shared == 0:
        return 0.0
    precision, recall = shared / len(answered), shared / len(expected)
    return 2 * precision * recall / (precision + recall)


def _is_verdict(bag: list[str]) -> bool:
    return len(bag) == 1 and bag[0] in ("yes", "no", "noanswer")


def last_number(text: str) -> Fraction | None:
    """The last number of a text, exactly; None without one, or where the last has no value (1/0)."""
    last: re.Match[str] | None = None
    for last in NUMBER.finditer(fold(text)):  # noqa: B007
        pass
    return None if last is None else value(last)


def final_number(text: str) -> Fraction | None:
    """The number that a worked solution ends in: that of the last line `#### N`, GSM8K's mark of an answer;
    else the last in the last `\\boxed{}`; else the last of the text. None without any.
    """
    marked, boxed = _marked_number(text), last_boxed(text)
    if marked is None and boxed is not None:
        marked = last_number(boxed)
    return last_number(text) if marked is None else marked


def _marked_number(text: str) -> Fraction | None:
    """The number of the last line `#### N`, whatever it counts; `#### 1. Add the apples` is a heading."""
    for line in reversed(text.splitlines()):
        if line.lstrip("> *_").startswith("####"):
            rest = fold(line.partition("####")[2]).lstrip("* ")
            number = NUMBER.match(rest)
            if number and not _HEADING.match(rest, number.end()):
                return value(number)
    return None


def same_last_number(answer: str, reference: str) -> bool:
    """Whether both end in the same number, within `GSM8K_TOLERANCE`; False where one has none."""
    stated, expected = final_number(answer), final_number(reference)
    return stated is not None and expected is not None and abs(stated - expected) <= GSM8K_TOLERANCE


def last_boxed(text: str) -> str | None:
    r"""What the last `\boxed{…}` or `\fbox{…}` of a text holds, braces nested to any depth; None without a
    closed one.

    Only the last 20,000 characters and 20 boxes are looked at: a text of nothing but open boxes must not take
    long.
    """
    text = text[-_BOX_WITHIN:]
    for match in list(_BOXED.finditer(text))[: -_BOXES - 1 : -1]:
        start = match.end()
        if text[start : start + 1] != "{":
            continue
        depth = 0
        for at in range(start, len(text)):
            depth += {"{": 1, "}": -1}.get(text[at], 0) if text[at - 1] != "\\" else 0
            if depth == 0:
                return text[start + 1 : at].strip()
    return None
