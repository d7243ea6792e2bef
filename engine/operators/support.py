"""What operators share: asking a model, and reading code, fields and letters out of its reply."""

from __future__ import annotations

import ast
import re
from typing import Any, Protocol


class Host(Protocol):
    """The other side of the wall. `call` raises an exception of the guest runner when refused."""

    async def call(self, method: str, **kwargs: Any) -> Any: ...


_FENCE = re.compile(r"```[ \t]*([A-Za-z0-9_+-]*)[ \t]*\r?\n(.*?)(?:```|\Z)", re.DOTALL)


async def ask(host: Host, prompt: str) -> str:
    """One worker call with one user message; the reply's text without its reasoning."""
    reply = await host.call("model", messages=[{"role": "user", "content": prompt}])
    return str(reply["text"])


def join(*parts: str | None) -> str:
    """The non-empty parts, a blank line apart."""
    return "\n\n".join(p.strip("\n") for p in parts if p and p.strip())


def syntax_tree(code: str) -> ast.Module:
    """The code's tree. Raises what `ast.parse` raises of the code.

    Some versions of Python fail with a SystemError of their own when something is parsed while a tree is
    made, which a traceback that is printed by the garbage collector is enough for.
    """
    while True:
        try:
            return ast.parse(code)
        except SystemError:
            continue


def parses(code: str) -> bool:
    """Whether `code` is Python. Parsing executes nothing."""
    try:
        syntax_tree(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def defines(code: str, name: str) -> bool:
    """Whether `code` parses and defines `name` at its top level."""
    if not parses(code):
        return False
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    for node in syntax_tree(code).body:
        if isinstance(node, kinds) and node.name == name:
            return True
        if isinstance(node, ast.Assign) and any(
            isinstance(t, ast.Name) and t.id == name for t in node.targets
        ):
            return True
    return False


def extract_code(reply: str, entry_point: str | None = None) -> str:
    """The code in a reply that may be prose, fenced blocks, or bare code.

    Of several blocks, all that parse are joined in order if together they parse and more than one
    is needed; otherwise the last one that defines the entry point wins, else the longest.
    """
    blocks = fenced(reply)
    if not blocks:
        return reply.strip("\n")
    if entry_point:
        defining = [b for b in blocks if defines(b, entry_point)]
        if defining:
            return defining[-1]
        together = "\n\n".join(blocks)
        if defines(together, entry_point):
            return together
    parsing = [b for b in blocks if parses(b)] or blocks
    return max(parsing, key=len)


def fenced(reply: str) -> list[str]:
    """The fenced blocks of a reply that say they are Python, or do not say what they are."""
    return [
        body.strip("\n")
        for lang, body in _FENCE.findall(reply)
        if lang.lower() in ("", "python", "py", "python3")
    ]


def field(reply: str, name: str) -> str | None:
    """The last `<name>…</name>` of a reply, or None. An unclosed last tag runs to the end."""
    found = re.findall(rf"<{name}>(.*?)</{name}>", reply, re.DOTALL | re.IGNORECASE)
    if found:
        return str(found[-1]).strip()
    opened = re.search(rf"<{name}>(.*)\Z", reply, re.DOTALL | re.IGNORECASE)
    return opened.group(1).strip() if opened else None


def letter(index: int) -> str:
    """A, B, …, Z, AA, AB, … for candidate number `index` from 0."""
    name = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        name = chr(ord("A") + rest) + name
    return name


def chosen(reply: str, count: int) -> int | None:
    """Which of `count` lettered candidates a reply picks, or None when it picks none of them.

    "B", "b.", "(B)", "Solution B", "**B**" and a `<solution_letter>` field are all understood.
    """
    letters = {letter(i): i for i in range(count)}
    text = field(reply, "solution_letter") or reply
    words = re.findall(r"[A-Za-z]+", text)
    for word in [w for w in words if w.isupper()] + [w.upper() for w in words if len(w) <= 2]:
        if word in letters:
            return letters[word]
    return None
