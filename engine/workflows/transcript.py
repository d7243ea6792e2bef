"""Undoing the damage of copying a workflow out of a typeset page.

These are tried only on code that does not parse, and kept only if it parses afterwards.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Iterable
from functools import partial
from itertools import pairwise
from textwrap import dedent

from engine.formats.figure import INDENT, SHIFT
from engine.formats.lexing import Token, layout, tokens
from engine.workflows.typography import without_page_text, without_typography

_NUMBER_LINE = re.compile(r"^[ \t]*\d{1,4}[ \t]*$", re.MULTILINE)
_NUMBER_PREFIX = re.compile(r"^[ \t]*\d{1,4}(?=[ \t]|$)", re.MULTILINE)
_NUMBER_SUFFIX = re.compile(r"[ \t]{2,}\d{1,4}[ \t]*$", re.MULTILINE)
# A value that stands on the line after its `=`, no less deep.
_VALUE_BELOW = re.compile(r"^([ \t]+)([A-Za-z_][\w.]*[ \t]*=)[ \t]*\n(\1[ \t]*\d{1,9})[ \t]*$", re.MULTILINE)
_LATEX = re.compile(r"\\ensuremath\{\\text\{\\(.)\}\}")
_SNAKE = re.compile(r"\b[A-Za-z]+(?:_[A-Za-z0-9]+)+\b")
_BARE_CALL = re.compile(r"\b(def[ \t]+)_{0,2} ?call ?_{0,2}[ \t]*\([ \t]*self\b")
_FIELD = re.compile(r"\{[^{}\n]*\}")
_SPACED_PROMPT = re.compile(r"(?<=\bprompt_custom\.)[A-Z][A-Z0-9_]*(?: [A-Z0-9_]+)+\b")
_KNOWN = ("prompt_custom", "entry_point", "test_cases", "question_id", "cost_manager", "total_cost")
# What begins a line that no text of a prompt runs on into.
_STATEMENT = re.compile(
    r"(?:return|if|elif|else|for|while|try|except|with|async|def|class|break|continue|raise)\b|[)\]}#]"
    r"|[A-Za-z_][\w.]*[ \t]*[+|]?=(?!=)"
)
_CALL_HEADER = re.compile(r"(?:async[ \t]+)?def[ \t]+__call__\b")
_CLOSERS = {"(": ")", "[": "]", "{": "}"}
MAX_JOINS = 60
MAX_NAMES = 300

Step = tuple[str, str, Callable[[str], str]]


def steps(names: Iterable[str]) -> list[Step]:
    """(code, message, function) in the order to try them; `names` are operator attributes."""
    known = (*_KNOWN, *names)
    return [
        ("margin-numbers", "removed line numbers from the margin", without_margin_numbers),
        ("typography", "replaced typographic characters by those of code", without_typography),
        ("page-text", "removed captions and running heads of the page", without_page_text),
        ("latex-escape", "replaced LaTeX escapes by the characters they stand for", without_latex),
        ("broken-string", "joined strings that were broken over lines", with_joined_strings),
        ("spaced-name", "put the underscores back into names", lambda text: with_underscores(text, known)),
        ("lost-bracket", "closed brackets whose closing line was lost", with_closed_brackets),
        ("shifted-column", "moved lines back into their column", with_straight_columns),
        ("flush-body", "moved the body in under its header", with_body_under_header),
    ]


def without_margin_numbers(text: str) -> str:
    """The text without line numbers: lines that are only one, and the beginnings or ends of lines where half
    have one.
    """
    text = _NUMBER_LINE.sub("", _VALUE_BELOW.sub(r"\1\2\3\n", text))
    filled = sum(1 for line in text.split("\n") if line.strip())
    if 2 * len(_NUMBER_PREFIX.findall(text)) >= filled:
        return dedent(_NUMBER_PREFIX.sub(lambda m: " " * len(m.group()), text))
    return _NUMBER_SUFFIX.sub("", text) if 2 * len(_NUMBER_SUFFIX.findall(text)) >= filled else text


def without_latex(text: str) -> str:
    r"""The text with `\\ensuremath{\\text{\\_}}` and its like replaced by the character in it."""
    return _LATEX.sub(r"\1", text)


def with_joined_strings(text: str) -> str:
    """The text with one-line strings that were broken over lines joined again. Each joined line leaves a
    blank one behind, so that lines keep their numbers.
    """
    for _ in range(MAX_JOINS):
        broken = next((t for t in tokens(text) if t.kind == "open-string" and t.end < len(text)), None)
        if broken is None:
            return text
        joined = (
            _with_closing_quote(text, broken)
            or _with_lost_quote(text, broken)
            or _with_next_line(text, broken)
        )
        if joined is None:
            return text
        text = joined
    return text


def _with_closing_quote(text: str, broken: Token) -> str | None:
    """The text with a string closed whose last quote is the wrong one, as in f"{x}'."""
    body = broken.text.lstrip("rRbBuUfF")
    quote, other = body[0], "'" if body[0] == '"' else '"'
    tail = re.search(rf"{other}([,)\]}}\s]*)$", body)
    if tail is None or body.count("{") != body.count("}") or body.count(other) % 2 == 0:
        return None
    position = broken.end - len(tail.group())
    return text[:position] + quote + text[position + 1 :]


