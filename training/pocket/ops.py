"""The primitive operations pocket problems are made of: typed one-line expressions with their phrasings.

`{v}` is the value so far and `{k}` the constant. Types: L list[int], S str, W list[str], N int. The text
of `code` is the only definition: reference solutions print it, and `evaluate` runs the same text.
"""

# ruff: noqa: E501  an operation a line: the tables are read down their columns

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

Type = Literal["L", "S", "W", "N"]

# What a constant may be: a range of integers, or one letter.
CHAR = "char"
SMALL = (2, 4)
MID = (1, 9)
Constant = tuple[int, int] | str | None


@dataclass(frozen=True)
class Op:
    """One step. `phrases` are interchangeable; `first_only` guards steps that blow up on big values."""

    name: str
    source: Type
    target: Type
    code: str
    phrases: tuple[str, ...]
    constant: Constant = None
    first_only: bool = False


@cache
def evaluate(code: str) -> Callable[[Any, Any], Any]:
    """The expression as a function of value and constant. Only texts of our own tables come here."""
    body = code.replace("{v}", "v").replace("{k}", "k")
    return eval(f"lambda v, k: {body}")  # noqa: S307


def render(code: str, value: str, constant: str) -> str:
    """The expression with the texts of its value and its constant put in."""
    return code.replace("{v}", value).replace("{k}", constant)


_TABLE: list[tuple[str, Type, Type, str, tuple[str, ...], Constant]] = []


def _add(
    source: Type, target: Type, rows: list[tuple[str, str, str] | tuple[str, str, str, Constant]]
) -> None:
    for row in rows:
        name, code, phrases = row[0], row[1], row[2]
        constant = row[3] if len(row) == 4 else None
        _TABLE.append(
            (name, source, target, code, tuple(phrase.strip() for phrase in phrases.split("|")), constant)
        )


