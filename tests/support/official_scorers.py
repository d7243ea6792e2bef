"""What the benchmarks' official scripts compute, written anew from reading them; only tests use this.

HotpotQA: `hotpot_evaluate_v1.py` of github.com/hotpotqa/hotpot. DROP: `allennlp_rc/eval/drop_eval.py` of
github.com/allenai/allennlp-reading-comprehension. GSM8K: `grade_school_math/dataset.py` of
github.com/openai/grade-school-math, and AFlow's scorer, which most figures of workflow papers are of. MATH:
`modeling/math_equivalence.py` of github.com/hendrycks/math.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence
from itertools import permutations

_PUNCTUATION = re.compile(f"[{re.escape(string.punctuation)}]")
_ARTICLE = re.compile(r"\b(?:a|an|the)\b")


def squad_words(text: str) -> list[str]:
    """SQuAD's normal form, which HotpotQA uses: lower case, no ASCII punctuation, then no articles."""
    return _ARTICLE.sub(" ", _PUNCTUATION.sub("", text.lower())).split()


def hotpotqa(prediction: str, gold: str) -> tuple[float, bool]:
    """(F1, exact match)."""
    said, wanted = squad_words(prediction), squad_words(gold)
    if said != wanted and any(" ".join(side) in ("yes", "no", "noanswer") for side in (said, wanted)):
        return 0.0, False
    shared = (Counter(said) & Counter(wanted)).total()
    f1 = 2 * shared / (len(said) + len(wanted)) if shared else 0.0
    return f1, said == wanted


def _as_float(text: str) -> str | None:
    try:
        return str(float(text))
    except ValueError:
        return None


def drop_words(text: str) -> list[str]:
    """DROP's normal form: parted at blanks and hyphens; a number loses no punctuation and becomes a float."""
    found: list[str] = []
    for token in re.split("[ -]", text.lower()):
        bare = token if _as_float(token) else _PUNCTUATION.sub("", token)
        found += _ARTICLE.sub(" ", _as_float(bare) or bare).split()
    return found


def drop(prediction: Sequence[str], gold: Sequence[str]) -> tuple[float, bool]:
    """(F1, exact match) of spans against the spans of one accepted answer; F1 to two digits."""
    said, wanted = ([drop_words(span) for span in side] for side in (prediction, gold))
    same = len(said) == len(wanted) and {" ".join(s) for s in said} == {" ".join(w) for w in wanted}
    table = [[_drop_f1(set(w), set(s)) for s in said] for w in wanted]
    if len(wanted) > len(said):
        table = [list(column) for column in zip(*table, strict=True)]
    chosen = permutations(range(len(table[0])), len(table))
    best = max(sum(row[at] for row, at in zip(table, columns, strict=True)) for columns in chosen)
    return round(best / max(len(said), len(wanted)), 2), same


def _drop_f1(wanted: set[str], said: set[str]) -> float:
    numbers = {word for word in wanted if _as_float(word)}
    if numbers and not numbers & said:
        return 0.0
    shared = len(wanted & said)
    precision = shared / len(said) if said else 1.0
    recall = shared / len(wanted) if wanted else 1.0
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def gsm8k(completion: str, gold: str) -> bool:
    """The text after the first `#### ` is the gold text, commas aside."""
    said, wanted = (re.search(r"#### (-?[0-9.,]+)", text) for text in (completion, f"#### {gold}"))
    assert wanted is not None
    return said is not None and said[1].replace(",", "") == wanted[1].replace(",", "")


def aflow_gsm8k(completion: str, gold: str) -> bool:
    """The last number is the gold number to 1e-6."""
    said, wanted = (
        re.findall(r"[-+]?\d+(?:,\d{3})*(?:\.\d+)?|\d+\.\d+", text)[-1:] for text in (completion, gold)
    )
    return bool(said) and abs(float(said[0].replace(",", "")) - float(wanted[0].replace(",", ""))) <= 1e-6


def math(said: str, wanted: str) -> bool:
    """The two are the same text once both are in MATH's normal form; plain equality where that fails."""
    try:
        return _math_form(said) == _math_form(wanted)
    except (IndexError, AssertionError):
        return said == wanted


def _math_form(text: str) -> str:
    for old, new in (
        ("\n", ""),
        ("\\!", ""),
        ("\\\\", "\\"),
        ("tfrac", "frac"),
        ("dfrac", "frac"),
        ("\\left", ""),
        ("\\right", ""),
        ("^{\\circ}", ""),
        ("^\\circ", ""),
        ("\\$", ""),
    ):
        text = text.replace(old, new)
    if "\\text{ " in text:  # a unit, and what follows it
        text, *rest = text.split("\\text{ ")
        assert len(rest) == 1
    text = text.replace("\\%", "").replace("%", "").replace(" .", " 0.").replace("{.", "{0.")
    if text.startswith("."):
        text = f"0{text}"
    name, equals, right = text.partition("=")
    if equals and "=" not in right and len(name) <= 2:
        text = right
    text = re.sub(r"\\sqrt([^{])", r"\\sqrt{\1}", text).replace(" ", "")
    text = re.sub(r"\\frac([^{])([^{])", r"\\frac{\1}{\2}", text)
    text = re.sub(r"\\frac([^{])(?=\{)", r"\\frac{\1}", text)
    if text == "0.5":
        return "\\frac{1}{2}"
    fraction = re.fullmatch(r"(-?(?:0|[1-9]\d*))/(-?(?:0|[1-9]\d*))", text)
    return f"\\frac{{{fraction[1]}}}{{{fraction[2]}}}" if fraction else text