def _with_lost_quote(text: str, broken: Token) -> str | None:
    """The string closed at its line's end, where the next line is a statement that stands less deep."""
    following = re.compile(r"[ \t]*(?:\n[ \t]*)*\n([ \t]*)(?=\S)").match(text, broken.end)
    if following is None or not _STATEMENT.match(text, following.end()):
        return None
    if broken.text.count("{") != broken.text.count("}"):
        return None
    line = text[text.rfind("\n", 0, broken.start) + 1 : broken.start]
    if len(following[1]) >= len(line) - len(line.lstrip()):
        return None
    quote = broken.text.lstrip("rRbBuUfF")[0]
    return text[: broken.end] + quote + text[broken.end :]


def _with_next_line(text: str, broken: Token) -> str | None:
    following = re.compile(r"\s*\n[ \t]*(?=\S)").match(text, broken.end)
    if following is None:
        return None
    end = text.find("\n", following.end())
    end = len(text) if end < 0 else end
    head, fragment = text[: broken.end].rstrip(" \t"), text[following.end() : end]
    body = text[broken.start : len(head)]
    field = body.count("{") > body.count("}")
    before, after = head[-1], fragment[0]
    glue = after.isalnum() and (before.isalnum() or (not field and before in ".,;:!?"))
    gap = "\n" * following.group().count("\n")
    return head + (" " if glue else "") + fragment + gap + text[end:]


def with_underscores(text: str, known: Iterable[str]) -> str:
    """The text with the underscores of `known` names, and of names used elsewhere in it, put back where they
    became blanks. Comments and strings are left alone, but for the fields of f-strings.
    """
    if "__call__" not in text:
        text = _BARE_CALL.sub(r"\1__call__(self", text)
    code = list(tokens(text))
    used = _SNAKE.findall(" ".join(t.text for t in code if t.kind == "word"))
    names = sorted({*known, *used[:MAX_NAMES]}, key=len, reverse=True)
    names = [n for n in names if "_" in n and not any(keyword.iskeyword(w) for w in n.split("_"))]
    pattern = re.compile(r"\b(?:" + "|".join(n.replace("_", "[ _]") for n in names) + r")\b")
    opaque = [t for t in code if t.kind in ("string", "open-string", "comment")]
    pieces: list[str] = []
    position = 0
    for token in opaque:
        pieces.append(_respelled(pattern, text[position : token.start]))
        formatted = token.kind == "string" and "f" in token.text[:2].lower()
        spell = partial(_respelled_field, pattern)
        pieces.append(_FIELD.sub(spell, token.text) if formatted else token.text)
        position = token.end
    return "".join(pieces) + _respelled(pattern, text[position:])


def _respelled_field(names: re.Pattern[str], field: re.Match[str]) -> str:
    return _respelled(names, field.group())


def _respelled(names: re.Pattern[str], text: str) -> str:
    """Names of prompts need not be known: a word that follows an attribute is never valid Python."""
    return _SPACED_PROMPT.sub(_underscored, names.sub(_underscored, text))


def _underscored(match: re.Match[str]) -> str:
    return match.group().replace(" ", "_")


def with_body_under_header(text: str) -> str:
    """The text with everything after the header of `__call__` moved in, where that stands no deeper."""
    lines = layout(text + "\n").lines
    for header, following in pairwise(lines):
        if _CALL_HEADER.match(text, header.start) and following.indent <= header.indent:
            at = text.rfind("\n", 0, following.start) + 1
            return text[:at] + re.sub(r"^(?=[^\n])", INDENT, text[at:], flags=re.MULTILINE)
    return text


def with_closed_brackets(text: str) -> str:
    """The text with brackets closed that are open before a line indented no deeper than the one that
    opened them.
    """
    stack: list[tuple[str, int]] = []
    inserts: list[tuple[int, str]] = []
    last = line_start = 0
    indent, fresh = 0, True
    for token in tokens(text):
        if token.kind == "newline":
            line_start, fresh = token.end, True
            continue
        if fresh:
            indent, fresh = token.start - line_start, False
            while stack and token.kind != "close" and indent <= stack[-1][1]:
                inserts.append((last, _CLOSERS[stack.pop()[0]]))
        if token.kind == "open":
            stack.append((token.text, indent))
        elif token.kind == "close" and stack:
            stack.pop()
        if token.kind != "comment":
            last = token.end
    inserts += [(last, _CLOSERS[opened]) for opened, _ in reversed(stack)]
    for position, closer in reversed(inserts):
        text = text[:position] + closer + text[position:]
    return text


def with_straight_columns(text: str) -> str:
    """A line beside every open column, by two or less, is moved to the nearest."""
    pieces: list[str] = []
    position, columns, opened = 0, [0], True
    for line in layout(text + "\n").lines:
        if opened and line.indent > columns[-1]:
            columns.append(line.indent)
        column = min(columns, key=lambda c: (abs(c - line.indent), -c))
        if column != line.indent and abs(column - line.indent) <= SHIFT:
            begin = text.rfind("\n", 0, line.start) + 1
            pieces += [text[position:begin], " " * column]
            position = line.start
        columns = [c for c in columns if c <= column]
        opened = line.last == ":"
    return "".join(pieces) + text[position:]
