"""Code between prose, without a fence around it, and the body of a function without its head."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from engine.guest.syntax import MAX_CHARS, definitions, is_stub, parsed, spent, statements
from engine.operators.dressing import dedented, without_wrappers

_FENCE_LINE = re.compile(
    r"^[ \t]*(?:[`~]{3,}[^\n`~]*|\[/?PYTHON\]|</?(?:code|answer|python)>)[ \t]*$", re.IGNORECASE
)
_OPENS = re.compile(
    r"(?:async\s+def|def|class|if|for|while|with|try|async\s+(?:for|with)|match)\b.*[:(\[{,\\]\s*(?:#.*)?$"
    r"|import\s+\w|from\s+[\w.]+\s+import\b|@\w|[\w.\[\], ]+\s*(?::[^=]+)?=[^=]|.*(?:'''|\"\"\")|#"
)
_GOES_ON = re.compile(r"(?:\s|[)\]}]|(?:elif|else|except|finally|case)\b.*:)")
_LINE = 300  # characters of a line that are looked at, which keeps the expressions fast
_LONGEST = 60  # pieces that one statement may span: each more costs a parse


def loose_code(text: str) -> str | None:
    """The statements in a text, without its prose; None where no statement does anything, or the text is too
    long to be parsed.
    """
    if len(text) > MAX_CHARS or spent():
        return None
    pieces = list(_pieces(text))
    kept: list[str] = []
    number = 0
    while number < len(pieces):
        piece, used = _statement(pieces, number)
        if piece is not None:
            kept.append(piece)
        number += used
    code = "\n".join(kept).strip("\n")
    return code if code and parsed(code) is not None else None


def _pieces(text: str) -> Iterator[str]:
    """Lines that stand at the margin, each with the lines that belong to it."""
    piece: list[str] = []
    for line in text.split("\n"):
        fence = _FENCE_LINE.match(line) is not None
        if piece and (fence or (line.strip() and not _GOES_ON.match(line))):
            yield "\n".join(piece)
            piece = []
        if not fence:
            piece.append(line)
    if piece:
        yield "\n".join(piece)


def _statement(pieces: list[str], first: int) -> tuple[str | None, int]:
    """The code that begins with this piece, None where it is prose, and how many pieces were looked at."""
    piece = pieces[first]
    tree = parsed(piece)
    if tree is not None:
        return (piece if _does_something(tree) else None), 1
    if _OPENS.match(piece.partition("\n")[0][:_LINE]):
        for last in range(first + 1, min(first + _LONGEST, len(pieces))):
            if spent():
                break
            whole = "\n".join(pieces[first : last + 1])
            if parsed(whole) is not None:
                return whole, last + 1 - first
        if (read := _before_prose(piece)) is not None:
            return read, 1
    return None, 1


def _before_prose(piece: str) -> str | None:
    """The piece up to a blank line, where what follows is indented prose."""
    lines = piece.split("\n")
    for end in (i for i in range(len(lines) - 1, 0, -1) if not lines[i].strip()):
        head = "\n".join(lines[:end])
        if parsed(head) is not None:
            return head
    return None


def _does_something(tree: ast.Module) -> bool:
    """Whether a tree is more than words that happen to be valid Python: `Done`, `Note: it`, `3`."""
    return not tree.body or any(not _is_words(statement) for statement in tree.body)


def _is_words(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.AnnAssign):
        return statement.value is None
    return isinstance(statement, ast.Expr) and not isinstance(
        statement.value, ast.Call | ast.Await | ast.Yield
    )


def completed(prompt: str, text: str, name: str) -> str | None:
    """`prompt`, which ends in the head of the function `name`, with `text` as its body.

    None where the prompt does not end in that head, or the text is not the body of a function.
    """
    head = _head(prompt, name)
    body = _body(text) if head is not None else None
    if head is None or body is None:
        return None
    indented = "\n".join(f"    {line}" if line.strip() else line for line in body.split("\n"))
    whole = f"{head.rstrip()}\n{indented}"
    tree = parsed(whole)
    return whole if tree is not None and any(not is_stub(d) for d in definitions(tree, name)) else None


def _head(prompt: str, name: str) -> str | None:
    """The prompt's code, where its last statement is the function `name` without a body."""
    code = prompt if parsed(prompt) is not None else loose_code(prompt)
    tree = parsed(code) if code is not None else None
    if tree is None or not tree.body:
        return None
    last = tree.body[-1]
    return code if last in definitions(tree, name) and is_stub(last) else None


def _body(text: str) -> str | None:
    """The text as the body of a function, without its indentation."""
    for part in _parts(text):
        # The first line may have lost its indentation to whoever trimmed the reply.
        for form in (dedented(part), *(dedented(margin + part.lstrip()) for margin in ("    ", "  ", "\t"))):
            tree = parsed(form)
            if tree is not None and any(_ends(s) for s in statements(tree)):
                return form
    return None


def _parts(text: str) -> Iterator[str]:
    """The parts of a reply that may be a function's body: all of it, all before the next line at the margin,
    the first indented lines.
    """
    text = without_wrappers(text) if text[:1] in "<[" else text
    yield text
    lines = text.strip("\n").split("\n")
    margin = [i for i, line in enumerate(lines) if i and line.strip() and not line[0].isspace()]
    if margin:
        yield "\n".join(lines[: margin[0]])
    inside = [i for i, line in enumerate(lines) if line.strip() and line[0].isspace()]
    if inside:
        end = next((i for i in margin if i > inside[0]), len(lines))
        yield "\n".join(lines[inside[0] : end])


def _ends(statement: ast.stmt) -> bool:
    """Whether a statement can only stand in a function, and makes that function do something."""
    yields = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Yield | ast.YieldFrom)
    return yields or isinstance(statement, ast.Return | ast.Raise)
