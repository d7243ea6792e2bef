"""Metrics as pure functions of numbers and text; nothing here runs or parses an answer as code."""

from __future__ import annotations

import math
import re
import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

GSM8K_TOLERANCE = 1e-6  # AFlow's scorer
_NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|(?<![\w.])[-+]?\.\d+")
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


def normalised(text: str) -> str:
    """Text as SQuAD compares it: lower case, without punctuation and articles (Rajpurkar et al. 2016)."""
    kept = "".join(c for c in text.lower() if c not in string.punctuation)
    return " ".join(word for word in kept.split() if word not in ("a", "an", "the"))


def exact_match(answer: str, reference: str) -> bool:
    """Whether an answer is one of the reference's `|`-separated alternatives, compared as SQuAD does."""
    return normalised(answer) in {normalised(one) for one in alternatives(reference)}


def token_f1(answer: str, reference: str) -> float:
    """SQuAD's F1 over the two bags of words, the best over the reference's `|`-separated alternatives.

    Only the reference is split at `|`. AFlow's DROP scorer splits the answer too, which gives full marks to
    an answer that lists many guesses.
    """
    return max(_f1(answer, one) for one in alternatives(reference))


def alternatives(reference: str) -> list[str]:
    """The answers a reference accepts: what stands between its `|`, or all of it."""
    return [part for part in reference.split("|") if part.strip()] or [reference]


def _f1(answer: str, reference: str) -> float:
    said, wanted = normalised(answer).split(), normalised(reference).split()
    if not said or not wanted:
        return float(said == wanted)
    shared = sum((Counter(said) & Counter(wanted)).values())
    if shared == 0:
        return 0.0
    precision, recall = shared / len(said), shared / len(wanted)
    return 2 * precision * recall / (precision + recall)


def last_number(text: str) -> float | None:
    """The last number of a text, thousands separators understood; None without one (GSM8K's rule)."""
    numbers = _NUMBER.findall(text)
    return float(numbers[-1].replace(",", "")) if numbers else None


def same_last_number(answer: str, reference: str, tolerance: float = GSM8K_TOLERANCE) -> bool:
    """Whether both end in the same number: |a - b| ≤ `tolerance`, as AFlow scores GSM8K."""
    said, wanted = last_number(answer), last_number(reference)
    return said is not None and wanted is not None and abs(said - wanted) <= tolerance


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
