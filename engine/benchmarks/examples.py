"""Examples in a docstring as assert statements: doctests, and the other ways people write them down.

    f(3) == 4    f(3) => 4    f(3) ➞ 4    f(3) returns 4    f(3) should return 4.    f(3)  # returns 4
    For x = 3, the output should be 4        Input: x = 3, y = 1   Output: 4

Only literals are taken, read with `ast`; nothing runs. Text that may not be an example is left out.
"""

from __future__ import annotations

import ast
import doctest
import re
from collections.abc import Iterator

_CLOSING = {"(": ")", "[": "]", "{": "}"}
_ATOM = re.compile(r"[-+]?[\w.]+")
_SEPARATOR = re.compile(
    r"[ \t]*(?:#[ \t]*)?(?:==>|===|==|=>|->|➞|→|=|should[ \t]+return|returns?)[ \t]*(?:=>)?[ \t]*"
)
# After an expected value: nothing, a full stop, or a remark.
_END = re.compile(r"[ \t]*\.?[ \t]*(?:#.*|\(.*)?(?:\n|$)")
_SUM = re.compile(r"[\d \t+*/().-]+=[ \t]*(?=[-\d])")  # `19 - 5 - 6 = 8`: the last is the value
_PREFIX = re.compile(r"[ \t]*(?:>>>[ \t]*)?(?:[*-][ \t]+)?(?:assert[ \t]+|for[ \t]+)?", re.IGNORECASE)
_GIVEN = re.compile(r"^[ \t]*for[ \t]+(?=\w+[ \t]*=)", re.IGNORECASE | re.MULTILINE)
_SHOULD_BE = re.compile(r"[^\n]*?the (?:output|result) should be[ \t]*", re.IGNORECASE)
_INPUT = re.compile(r"^[ \t]*input[ \t]*:[ \t]*", re.IGNORECASE | re.MULTILINE)
_OUTPUT = re.compile(r"\s*output[ \t]*:[ \t]*", re.IGNORECASE)
_NAME = re.compile(r"\w+[ \t]*[=:][ \t]*")
_WORDS = {"true": "True", "false": "False", "none": "None", "null": "None"}


def asserts_of(prompt: str, entry_point: str) -> tuple[str, ...]:
    """The examples of `entry_point` in its docstring as `assert` statements, each once; () where there
    are none.
    """
    text = _docstring(prompt, entry_point)
    if text is None:
        return ()
    examples = [*_doctests(text, entry_point), *_calls(text, entry_point, prompt)]
    examples += [*_inputs(text, entry_point), *_givens(text, entry_point)]
    return tuple(dict.fromkeys(examples))


def _docstring(prompt: str, entry_point: str) -> str | None:
    """The source of the docstring: a backslash in an example is part of the example."""
    try:
        tree = ast.parse(prompt)
    except (SyntaxError, ValueError, RecursionError):
        return None
    for function in tree.body:
        if isinstance(function, ast.FunctionDef) and function.name == entry_point:
            for node in function.body:  # not always the first statement
                if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                    source = ast.get_source_segment(prompt, node.value) or ""
                    return re.sub(r"^[rR]?(\"\"\"|''')|(\"\"\"|''')$", "", source)
    return None


def _doctests(text: str, entry_point: str) -> Iterator[str]:
    """`>>> expression` with its value on the next line, or `>>> f(x) == value`."""
    try:
        examples = doctest.DocTestParser().get_examples(text)
    except ValueError:
        return
    for example in examples:
        try:
            expression = ast.parse(example.source.strip(), mode="eval").body
        except (SyntaxError, ValueError):
            continue
        want = _literal(example.want.strip())
        if want is not None and _calls_it(expression, entry_point):
            yield f"assert {ast.unparse(expression)} == {want}"


def _calls_it(expression: ast.expr, entry_point: str) -> bool:
    return any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == entry_point
        for node in ast.walk(expression)
    )


def _calls(text: str, entry_point: str, prompt: str) -> Iterator[str]:
    """`f(arguments) SEPARATOR value` at the start of a line."""
    for name in _names(text, entry_point, prompt):
        for match in re.finditer(rf"(?m)^{_PREFIX.pattern}{name}(?=\()", text, re.IGNORECASE):
            end = _scan(text, match.end())
            separator = _SEPARATOR.match(text, end)
            arguments = _arguments(text[match.end() : end])
            if separator is None or arguments is None or not text[match.start() : end].rstrip().endswith(")"):
                continue
            want = _value(text, separator.end())
            if want is not None:
                yield f"assert {entry_point}({arguments}) == {want}"


