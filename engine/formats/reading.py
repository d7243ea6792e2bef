"""The entry to every format: text in, workflow code and prompts out."""

from __future__ import annotations

import ast
import re
from dataclasses import replace

from engine.diagnostics import error
from engine.formats.aflow import layout
from engine.formats.catalog import FIGURE, NATIVE, format_of
from engine.formats.figure import CLASS, FIGURE_CLASS, as_class, is_bare
from engine.formats.format import Format
from engine.formats.module import PROVIDED_NAMES, without_provided_imports
from engine.formats.native import MAX_COMPLETION_CHARS, ParsedCompletion, parse_completion
from engine.source import MAX_SOURCE_BYTES, parse

_TAG_OR_FENCE = re.compile(
    r"(?:<|&lt;)/?[ \t]*(?:graph|think|thinking|modification|prompt|code)\b|^[ \t]*(?:```|~~~)",
    re.MULTILINE | re.IGNORECASE,
)
_HEADER = re.compile(r"^\s*(?:\d{1,4}\s+)?(?:class\s+\w+|(?:async\s+)?def\s+\w+)", re.MULTILINE)


def read_workflow(text: str, prompts: str = "") -> ParsedCompletion:
    """Read a completion, a module or a figure; `prompts` are those of a module's sibling file. Never raises;
    the problems say what is wrong.
    """
    if len(text) > MAX_COMPLETION_CHARS:
        message = f"the text is longer than {MAX_COMPLETION_CHARS:,} characters"
        return ParsedCompletion(
            "", "", prompts, (error("completion-too-large", message, None, "Shorten it"),)
        )
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if (prompts and _TAG_OR_FENCE.search(text) is None) or _is_code(text):
        parsed = ParsedCompletion("", text, prompts)
    else:
        parsed = parse_completion(text)
        parsed = replace(parsed, prompts=parsed.prompts or prompts)
    # A completion with a bare method was asked for by us; only a page has it as a figure.
    figure = is_bare(parsed.code) and parsed.code == text
    code = as_class(parsed.code, FIGURE_CLASS if figure else CLASS)
    fmt = _format(code)
    code = without_provided_imports(code, PROVIDED_NAMES | fmt.names)
    problems = tuple(p for p in parsed.problems if not (fmt.fenced and p.code == "untagged"))
    return replace(parsed, code=code, format=fmt.name, problems=problems)


def _format(code: str) -> Format:
    tree = parse(code).tree
    if tree is not None and (told := format_of(tree)) is not NATIVE:
        return told
    if FIGURE_CLASS in code.split("\n"):
        return FIGURE
    return (layout(code, tree) if tree is not None else None) or NATIVE


def _is_code(text: str) -> bool:
    """Whether `text` is a module or a figure rather than a completion.

    Valid Python with a class is a module even where its strings hold tags; text that is neither
    valid nor tagged is taken for code if it defines something.
    """
    if len(text) <= MAX_SOURCE_BYTES and _HEADER.search(text):
        tree = parse(as_class(text)).tree
        if tree is not None and (
            format_of(tree) is not NATIVE or any(isinstance(node, ast.ClassDef) for node in tree.body)
        ):
            return True
    return _TAG_OR_FENCE.search(text) is None and _HEADER.search(text) is not None
