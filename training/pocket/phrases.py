"""Vague phrases, and the English around the steps.

A vague phrase has several meanings with fixed odds. The words do not tell which one a problem means;
its visible tests usually do. That is what leaves something to win for a workflow that runs tests.
"""

from __future__ import annotations

from dataclasses import dataclass

from training.pocket.ops import MID, Constant, Type


@dataclass(frozen=True)
class Vague:
    """Phrases with more than one meaning: (odds, code) each."""

    name: str
    source: Type
    target: Type
    phrases: tuple[str, ...]
    meanings: tuple[tuple[float, str], ...]
    constant: Constant = None


def _vague(
    name: str,
    types: str,
    phrases: str,
    meanings: list[tuple[float, str]],
    constant: Constant = None,
) -> Vague:
    source, target = types
    return Vague(name, source, target, tuple(phrases.split("|")), tuple(meanings), constant)  # type: ignore[arg-type]


_AVERAGE = "sum({v}) // len({v}) if {v} else 0"
VAGUE: tuple[Vague, ...] = (
    _vague("other", "LL", "take every other element", [(0.6, "{v}[::2]"), (0.4, "{v}[1::2]")]),
    _vague(
        "dedup",
        "LL",
        "get rid of duplicates|drop the duplicates",
        [
            (0.45, "list(dict.fromkeys({v}))"),
            (0.3, "sorted(set({v}))"),
            (0.25, "[x for x in {v} if {v}.count(x) == 1]"),
        ],
    ),
    _vague(
        "past",
        "LL",
        "keep the numbers past {k}|keep the numbers from {k} up",
        [(0.55, "[x for x in {v} if x > {k}]"), (0.45, "[x for x in {v} if x >= {k}]")],
        MID,
    ),
    _vague(
        "under",
        "LL",
        "keep the numbers up to {k}",
        [(0.55, "[x for x in {v} if x <= {k}]"), (0.45, "[x for x in {v} if x < {k}]")],
        MID,
    ),
    _vague(
        "order",
        "LL",
        "put the numbers in order|arrange the numbers",
        [(0.55, "sorted({v})"), (0.3, "sorted({v}, reverse=True)"), (0.15, "sorted({v}, key=abs)")],
    ),
    _vague(
        "ends",
        "LL",
        "drop the ends of the list|trim the list",
        [(0.5, "{v}[1:-1]"), (0.25, "{v}[1:]"), (0.25, "{v}[:-1]")],
    ),
    _vague(
        "big",
        "LL",
        "keep the big numbers|keep the large numbers",
        [
            (0.4, "[x for x in {v} if x > 5]"),
            (0.3, "[x for x in {v} if x > 9]"),
            (0.3, "[x for x in {v} if x * len({v}) > sum({v})]"),
        ],
    ),
    _vague(
        "small",
        "LL",
        "keep the small numbers",
        [
            (0.4, "[x for x in {v} if x < 5]"),
            (0.3, "[x for x in {v} if abs(x) < 5]"),
            (0.3, "[x for x in {v} if x * len({v}) < sum({v})]"),
        ],
    ),
    _vague(
        "few",
        "LL",
        "take the first few elements|keep a few elements from the start",
        [(0.45, "{v}[:2]"), (0.55, "{v}[:3]")],
    ),
    _vague("last_few", "LL", "take the last few elements", [(0.45, "{v}[-2:]"), (0.55, "{v}[-3:]")]),
    _vague(
        "shift",
        "LL",
        "shift the list by {k}",
        [
            (0.35, "{v}[{k}:] + {v}[:{k}]"),
            (0.35, "[x + {k} for x in {v}]"),
            (0.3, "{v}[-{k}:] + {v}[:-{k}]"),
        ],
        (1, 3),
    ),
    _vague(
        "scale",
        "LL",
        "scale the numbers by {k}",
        [(0.6, "[x * {k} for x in {v}]"), (0.4, "[x // {k} for x in {v}]")],
        (2, 4),
    ),
    _vague(
        "cap",
        "LL",
        "cap the numbers at {k}",
        [(0.6, "[min(x, {k}) for x in {v}]"), (0.4, "[x for x in {v} if x <= {k}]")],
        MID,
    ),
    _vague(
        "neighbours",
        "LL",
        "combine each number with its neighbour",
        [
            (0.5, "[a + b for a, b in zip({v}, {v}[1:])]"),
            (0.25, "[a * b for a, b in zip({v}, {v}[1:])]"),
            (0.25, "[a + b for a, b in zip({v}[::2], {v}[1::2])]"),
        ],
    ),
    _vague(
        "extremes",
        "LL",
        "remove the extremes",
        [
            (0.4, "sorted({v})[1:-1]"),
            (0.35, "[x for x in {v} if x not in (min({v}), max({v}))]"),
            (0.25, "{v}[1:-1]"),
        ],
    ),
    _vague(
        "accumulate",
        "LL",
        "accumulate the numbers",
        [
            (0.6, "[sum({v}[:i + 1]) for i in range(len({v}))]"),
            (0.4, "[max({v}[:i + 1]) for i in range(len({v}))]"),
        ],
    ),
    _vague(
        "repeat",
        "LL",
        "double the list",
        [(0.4, "{v} + {v}"), (0.3, "[x for x in {v} for _ in range(2)]"), (0.3, "[x * 2 for x in {v}]")],
    ),
    _vague(
        "spread",
        "LN",
        "measure the spread of the numbers",
        [(0.6, "max({v}, default=0) - min({v}, default=0)"), (0.4, "len(set({v}))")],
    ),
    _vague(
        "average",
        "LN",
        "find a typical value|work out the average",
        [(0.5, _AVERAGE), (0.5, "sorted({v})[len({v}) // 2] if {v} else 0")],
    ),
    _vague(
        "middle",
        "LN",
        "find the middle value",
        [(0.5, "sorted({v})[len({v}) // 2] if {v} else 0"), (0.5, "{v}[len({v}) // 2] if {v} else 0")],
    ),
    _vague(
        "biggest",
        "LN",
        "find the biggest number",
        [(0.6, "max({v}, default=0)"), (0.4, "max({v}, key=abs, default=0)")],
    ),
    _vague(
        "clean",
        "SS",
        "clean up the text",
        [
            (0.4, '"".join(ch for ch in {v} if ch.isalpha())'),
            (0.3, "{v}.lower()"),
            (0.3, '"".join(ch for ch in {v} if ch.isalpha() or ch == " ")'),
        ],
    ),
    _vague(
        "shorten",
        "SS",
        "shorten the text",
        [(0.4, "{v}[:3]"), (0.35, "{v}[:5]"), (0.25, "{v}[:len({v}) // 2]")],
    ),
    _vague(
        "flip",
        "SS",
        "flip the text",
        [(0.5, "{v}[::-1]"), (0.25, "{v}.swapcase()"), (0.25, '" ".join({v}.split()[::-1])')],
    ),
    _vague(
        "take_vowels",
        "SS",
        "take out the vowels",
        [
            (0.55, '"".join(ch for ch in {v} if ch not in "aeiouAEIOU")'),
            (0.45, '"".join(ch for ch in {v} if ch in "aeiouAEIOU")'),
        ],
    ),
    _vague(
        "emphasise",
        "SS",
        "emphasize the text",
        [(0.5, "{v}.upper()"), (0.25, '{v} + "!"'), (0.25, '"*" + {v} + "*"')],
    ),
    _vague("other_char", "SS", "take every other character", [(0.6, "{v}[::2]"), (0.4, "{v}[1::2]")]),
    _vague(
        "squeeze",
        "SS",
        "squeeze the text",
        [(0.6, '{v}.replace(" ", "")'), (0.4, '"".join(dict.fromkeys({v}))')],
    ),
    _vague(
        "capitals",
        "SS",
        "capitalize the text",
        [
            (0.4, "{v}.capitalize()"),
            (0.35, '" ".join(w.capitalize() for w in {v}.split())'),
            (0.25, "{v}.upper()"),
        ],
    ),
    _vague(
        "double_text", "SS", "double the text", [(0.6, "{v} + {v}"), (0.4, '"".join(ch * 2 for ch in {v})')]
    ),
    _vague(
        "measure_text",
        "SN",
        "measure the text",
        [(0.4, "len({v})"), (0.3, 'len({v}.replace(" ", ""))'), (0.3, "len({v}.split())")],
    ),
    _vague(
        "letters",
        "SN",
        "count the letters",
        [(0.5, "sum(ch.isalpha() for ch in {v})"), (0.5, "len(set({v}))")],
    ),
    _vague(
        "word_order",
        "WW",
        "put the words in order|arrange the words",
        [(0.45, "sorted({v})"), (0.35, "sorted({v}, key=len)"), (0.2, "sorted({v}, reverse=True)")],
    ),
    _vague(
        "long_words",
        "WW",
        "keep the long words",
        [
            (0.3, "[w for w in {v} if len(w) > 3]"),
            (0.4, "[w for w in {v} if len(w) > 4]"),
            (0.3, "[w for w in {v} if len(w) > 5]"),
        ],
    ),
    _vague(
        "short_words",
        "WW",
        "keep the short words",
        [(0.5, "[w for w in {v} if len(w) < 4]"), (0.5, "[w for w in {v} if len(w) < 5]")],
    ),
    _vague(
        "trim_words",
        "WW",
        "trim the words|shorten each word",
        [(0.4, "[w[:3] for w in {v}]"), (0.35, "[w[:-1] for w in {v}]"), (0.25, "[w[1:] for w in {v}]")],
    ),
    _vague("flip_words", "WW", "flip the words", [(0.5, "{v}[::-1]"), (0.5, "[w[::-1] for w in {v}]")]),
    _vague(
        "repeated",
        "WW",
        "drop the repeated words",
        [(0.6, "list(dict.fromkeys({v}))"), (0.4, "[w for w in {v} if {v}.count(w) == 1]")],
    ),
    _vague(
        "mark",
        "WW",
        "mark each word",
        [(0.4, '[w + "!" for w in {v}]'), (0.3, '["*" + w for w in {v}]'), (0.3, "[w.upper() for w in {v}]")],
    ),
    _vague(
        "combine",
        "WS",
        "combine the words",
        [(0.4, '" ".join({v})'), (0.3, '"".join({v})'), (0.3, '"-".join({v})')],
    ),
    _vague(
        "abbreviate",
        "WS",
        "make an abbreviation of the words",
        [
            (0.5, '"".join(w[:1] for w in {v})'),
            (0.5, '"".join(w[:1] for w in {v}).upper()'),
        ],
    ),
    _vague(
        "top_word",
        "WS",
        "pick the top word",
        [(0.5, 'max({v}, key=len, default="")'), (0.5, 'min({v}, default="")')],
    ),
    _vague(
        "measure_words",
        "WN",
        "measure the words",
        [(0.4, "len({v})"), (0.6, "sum(len(w) for w in {v})")],
    ),
    _vague("round", "NN", "round the number", [(0.5, "{v} // 10 * 10"), (0.5, "({v} + 5) // 10 * 10")]),
    _vague("shrink", "NN", "make the number smaller", [(0.5, "{v} // 2"), (0.5, "{v} - 1")]),
    _vague("grow", "NN", "make the number bigger", [(0.4, "{v} * 2"), (0.3, "{v} + 1"), (0.3, "{v} * {v}")]),
)
VAGUE_BY_SOURCE: dict[Type, tuple[Vague, ...]] = {
    source: tuple(v for v in VAGUE if v.source == source) for source in ("L", "S", "W", "N")
}

