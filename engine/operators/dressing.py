"""Removing what replies put around and into code: chat tokens, markup, prompts of a shell, odd blanks.

Text that is valid Python is left alone; each further step is tried only on what does not parse yet.
"""

from __future__ import annotations

import ast
import html
import re
from collections.abc import Callable, Iterator

from engine.guest.syntax import MAX_CHARS, parsed, spent

# What ends a model's turn, where a server lets it through: <|im_end|>, </s>, <eos>, <end_of_turn>, …
_END = r"<[|\uff5c][\w\u2581 -]{1,40}[|\uff5c]>|</?s>|<eos>|<(?:start|end)_of_turn>|\[/?INST\]|<EOT>"
_TURN_OVER = re.compile(rf"(?:{_END})\s*(?:(?:{_END}|user|human|system)\b.*)?\Z", re.DOTALL)
_END_TOKEN = re.compile(_END)
_WRAPPER = re.compile(
    r"^[ \t]*(?:</?(?:answer|code|solution|python|response|output|result|final_answer|final|pre|function"
    r"|program|script)(?: [^<>\n]{0,80})?>[ \t]*)+$|^[ \t]*\[/?(?:PYTHON|CODE|ANSWER|SOLUTION)\][ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
_TAG_AT_AN_END = re.compile(
    r"\A\s*(?:<(?:answer|code|solution|python|response|final_answer|pre)>|\[(?:PYTHON|CODE|ANSWER)\])\s*"
    r"|\s*(?:</(?:answer|code|solution|python|response|final_answer|pre)>|\[/(?:PYTHON|CODE|ANSWER)\])\s*\Z",
    re.IGNORECASE,
)
_ODD_BLANK = re.compile(r"[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_INVISIBLE = re.compile(r"[\ufeff\u200b-\u200f\u2060\u00ad]")
_QUOTES = str.maketrans("\u2018\u2019\u201c\u201d\u2032\u2033", "''\"\"'\"")
_LANGUAGE_LINE = re.compile(r"\A\s*(?:python[\d.]*|py)[ \t]*\n", re.IGNORECASE)
_FENCE_AT_AN_END = re.compile(r"\A\s*[`~]{3,}[ \t]*(?:py\w*[\d.]*)?[ \t]*\n|\s*[`~]{3,}\s*\Z", re.IGNORECASE)
_SHELL = re.compile(r"^[ \t]*(?:>>>|\.\.\.|In \[\d+\]:|\.{3,}:)(?: |$)", re.MULTILINE)
_TYPED = re.compile(r"^[ \t]*(?:>>> ?\S|In \[\d+\]:)", re.MULTILINE)
_MARGIN = re.compile(r"^[ \t]*\d{1,4}(?:[|:.)]|(?= ))[ ]?", re.MULTILINE)


def tidy(text: str) -> str:
    """The text with one kind of line end, without a byte order mark and without a first line that only names
    the language, which is left over from a lost fence.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return _LANGUAGE_LINE.sub("", text)


def read_python(text: str) -> tuple[str, ast.Module] | None:
    """The text as the Python it was meant to be, and its tree; None where no step makes it parse, it is
    longer than `MAX_CHARS`, or the allowance for parsing is spent (`engine.guest.syntax`).
    """
    text = text.strip("\n")
    if len(text) > MAX_CHARS or spent():
        return None
    forms = (form for form in _forms(text) if form.strip())
    return next(((form, tree) for form in forms if (tree := parsed(form)) is not None), None)


def _forms(text: str) -> Iterator[str]:
    yield text
    for step in _STEPS:
        changed = step(text)
        if changed != text:
            text = changed
            yield text


def dedented(text: str) -> str:
    """The text without the indentation of its first line, in every line that begins with it."""
    lines = text.strip("\n").split("\n")
    first = next((line for line in lines if line.strip()), "")
    margin = first[: len(first) - len(first.lstrip(" \t"))]
    return "\n".join(line.removeprefix(margin) for line in lines) if margin else "\n".join(lines)


def without_end(text: str) -> str:
    """The text up to the token that ends the model's turn."""
    return _TURN_OVER.sub("", text).rstrip()


def without_wrappers(text: str) -> str:
    """The text without the tags and tokens around code, which may be on lines of their own."""
    text = _END_TOKEN.sub("", text)
    text = _TAG_AT_AN_END.sub("", _WRAPPER.sub("", text))
    return dedented(_FENCE_AT_AN_END.sub("", text))


def _with_plain_blanks(text: str) -> str:
    return dedented(_ODD_BLANK.sub(" ", _INVISIBLE.sub("", text)))


def _without_shell(text: str) -> str:
    """What was typed at a prompt, without the prompts and the output."""
    if _TYPED.search(text) is None:
        return text
    typed = [(line, _SHELL.match(line)) for line in text.split("\n")]
    return "\n".join(line[prompt.end() :] for line, prompt in typed if prompt)


def _without_margin(text: str) -> str:
    """Without line numbers, where every line has one."""
    filled = sum(1 for line in text.split("\n") if line.strip())
    return dedented(_MARGIN.sub("", text)) if len(_MARGIN.findall(text)) == filled > 1 else text


_STEPS: tuple[Callable[[str], str], ...] = (
    dedented,
    without_end,
    without_wrappers,
    _with_plain_blanks,
    _without_shell,
    _without_margin,
    html.unescape,
    lambda text: text.translate(_QUOTES),
)