def _names(text: str, entry_point: str, prompt: str) -> list[str]:
    """The entry point; where the docstring never calls it, the one other function it calls instead."""
    called = [match[1] for match in re.finditer(rf"(?m)^{_PREFIX.pattern}([a-z]\w*)\(", text)]
    if entry_point in called or len(set(called)) != 1 or f"def {called[0]}(" in prompt:
        return [re.escape(entry_point)]
    return [re.escape(called[0])]


def _inputs(text: str, entry_point: str) -> Iterator[str]:
    """`Input: a, b` or `Input: x = a, y = b`, with `Output: value` on the next line."""
    for match in _INPUT.finditer(text):
        arguments, at = _listed(text, match.end())
        output = _OUTPUT.match(text, at)
        want = _value(text, output.end()) if output else None
        if arguments and want is not None:
            yield f"assert {entry_point}({', '.join(arguments)}) == {want}"


def _givens(text: str, entry_point: str) -> Iterator[str]:
    """`For x = a, y = b, … the output should be value`."""
    for match in _GIVEN.finditer(text):
        arguments, at = _listed(text, match.end())
        should = _SHOULD_BE.match(text, at)
        want = _value(text, should.end()) if should else None
        if arguments and want is not None:
            yield f"assert {entry_point}({', '.join(arguments)}) == {want}"


def _listed(text: str, at: int) -> tuple[list[str], int]:
    """The literals from `at` on, named or not, separated by commas or lines; and where they end."""
    values: list[str] = []
    while True:
        at += len(text[at:]) - len(text[at:].lstrip())
        name = _NAME.match(text, at)
        start = name.end() if name and not _OUTPUT.match(text, at) else at
        end = _scan(text, start)
        value = _literal(text[start:end])
        if value is None:
            return values, at
        values.append(value)
        at = end + 1 if text[end : end + 1] == "," else end


def _value(text: str, at: int) -> str | None:
    """The literal at `at`, if nothing but a remark follows it on its line."""
    total = _SUM.match(text, at)
    at = total.end() if total else at
    end = _scan(text, at)
    return _literal(text[at:end]) if _END.match(text, end) else None


def _scan(text: str, at: int) -> int:
    """Where the literal that starts at `at` ends: a bracket's partner, a quote's, or the end of a word."""
    opening = text[at : at + 1]
    if opening and opening in "'\"":
        return _after_string(text, at)
    if opening not in _CLOSING:
        atom = _ATOM.match(text, at)
        # The full stop of a sentence is not part of a number.
        return at + len(atom[0].rstrip(".")) if atom else at
    expected: list[str] = []
    while at < len(text):
        character = text[at]
        if character in "'\"":
            at = _after_string(text, at)
            continue
        if character in _CLOSING:
            expected.append(_CLOSING[character])
        elif character in ")]}":
            if character != expected.pop():
                return at
            if not expected:
                return at + 1
        at += 1
    return at


def _after_string(text: str, at: int) -> int:
    quote = text[at]
    at += 1
    while at < len(text) and text[at] not in (quote, "\n"):
        at += 2 if text[at] == "\\" else 1
    return at + 1


def _literal(source: str) -> str | None:
    """The source of a literal, as Python writes it, or None."""
    source = _WORDS.get(source, source)
    try:
        ast.literal_eval(source)
        return ast.unparse(ast.parse(source.strip(), mode="eval"))
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        return None


def _arguments(source: str) -> str | None:
    """Literal arguments in parentheses, without these. A bare word stands for a text: `f(abc)`."""
    try:
        call = ast.parse(f"f{source}", mode="eval").body
    except (SyntaxError, ValueError):
        return None
    if not isinstance(call, ast.Call) or call.keywords:
        return None
    written = []
    for argument in call.args:
        bare = isinstance(argument, ast.Name)
        value = repr(argument.id) if bare else _literal(ast.unparse(argument))
        if value is None:
            return None
        written.append(value)
    return ", ".join(written)
