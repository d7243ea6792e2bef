"""The texts from which a workflow makes its prompts, as its author wrote them: constants, literals,
f-strings.
"""

from __future__ import annotations

import ast
import string
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from engine.source import parse
from engine.workflows.edits import Edit, Positions

# A shorter text would be found in prompts by chance.
MIN_LETTERS = 8


@dataclass(frozen=True)
class Field:
    """A place to fill in. `source` is its Python source, with the braces."""

    name: str
    source: str


Part = str | Field


@dataclass(frozen=True)
class PromptSource:
    """One text of the author's, in the prompts or the code of the workflow (`where`), at the UTF-8 bytes
    `start` to `end`. `kind` says how it is used: as it is, with `.format`, or as an f-string. `name` is that
    of the constant, or its line in the code.
    """

    name: str
    where: Literal["prompts", "code"]
    kind: Literal["text", "format", "f-string"]
    start: int
    end: int
    parts: tuple[Part, ...]

    def match(self, value: str) -> tuple[tuple[Part, str], ...] | None:
        """Each part with the piece of `value` that it became; None where `value` cannot come from this
        text.
        """
        matched: list[tuple[Part, str]] = []
        at = 0
        for number, part in enumerate(self.parts):
            if isinstance(part, str):
                if value[at : at + len(part)] != part:
                    return None
                end = at + len(part)
            elif (end := self._end_of_field(number, value, at)) is None:
                return None
            matched.append((part, value[at:end]))
            at = end
        filled = {part.name: text for part, text in matched if isinstance(part, Field)}
        same = all(filled[p.name] == text for p, text in matched if isinstance(p, Field))
        return tuple(matched) if same and at == len(value) else None

    def _end_of_field(self, number: int, value: str, at: int) -> int | None:
        if number == len(self.parts) - 1:
            return len(value)
        following = self.parts[number + 1]
        assert isinstance(following, str)  # adjacent fields were merged
        last = number + 1 == len(self.parts) - 1
        end = len(value) - len(following) if last else value.find(following, at)
        return end if end >= at else None

    def written(self, parts: tuple[Part, ...]) -> str:
        """The Python expression of this text with `parts` in place of its own."""
        if self.kind == "text":
            return _literal("".join(p if isinstance(p, str) else p.source for p in parts))
        text = "".join(_doubled(p) if isinstance(p, str) else p.source for p in parts)
        if self.kind == "format":
            return _literal(text)
        escaped = "".join(_escaped(_doubled(p)) if isinstance(p, str) else p.source for p in parts)
        return f'f"""{escaped}"""'


def sources_of(code: str, prompts: str) -> tuple[PromptSource, ...]:
    """The texts of a workflow, the longest first; () where neither code nor prompts parse."""
    sources = [*_constants(prompts), *_literals(code)]
    return tuple(sorted(sources, key=lambda s: -sum(len(p) for p in s.parts if isinstance(p, str))))


def rewritten(text: str, edits: dict[PromptSource, tuple[Part, ...]]) -> str:
    """The prompts or the code of a workflow with these texts replaced."""
    return Positions(text).apply([Edit(s.start, s.end, s.written(parts)) for s, parts in edits.items()])


def _constants(prompts: str) -> Iterator[PromptSource]:
    tree = parse(prompts, what="prompt").tree
    places, values = Positions(prompts), dict[str, str]()
    for node in tree.body if tree else ():
        if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
            continue
        name, value = node.targets[0].id, _constant(node.value, values)
        if value is None:
            continue
        values[name] = value
        start, end = places.start(node.value), places.end(node.value)
        for kind, parts in _readings(value):
            yield PromptSource(name, "prompts", kind, start, end, parts)


def _literals(code: str) -> Iterator[PromptSource]:
    tree = parse(code).tree
    places = Positions(code)
    inside: set[ast.AST] = set()
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.JoinedStr):
            inside.update(child for child in ast.walk(node) if child is not node)
    for node in ast.walk(tree) if tree else ():
        if node in inside or not isinstance(node, ast.JoinedStr | ast.Constant):
            continue
        name, start, end = f"line {node.lineno}", places.start(node), places.end(node)
        if isinstance(node, ast.JoinedStr):
            parts = _merged([p for value in node.values for p in _of_formatted(value)])
            if _is_telling(parts):
                yield PromptSource(name, "code", "f-string", start, end, parts)
        elif isinstance(node.value, str):
            for kind, parts in _readings(node.value):
                yield PromptSource(name, "code", kind, start, end, parts)


def _constant(node: ast.expr, constants: dict[str, str]) -> str | None:
    """The text of a constant that consists of literals and earlier constants; None where it is anything
    else.
    """
    match node:
        case ast.Constant(value=str(value)):
            return value
        case ast.Name(id=name):
            return constants.get(name)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            first, second = _constant(left, constants), _constant(right, constants)
            return None if first is None or second is None else first + second
    return None


def _readings(value: str) -> Iterator[tuple[Literal["text", "format"], tuple[Part, ...]]]:
    """A text as it is and, where it has fields, as a template for `.format`."""
    if _is_telling((value,)):
        yield "text", (value,)
    try:
        pieces = list(string.Formatter().parse(value))
    except ValueError:  # braces that are not fields
        return
    parts: list[Part] = []
    for text, name, spec, conversion in pieces:
        parts.append(text)
        if name is None:
            continue
        if not name.isidentifier() or spec or conversion:
            return
        parts.append(Field(name, f"{{{name}}}"))
    merged = _merged(parts)
    if any(isinstance(p, Field) for p in merged) and _is_telling(merged):
        yield "format", merged


def _of_formatted(node: ast.expr) -> Iterator[Part]:
    if isinstance(node, ast.Constant):
        yield str(node.value)
    elif isinstance(node, ast.FormattedValue):
        expression = ast.unparse(node.value)
        words = "".join(c if c.isalnum() or c == "_" else " " for c in expression).split()
        name = "_".join(words) or "value"
        source = ast.unparse(ast.JoinedStr(values=[node]))[2:-1]  # f'…' around it
        yield Field(f"value_{name}" if name[0].isdigit() else name, source)


def _merged(parts: list[Part]) -> tuple[Part, ...]:
    """The parts with adjacent texts merged, and adjacent fields too: nothing marks where one of them ends."""
    merged: list[Part] = []
    for part in parts:
        last = merged[-1] if merged else None
        if isinstance(part, str) and isinstance(last, str):
            merged[-1] = last + part
        elif isinstance(part, Field) and isinstance(last, Field):
            merged[-1] = Field(f"{last.name}_{part.name}", last.source + part.source)
        elif part:
            merged.append(part)
    return tuple(merged)


def _is_telling(parts: tuple[Part, ...]) -> bool:
    return sum(not c.isspace() for p in parts if isinstance(p, str) for c in p) >= MIN_LETTERS


def _doubled(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _escaped(text: str) -> str:
    """A text as it is written between triple quotes."""
    plain = text.replace("\\", "\\\\").replace('"', '\\"')
    return "".join(c if c == "\n" or c.isprintable() else c.encode("unicode_escape").decode() for c in plain)


def _literal(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    readable = text.replace("\n", "").isprintable() and not text.endswith('"')
    return f'"""{escaped}"""' if "\n" in text and readable else repr(text)