_add(
    "L",
    "L",
    [
        ("gt", "[x for x in {v} if x > {k}]", "keep the numbers greater than {k}|drop the numbers that are {k} or less", MID),
        ("lt", "[x for x in {v} if x < {k}]", "keep the numbers less than {k}|drop the numbers that are {k} or more", MID),
        ("ge", "[x for x in {v} if x >= {k}]", "keep the numbers that are at least {k}|drop the numbers below {k}", MID),
        ("le", "[x for x in {v} if x <= {k}]", "keep the numbers that are at most {k}|drop the numbers above {k}", MID),
        ("even", "[x for x in {v} if x % 2 == 0]", "keep the even numbers|remove the odd numbers"),
        ("odd", "[x for x in {v} if x % 2 == 1]", "keep the odd numbers|remove the even numbers"),
        ("positive", "[x for x in {v} if x > 0]", "keep the positive numbers|remove zeros and negative numbers"),
        ("negative", "[x for x in {v} if x < 0]", "keep the negative numbers"),
        ("nonzero", "[x for x in {v} if x != 0]", "remove the zeros|keep the numbers that are not zero"),
        ("divisible", "[x for x in {v} if x % {k} == 0]", "keep the multiples of {k}|keep the numbers divisible by {k}", SMALL),
        ("indivisible", "[x for x in {v} if x % {k} != 0]", "remove the multiples of {k}|drop the numbers divisible by {k}", SMALL),
        ("without", "[x for x in {v} if x != {k}]", "remove every {k}|drop all elements equal to {k}", MID),
        ("add", "[x + {k} for x in {v}]", "add {k} to each number|increase every number by {k}", MID),
        ("subtract", "[x - {k} for x in {v}]", "subtract {k} from each number|decrease every number by {k}", MID),
        ("multiply", "[x * {k} for x in {v}]", "multiply each number by {k}", MID),
        ("divide", "[x // {k} for x in {v}]", "divide each number by {k}, rounding down|floor-divide each number by {k}", SMALL),
        ("modulo", "[x % {k} for x in {v}]", "replace each number by its remainder modulo {k}|take each number modulo {k}", (3, 7)),
        ("square", "[x * x for x in {v}]", "square each number|replace every number by its square"),
        ("negate", "[-x for x in {v}]", "negate each number|flip the sign of every number"),
        ("absolute", "[abs(x) for x in {v}]", "take the absolute value of each number|drop the sign of every number"),
        ("ascending", "sorted({v})", "sort the numbers in ascending order|sort from smallest to largest"),
        ("descending", "sorted({v}, reverse=True)", "sort the numbers in descending order|sort from largest to smallest"),
        ("by_abs", "sorted({v}, key=abs)", "sort the numbers by absolute value"),
        ("reverse", "{v}[::-1]", "reverse the list|put the list in reverse order"),
        ("unique", "list(dict.fromkeys({v}))", "remove repeated numbers, keeping first occurrences|keep only the first occurrence of each number"),
        ("set_sorted", "sorted(set({v}))", "list the distinct numbers in ascending order|sort the distinct numbers"),
        ("first", "{v}[:{k}]", "take the first {k} elements|keep only the first {k} elements", SMALL),
        ("last", "{v}[-{k}:]", "take the last {k} elements|keep only the last {k} elements", SMALL),
        ("skip", "{v}[{k}:]", "skip the first {k} elements|drop the first {k} elements", (1, 3)),
        ("cut", "{v}[:-{k}]", "drop the last {k} elements|cut off the last {k} elements", (1, 3)),
        ("even_places", "{v}[::2]", "keep the elements at even indices|take the elements at positions 0, 2, 4 and so on"),
        ("odd_places", "{v}[1::2]", "keep the elements at odd indices|take the elements at positions 1, 3, 5 and so on"),
        ("rotate_left", "{v}[{k}:] + {v}[:{k}]", "rotate the list left by {k}|move the first {k} elements to the end", (1, 3)),
        ("prefix_sums", "[sum({v}[:i + 1]) for i in range(len({v}))]", "replace the list by its prefix sums|compute the running totals"),
        ("prefix_max", "[max({v}[:i + 1]) for i in range(len({v}))]", "compute the running maximum|replace each number by the largest so far"),
        ("differences", "[b - a for a, b in zip({v}, {v}[1:])]", "take the differences between neighbours|subtract each number from the next one"),
        ("pair_sums", "[a + b for a, b in zip({v}, {v}[1:])]", "take the sums of neighbouring numbers|add each number to the next one"),
        ("append", "{v} + [{k}]", "append {k}|add {k} at the end of the list", MID),
        ("prepend", "[{k}] + {v}", "put {k} at the front of the list|prepend {k}", MID),
        ("append_sum", "{v} + [sum({v})]", "append the sum of the list|add the total at the end of the list"),
        ("twice", "{v} + {v}", "repeat the whole list twice|append a copy of the list to itself"),
        ("each_twice", "[x for x in {v} for _ in range(2)]", "repeat each element twice in place|write every element two times in a row"),
        ("times_index", "[i * x for i, x in enumerate({v})]", "multiply each number by its index|multiply every number by its position from 0"),
        ("plus_index", "[i + x for i, x in enumerate({v})]", "add its index to each number|add to every number its position from 0"),
        ("at_most", "[min(x, {k}) for x in {v}]", "replace numbers above {k} by {k}|limit each number to at most {k}", MID),
        ("at_least", "[max(x, {k}) for x in {v}]", "replace numbers below {k} by {k}|raise each number to at least {k}", MID),
        ("no_min", "[x for x in {v} if x != min({v})]", "remove every copy of the smallest number"),
        ("no_max", "[x for x in {v} if x != max({v})]", "remove every copy of the largest number"),
        ("once", "[x for x in {v} if {v}.count(x) == 1]", "keep the numbers that occur exactly once"),
        ("from_min", "[x - min({v}) for x in {v}]", "subtract the minimum from each number"),
        ("digit_sums", "[sum(int(d) for d in str(abs(x))) for x in {v}]", "replace each number by the sum of its digits"),
        ("mirror", "{v} + {v}[::-1]", "append the reversed list to the list"),
        ("rises", "[b for a, b in zip({v}, {v}[1:]) if b > a]", "keep the numbers that are greater than the one before"),
        ("half", "{v}[:len({v}) // 2]", "keep the first half of the list, rounding down"),
        ("evens_first", "sorted({v}, key=lambda x: x % 2)", "move the even numbers before the odd ones"),
        ("above_mean", "[x for x in {v} if x * len({v}) > sum({v})]", "keep the numbers above the mean"),
    ],
)  # fmt: skip
_add(
    "L",
    "N",
    [
        ("sum", "sum({v})", "add up the numbers|compute the sum of the numbers"),
        ("length", "len({v})", "count the elements|take the length of the list"),
        ("max", "max({v}, default=0)", "find the maximum, or 0 if there is none"),
        ("min", "min({v}, default=0)", "find the minimum, or 0 if there is none"),
        ("count_gt", "sum(x > {k} for x in {v})", "count the numbers greater than {k}", MID),
        ("count_even", "sum(x % 2 == 0 for x in {v})", "count the even numbers"),
        ("count_odd", "sum(x % 2 == 1 for x in {v})", "count the odd numbers"),
        ("count_eq", "{v}.count({k})", "count how often {k} occurs", MID),
        ("range", "max({v}, default=0) - min({v}, default=0)", "subtract the minimum from the maximum"),
        ("sum_squares", "sum(x * x for x in {v})", "compute the sum of the squares|add up the squares of the numbers"),
        ("distinct", "len(set({v}))", "count the distinct numbers"),
        ("sum_even", "sum(x for x in {v} if x % 2 == 0)", "add up the even numbers"),
        ("sum_positive", "sum(x for x in {v} if x > 0)", "add up the positive numbers"),
        ("head", "{v}[0] if {v} else 0", "take the first element, or 0 if there is none"),
        ("tail", "{v}[-1] if {v} else 0", "take the last element, or 0 if there is none"),
        ("alternating", "sum({v}[::2]) - sum({v}[1::2])", "compute the alternating sum, starting with plus"),
        ("argmax", "{v}.index(max({v})) if {v} else -1", "find the index of the largest number, or -1 if there is none"),
    ],
)  # fmt: skip
_add("L", "W", [("strings", "[str(x) for x in {v}]", "turn each number into a string")])
_add(
    "L",
    "S",
    [
        ("commas", '",".join(str(x) for x in {v})', "write the numbers as one string separated by commas"),
        ("glue", '"".join(str(x) for x in {v})', "write the numbers as one string with nothing between them"),
    ],
)
_add(
    "S",
    "S",
    [
        ("upper", "{v}.upper()", "convert the text to upper case|make all letters upper case"),
        ("lower", "{v}.lower()", "convert the text to lower case|make all letters lower case"),
        ("swapcase", "{v}.swapcase()", "swap upper and lower case"),
        ("title", '" ".join(w.capitalize() for w in {v}.split())', "capitalize the first letter of each word"),
        ("backwards", "{v}[::-1]", "reverse the characters|write the text backwards"),
        ("no_spaces", '{v}.replace(" ", "")', "remove all spaces|delete the spaces"),
        ("no_vowels", '"".join(ch for ch in {v} if ch not in "aeiouAEIOU")', "remove the vowels|delete every vowel"),
        ("only_vowels", '"".join(ch for ch in {v} if ch in "aeiouAEIOU")', "keep only the vowels"),
        ("no_char", '{v}.replace("{k}", "")', "remove every '{k}'|delete all occurrences of the letter '{k}'", CHAR),
        ("star", '{v}.replace("{k}", "*")', "replace every '{k}' with '*'", CHAR),
        ("prefix", "{v}[:{k}]", "keep the first {k} characters|take the first {k} characters", (2, 6)),
        ("suffix", "{v}[-{k}:]", "keep the last {k} characters|take the last {k} characters", (2, 6)),
        ("skip_chars", "{v}[{k}:]", "drop the first {k} characters|skip the first {k} characters", (1, 3)),
        ("cut_chars", "{v}[:-{k}]", "drop the last {k} characters|cut off the last {k} characters", (1, 3)),
        ("even_chars", "{v}[::2]", "keep the characters at even indices"),
        ("odd_chars", "{v}[1::2]", "keep the characters at odd indices"),
        ("double_chars", '"".join(ch * 2 for ch in {v})', "write each character twice in a row"),
        ("unique_chars", '"".join(dict.fromkeys({v}))', "remove repeated characters, keeping first occurrences"),
        ("sort_chars", '"".join(sorted({v}))', "sort the characters"),
        ("end_with", '{v} + "{k}"', "append the letter '{k}'|add '{k}' at the end of the text", CHAR),
        ("start_with", '"{k}" + {v}', "put '{k}' before the text|prepend the letter '{k}'", CHAR),
        ("text_twice", "{v} + {v}", "repeat the whole text twice"),
        ("palindrome", "{v} + {v}[::-1]", "append the reversed text to the text"),
        ("underscores", '{v}.replace(" ", "_")', "replace spaces with underscores"),
        ("word_order", '" ".join({v}.split()[::-1])', "reverse the order of the words in the text"),
        ("flip_words", '" ".join(w[::-1] for w in {v}.split())', "reverse the letters of each word"),
        ("brackets", '"[" + {v} + "]"', "put the text in square brackets"),
        ("inner", "{v}[1:-1]", "drop the first and the last character"),
    ],
)  # fmt: skip
_add(
    "S",
    "N",
    [
        ("chars", "len({v})", "count the characters|take the length of the text"),
        ("vowels", 'sum(ch in "aeiouAEIOU" for ch in {v})', "count the vowels"),
        ("occurrences", '{v}.count("{k}")', "count how often '{k}' occurs", CHAR),
        ("word_count", "len({v}.split())", "count the words in the text"),
        ("distinct_chars", "len(set({v}))", "count the distinct characters"),
        ("capitals", "sum(ch.isupper() for ch in {v})", "count the upper-case letters"),
        ("find", '{v}.find("{k}")', "find the index of the first '{k}', or -1", CHAR),
    ],
)
_add(
    "S",
    "W",
    [
        ("split", "{v}.split()", "split the text into words"),
        ("letters", "list({v})", "split the text into single characters"),
    ],
)
_add(
    "S",
    "L",
    [
        ("word_lengths", "[len(w) for w in {v}.split()]", "list the lengths of the words in the text"),
        ("places", '[i for i, ch in enumerate({v}) if ch == "{k}"]', "list the indices where '{k}' occurs", CHAR),
    ],
)  # fmt: skip
_add(
    "W",
    "W",
    [
        ("alphabetical", "sorted({v})", "sort the words alphabetically"),
        ("by_length", "sorted({v}, key=len)", "sort the words by length"),
        ("reverse_words", "{v}[::-1]", "reverse the list of words"),
        ("flip_each", "[w[::-1] for w in {v}]", "reverse each word|write every word backwards"),
        ("upper_each", "[w.upper() for w in {v}]", "convert each word to upper case"),
        ("capital_each", "[w.capitalize() for w in {v}]", "capitalize each word"),
        ("longer", "[w for w in {v} if len(w) > {k}]", "keep the words longer than {k} letters", (2, 6)),
        ("shorter", "[w for w in {v} if len(w) < {k}]", "keep the words shorter than {k} letters", (3, 7)),
        ("starting", '[w for w in {v} if w.startswith("{k}")]', "keep the words that start with '{k}'", CHAR),
        ("containing", '[w for w in {v} if "{k}" in w]', "keep the words that contain '{k}'", CHAR),
        ("lacking", '[w for w in {v} if "{k}" not in w]', "remove the words that contain '{k}'", CHAR),
        ("unique_words", "list(dict.fromkeys({v}))", "remove repeated words, keeping first occurrences"),
        ("first_words", "{v}[:{k}]", "take the first {k} words|keep only the first {k} words", SMALL),
        ("last_words", "{v}[-{k}:]", "take the last {k} words|keep only the last {k} words", SMALL),
        ("skip_words", "{v}[{k}:]", "skip the first {k} words|drop the first {k} words", (1, 2)),
        ("initials", "[w[:1] for w in {v}]", "replace each word by its first letter"),
        ("endings", "[w[-1:] for w in {v}]", "replace each word by its last letter"),
        ("cut_words", "[w[:{k}] for w in {v}]", "cut each word to its first {k} letters", SMALL),
        ("add_char", '[w + "{k}" for w in {v}]', "add '{k}' to the end of each word", CHAR),
        ("double_words", "[w + w for w in {v}]", "write each word twice without a space"),
        ("vowel_start", '[w for w in {v} if w[:1] in ("a", "e", "i", "o", "u")]', "keep the words that start with a vowel"),
        ("sort_letters", '["".join(sorted(w)) for w in {v}]', "sort the letters of each word"),
    ],
)  # fmt: skip
_add(
    "W",
    "L",
    [
        ("lengths", "[len(w) for w in {v}]", "replace each word by its length|list the lengths of the words"),
        ("char_counts", '[w.count("{k}") for w in {v}]', "count the '{k}' in each word", CHAR),
    ],
)
_add(
    "W",
    "S",
    [
        ("join_space", '" ".join({v})', "join the words with spaces"),
        ("join_none", '"".join({v})', "join the words with nothing between them"),
        ("join_dash", '"-".join({v})', "join the words with dashes"),
        ("longest", 'max({v}, key=len, default="")', "take the first longest word, or '' if there is none"),
        ("shortest", 'min({v}, key=len, default="")', "take the first shortest word, or '' if there is none"),
        ("acronym", '"".join(w[:1] for w in {v})', "join the first letters of the words"),
    ],
)
_add(
    "W",
    "N",
    [
        ("how_many", "len({v})", "count the words"),
        ("total_letters", "sum(len(w) for w in {v})", "count the letters of all words together"),
        ("count_longer", "sum(len(w) > {k} for w in {v})", "count the words longer than {k} letters", (2, 6)),
        ("max_length", "max((len(w) for w in {v}), default=0)", "find the length of the longest word, or 0"),
        ("distinct_words", "len(set({v}))", "count the distinct words"),
    ],
)
_add(
    "N",
    "N",
    [
        ("plus", "{v} + {k}", "add {k}|increase the number by {k}", MID),
        ("minus", "{v} - {k}", "subtract {k}|decrease the number by {k}", MID),
        ("times", "{v} * {k}", "multiply by {k}", MID),
        ("squared", "{v} * {v}", "square the number"),
        ("abs", "abs({v})", "take the absolute value of the number"),
        ("minus_sign", "-{v}", "change the sign of the number"),
        ("remainder", "{v} % {k}", "take the remainder modulo {k}", (3, 9)),
        ("quotient", "{v} // {k}", "divide by {k}, rounding down", SMALL),
        ("digit_sum", "sum(int(d) for d in str(abs({v})))", "add up the digits of the number"),
        ("reverse_digits", "int(str(abs({v}))[::-1])", "reverse the digits of the number, ignoring its sign"),
    ],
)
_add(
    "N",
    "L",
    [
        ("digits", "[int(d) for d in str(abs({v}))]", "list the digits of the number"),
        ("multiples", "[{v} * i for i in range(1, {k} + 1)]", "list the first {k} positive multiples of the number", (3, 5)),
        ("divisors", "[d for d in range(1, abs({v}) + 1) if {v} % d == 0]", "list the positive divisors of the number"),
    ],
)  # fmt: skip
_add("N", "S", [("text", "str({v})", "write the number as a string")])

_FIRST_ONLY = {"divisors"}
OPS: tuple[Op, ...] = tuple(Op(*row, first_only=row[0] in _FIRST_ONLY) for row in _TABLE)
BY_SOURCE: dict[Type, tuple[Op, ...]] = {
    source: tuple(op for op in OPS if op.source == source) for source in ("L", "S", "W", "N")
}
