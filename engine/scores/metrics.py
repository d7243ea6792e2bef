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
    """The chance that one of `k` samples is right, estimated without bias from `c` right ones of `n`.

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
    """Scores of many problems. `solved` is pass@1, the share with a score of exactly 1; `mean` the mean
    score, such as the share of tests passed or F1: two numbers that are easily taken for each other.

    Both are over the problems that were `scored`; `infra` counts those the sandbox gave no verdict on,
    which are neither right nor wrong. None where nothing was scored.
    """

    solved: float | None
    mean: float | None
    scored: int
    infra: int


def summarise(scores: Sequence[float | None]) -> Summary:
    """The summary of scores in [0, 1]; None is a score the sandbox could not give."""
    known = [score for score in scores if score is not None]
    infra = len(scores) - len(known)
    if not known:
        return Summary(None, None, 0, infra)
    solved = sum(score == 1.0 for score in known) / len(known)
    return Summary(solved, sum(known) / len(known), len(known), infra)


def exact_match(answer: str, reference: str) -> bool:
    """Whether an answer is one of the reference's `|`-separated alternatives, word by word.

    The words are SQuAD's, with numbers compared as numbers (`engine.scores.words`); a hyphen may be a blank,
    as in DROP. Nothing equals nothing: an empty answer matches no reference.
    """
    readings = (pair for hyphens in (True, False) for pair in _pairs(answer, reference, hyphens))
    return any(said == wanted != [] for said, wanted in readings)


def token_f1(answer: str, reference: str) -> float:
    """HotpotQA's F1 over the two bags of words, the best over the reference's `|`-separated alternatives.

    As the official `hotpot_evaluate_v1.py` (github.com/hotpotqa/hotpot), "yes", "no" and "noanswer" on
    either side count as wrong unless they are all of both. The words are those of `exact_match`.

    Only the reference is split at `|`. AFlow's DROP scorer splits the answer too, which gives full marks to
    an answer that lists many guesses.
    """
    if exact_match(answer, reference):
        return 1.0
    return max(_f1(said, wanted) for said, wanted in _pairs(answer, reference))


def alternatives(reference: str) -> list[str]:
    """The answers a reference accepts: what stands between its `|`, or all of it."""
    return [part for part in reference.split("|") if part.strip()] or [reference]


def _pairs(answer: str, reference: str, hyphens: bool = True) -> Iterator[tuple[list[str], list[str]]]:
    """The words of the answer and of each alternative. The sign of a currency or percent is dress, unless
    the other side has another one at the same number: `$5` is 5, and not `€5`.
    """
    signs = units_of(answer)
    for one in alternatives(reference):
        clash = any(signs.get(number, others).isdisjoint(others) for number, others in units_of(one).items())
        said, wanted = (words(text, hyphens=hyphens, units=clash) for text in (answer, one))
        yield said, wanted


def _f1(said: list[str], wanted: list[str]) -> float:
    if said != wanted and (_is_verdict(said) or _is_verdict(wanted)):
        return 0.0
    shared = sum((Counter(said) & Counter(wanted)).values())
    if shared == 0:
        return 0.0
    precision, recall = shared / len(said), shared / len(wanted)
    return 2 * precision * recall / (precision + recall)


def _is_verdict(found: list[str]) -> bool:
    return len(found) == 1 and found[0] in ("yes", "no", "noanswer")


def last_number(text: str) -> Fraction | None:
    """The last number of a text, exactly; None without one, or where it is none (1/0)."""
    last: re.Match[str] | None = None
    for last in NUMBER.finditer(fold(text)):  # noqa: B007
        pass
    return None if last is None else value(last)


def final_number(text: str) -> Fraction | None:
    """The number a worked solution ends in: that of the last line `#### N`, which is how GSM8K marks it, else
    the last in the last `\\boxed{}`, else the last of the text. None without one.
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
    """Whether both end in the same number, to `GSM8K_TOLERANCE`."""
    said, wanted = final_number(answer), final_number(reference)
    return said is not None and wanted is not None and abs(said - wanted) <= GSM8K_TOLERANCE


def last_boxed(text: str) -> str | None:
    r"""What the last `\boxed{…}` of a text holds, braces nested to any depth; None without a closed one.

    Only the end of the text is looked at: a text of nothing but open boxes must not take long.
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
