"""Numbers as people and models write them, found in text and read exactly.

    -1,234.50    −5    +5    -$5    £3    40%    1 000    9{,}500    1'234    1,00,000    12    ½    3 1/2
    \\frac{1}{2}    .5    6e3    6 × 10^3

`fold` writes all of them in one alphabet, `NUMBER` finds them there and `value` reads one. Nothing is
evaluated: a number is digits with signs and separators, and `3+4` is two of them.
"""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction

_MAX_DIGITS = 1000  # of a number that is read: Python's own limit is 4,300, and nobody means more
_MAX_EXPONENT = 1000

_RAISED, _LOWERED = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "₀₁₂₃₄₅₆₇₈₉"
_MARKS = str.maketrans("", "", "™℠®©")
_CHARACTERS = str.maketrans(
    {
        **dict.fromkeys("‐‑‒–", "-"),
        **dict.fromkeys("—―", " — "),
        **dict.fromkeys("’‘ʼ‛′`´", "'"),
        **dict.fromkeys("“”„‟″«»", '"'),
        **dict.fromkeys("⁄∕", "/"),
        "−": "-",
        "≈": "~",
        "٫": ".",
        "٬": ",",
        **dict.fromkeys(range(0xFE00, 0xFE10)),  # which picture of a character is shown
    }
)
# Blanks that keep digits together: no-break, figure, thin and narrow.
_THIN = re.compile(r"(?<!\d)(?<!\d[.,])\d{1,3}(?:(?:[\u00a0\u2007\u2009\u202f]|\\[,; ]|~)\d{3})+(?!\d)")
_FRACTION = re.compile(r"(\d?)\\[dt]?frac(?:\{(\d+)\}|(\d))(?:\{(\d+)\}|(\d))")
_DRESSED = re.compile(r"\\(?:boxed|text|textbf|mathrm|mathbf)\{([^{}]*)\}")
# A minus that stands apart from its digits, where no number is before it to be subtracted from.
_APART = re.compile(r"((?:^|[=:(])\s*)−\s+(?=[$€£¥₹]?\.?\d)|([=:(]\s*)-\s+(?=[$€£¥₹]?\.?\d)")

_CURRENCY = "(?:US|CA|AU|NZ|HK|NT)?[$€£¥₹]"
_GROUPED = r"[1-9]\d{0,2}(?:,\d{3})+|[1-9]\d?(?:,\d{2})+,\d{3}|[1-9]\d{0,2}(?:'\d{3})+"
NUMBER = re.compile(
    rf"""
    (?:(?<![A-Za-z0-9_)\]}}%])(?P<sign>[-+]))?
    (?:(?<![A-Za-z])(?P<currency>{_CURRENCY})[ ]?(?P<inner>[-+])?)?
    (?<![A-Za-z0-9_^])(?<!\d\.)
    (?:
        (?:(?P<whole>\d{{1,9}})[ ]+(?=\d+/\d))? (?<!\d/)
        (?P<over>(?:{_GROUPED}|\d+))/(?P<under>\d+)(?![\d/]|[.,]\d)
    |
        (?P<digits>(?:{_GROUPED})(?!,?\d)|\d+(?!\d)|(?<![^\s$€£¥₹(\[{{=:<>~≈+\-"'|/])(?=\.\d))
        (?P<decimals>\.\d+)?(?!\.?\d)
        (?:[eE](?P<e>[-+]?\d{{1,9}})(?![A-Za-z0-9_])|[ ]?[×x*][ ]?10\^(?P<ten>[-+]?\d{{1,9}})(?!\d))?
    )
    (?:[ ]?(?P<percent>%)|[ ]?(?P<after>[$€£¥₹])(?![-+]?\.?\d))?
    """,
    re.VERBOSE,
)


def fold(text: str) -> str:
    """`text` in plain characters: wide, raised and other digits become 0 to 9, dashes and quotation marks
    those of a keyboard, LaTeX that writes numbers (`\\frac`, `\\times`, `{,}`) plain numbers. Invisible
    characters and those for private use are dropped.
    """
    text = _APART.sub(lambda m: f"{m[1] or m[2] or ''}-", text.replace("\\!", "").replace("{,}", ","))
    text = _THIN.sub(lambda m: re.sub(r"[^\d]+", ",", m[0]), text)
    text = re.sub(f"[{_RAISED}]+", lambda m: "^" + unicodedata.normalize("NFKC", m[0]), text)
    text = re.sub(f"[{_LOWERED}]+", lambda m: "_" + unicodedata.normalize("NFKC", m[0]), text)
    text = re.sub(r"(?<=\d)(?=[¼-¾⅐-⅞])", " ", text)
    text = unicodedata.normalize("NFKC", text.translate(_MARKS)).translate(_CHARACTERS)
    if not text.isascii():
        text = "".join(_plain(c) for c in text)
    if "\\" not in text and "^{" not in text:
        return text
    text = re.sub(r"\^\{([-+]?\d+)\}", r"^\1", text)
    text = _FRACTION.sub(lambda m: f"{m[1] and m[1] + ' '}{m[2] or m[3]}/{m[4] or m[5]}", text)
    text = re.sub(r"\\(?:times|cdot)(?![A-Za-z])", "×", text).replace("\\$", "$").replace("\\%", "%")
    return _DRESSED.sub(r"\1", text)


def value(number: re.Match[str]) -> Fraction | None:
    """The exact value of a match of `NUMBER`; None where it divides by zero or is too long to be meant."""
    if number.end() - number.start() > _MAX_DIGITS:
        return None
    if number["over"]:
        whole, over, under = int(number["whole"] or 0), int(_digits(number["over"])), int(number["under"])
        if not under:
            return None
        size = whole + Fraction(over, under)
    else:
        exponent = int(number["e"] or number["ten"] or 0)
        if abs(exponent) > _MAX_EXPONENT:
            return None
        written = f"{_digits(number['digits']) or 0}{number['decimals'] or ''}"
        size = Fraction(written) * Fraction(10) ** exponent
    return -size if "-" in (number["sign"], number["inner"]) else size


def only_number(text: str) -> Fraction | None:
    """The number that `text` is, but for dollar signs, asterisks and a full stop around it; None where it is
    anything else.
    """
    number = NUMBER.fullmatch(fold(text).lstrip("$* \t\r\n").rstrip("$*. \t\r\n"))
    return None if number is None else value(number)


def unit(number: re.Match[str]) -> str:
    """The sign of the unit of a match of `NUMBER`, such as `$` or `%`; "" without one."""
    return (number["percent"] or number["currency"] or number["after"] or "")[-1:]


def _digits(text: str) -> str:
    return text.replace(",", "").replace("'", "")


def _plain(character: str) -> str:
    if character.isascii():
        return character
    category = unicodedata.category(character)
    if category == "Nd":
        return str(unicodedata.digit(character))
    return "" if category in ("Cf", "Co") else character