NUMBER_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
INTROS: dict[Type, tuple[str, ...]] = {
    "L": ("a list of integers `{p}`", "a list `{p}` of whole numbers", "the integers `{p}`"),
    "S": ("a string `{p}`", "a piece of text `{p}`", "the text `{p}`"),
    "W": ("a list of words `{p}`", "a list of strings `{p}`", "the words `{p}`"),
    "N": ("an integer `{p}`", "a whole number `{p}`", "the number `{p}`"),
}
PARAMETERS: dict[Type, tuple[str, ...]] = {
    "L": ("xs", "nums", "values"),
    "S": ("s", "text"),
    "W": ("words", "items"),
    "N": ("n", "num"),
}
LOCALS: dict[Type, str] = {"L": "xs", "S": "s", "W": "words", "N": "n"}
EXTRA_PARAMETERS = ("k", "m", "limit")
VERBS = ("process", "tidy", "reduce", "convert", "make", "get", "build", "handle", "transform", "compute")
NOUNS: dict[Type, tuple[str, ...]] = {
    "L": ("numbers", "list", "values", "series", "scores"),
    "S": ("text", "line", "title", "message", "label"),
    "W": ("words", "names", "tags", "items", "terms"),
    "N": ("number", "amount", "code", "size", "total"),
}
SHORT_NAMES = ("f", "g", "solve", "solution", "answer", "run", "main", "task")
# {sig} is the signature, {intro} the parameter in words, {steps} the steps in words.
SKELETONS = (
    "Write a function `{sig}` that takes {intro}. It should {steps}. Return the result.",
    "Implement `{sig}`. Given {intro}, {steps}, and return what you get.",
    "Given {intro}, write `{sig}` that must {steps}.",
    "I need a Python function `{sig}`. For {intro}, {steps}. Return the outcome.",
    "Create `{sig}`: for {intro}, {steps}.",
)
LISTED = (
    "Write a function `{sig}` that takes {intro} and does the following:\n{steps}\nReturn the final value."
)
