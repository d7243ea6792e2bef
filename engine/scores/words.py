"""A text as the words by which answers are compared: numbers by their value, the rest as SQuAD has it.

SQuAD's rule (Rajpurkar et al. 2016) is lower case, no punctuation, no articles. It drops what tells `3.5`
from `35`, `-5` from `5`, `C++` from `C` and the answer `A` from nothing, so that each counts as the other.
Here a number is one word however it is written, signs that carry meaning stay, and "a", "an" and "the" are
articles only before another word.
"""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction
from functools import lru_cache
from itertools import groupby

from engine.scores.numerals import NUMBER, fold, unit, value

_ARTICLES = frozenset(("a", "an", "the"))
# What values and units are written with: in no input, because `fold` drops characters for private use.
_MINUS, _OVER = "\ue000", "\ue001"
_UNITS = {sign: chr(0xE010 + number) for number, sign in enumerate("$€£¥₹%")}
_A_NUMBER = re.compile(f"{_MINUS}?\\d+(?:{_OVER}\\d+)?")
_APART = re.compile(rf"(?<=\d)\s+([-+*/:×÷^])\s+(?=[\d{_MINUS}])")
_OPERATORS = frozenset("+/^=<>")
_HYPHEN = re.compile(rf"(?<=\w)-(?=[\w{_MINUS}])")
_RELATION = re.compile(r"([=<>≤≥≠])")
_AT_THE_END = re.compile(r"[+#*-]+$")  # C++, F#, the blood group O-, the grade A*
_DRESS = "\"'`*_.,:;!?()[]{}$#-"


def words(text: str, *, hyphens: bool = True, units: bool = False) -> list[str]:
    """The words of `text`, in order; [] only where the text has no visible character.

    A text with no word in it, such as `+` or `...`, is one word as it stands. A hyphen joins two words into
    one, as in SQuAD; without `hyphens` it separates them. `units` keeps the signs of currencies and percent,
    each as a word of its own.
    """
    return list(_words(text, hyphens, units))


@lru_cache(maxsize=32)  # an answer is compared with several references, in two readings
def _words(text: str, hyphens: bool, units: bool) -> tuple[str, ...]:
    folded = fold(text)
    written = NUMBER.sub(lambda number: _written(number, units), folded).casefold()
    if written.count("*") > 1:  # emphasis in Markdown
        written = re.sub(r"(?<!\d)\*+|\*+(?!\d)", "", written)
    written = _APART.sub(r"\1", written) if hyphens else _HYPHEN.sub(" ", written)
    written = _RELATION.sub(r" \1 ", re.sub("[,;°]", " ", written)).removeprefix(" = ")
    every = [word for chunk in written.split() if (word := _word(chunk))]
    if not every:
        whole = "".join(folded.split()).casefold()
        return (whole.strip(_DRESS) or whole,) if whole else ()
    return (*(word for word in every[:-1] if word not in _ARTICLES), every[-1])


def is_number(word: str) -> bool:
    """Whether a word of `words` is a number."""
    return _A_NUMBER.fullmatch(word) is not None


def units_of(text: str) -> dict[Fraction | None, set[str]]:
    """The numbers of a text that have a sign such as `$` or `%`: by value (None where it has none, as 1/0),
    the signs it stands with.
    """
    signs: dict[Fraction | None, set[str]] = {}
    for number in NUMBER.finditer(fold(text)):
        if sign := unit(number):
            signs.setdefault(value(number), set()).add(sign)
    return signs


def _written(number: re.Match[str], units: bool) -> str:
    """A number as one word, equal for equal values; what follows it at once stays attached, as in `5th`."""
    quantity = value(number)
    if quantity is None:
        return number[0]
    over = f"{_OVER}{quantity.denominator}" if quantity.denominator != 1 else ""
    word = f"{_MINUS if quantity < 0 else ''}{abs(quantity.numerator)}{over}"
    sign = unit(number)
    if not sign:
        return word
    return f" {word} {_UNITS[sign]} " if units else f" {word} "


def _word(chunk: str) -> str:
    """A chunk between blanks without its punctuation; "" where nothing is left."""
    if not any(_is_content(character) for character in chunk):
        return chunk if chunk in _OPERATORS else ""
    bare = chunk.rstrip("\"'`_.:!?()[]{}$%&@~|\\")
    end = _AT_THE_END.search(bare)
    body = bare[: end.start()] if end else bare
    runs = ["".join(run) for _, run in groupby(body, _is_content)]
    around = zip([" ", *runs], runs, [*runs[1:], " "], strict=False)
    kept = "".join(run for before, run, after in around if _means(before[-1], run, after[0]))
    negative = "-" if len(kept) == 1 and body.startswith("-") else ""
    return negative + kept + (end[0] if end else "")


def _means(before: str, run: str, after: str) -> bool:
    """Whether a run of characters between two others belongs to the word. Content always does; punctuation
    does between digits, which it keeps apart, as in 10:30, 7-4, 1.2.3 and 5'10.
    """
    if _is_content(run[0]) or (before.isdigit() and (after.isdigit() or after == _MINUS)):
        return True
    return run in ("+", "^") and _is_content(before) and _is_content(after)


def _is_content(character: str) -> bool:
    """Whether it is a letter, a digit, a mark on one, or a sign of mathematics that no keyboard has."""
    if character.isascii():
        return character.isalnum()
    return character.isalnum() or unicodedata.category(character) in ("Mn", "Mc", "Co", "Sm")
