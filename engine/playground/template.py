"""A step's prompt as a template: the text that was sent, with what was filled in kept apart.

What is a variable is found, not known: operators build their prompts in code of their own. So the values that
went into the step are looked for in the message, longest first, and whoever edits is shown each one. Whatever
was found, the template filled in again is the message to the character.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from engine.playground.sources import Field, Part, PromptSource
from sandbox.errors import UsageError

MAX_VARIABLES = 200
# A value that the workflow put into a longer text is told from chance by its length.
_MIN_QUOTED = 20
_NAME = re.compile(r"\{\{([^\W\d][\w.]*)\}\}")


class TemplateError(UsageError):
    """An edited template cannot be filled in, or not be traced to the workflow's prompts."""


@dataclass(frozen=True)
class Variable:
    """A value that was filled in. `origin` says in a few words where it comes from."""

    name: str
    value: str
    origin: str


@dataclass(frozen=True)
class Quoted:
    """A text of the workflow's author, with what stands in its fields."""

    source: PromptSource
    pieces: tuple[str | Variable, ...]


Piece = str | Variable | Quoted


@dataclass(frozen=True)
class Template:
    """`pieces` in order; `absent` are inputs of the step that its prompt does not quote."""

    pieces: tuple[Piece, ...]
    absent: tuple[Variable, ...] = ()

    @property
    def text(self) -> str:
        """What is edited: variables stand as {{name}}."""
        return "".join(p if isinstance(p, str) else f"{{{{{p.name}}}}}" for p in _flat(self.pieces))

    @property
    def variables(self) -> dict[str, Variable]:
        return {p.name: p for p in _flat(self.pieces) if isinstance(p, Variable)}

    @property
    def prompts(self) -> tuple[str, ...]:
        """The names of the workflow's texts in it."""
        return tuple(dict.fromkeys(p.source.name for p in self.pieces if isinstance(p, Quoted)))

    def fill(self, edited: str) -> str:
        """The message of an edited template. Raises TemplateError."""
        variables = self.variables
        self._check(edited)
        return _NAME.sub(lambda m: variables[m[1]].value if m[1] in variables else m[0], edited)

    def edits(self, edited: str) -> dict[PromptSource, tuple[Part, ...]]:
        """What an edited template makes of the workflow's own texts.

        Raises TemplateError where something else was changed, or there is nothing to change.
        """
        self._check(edited)
        quoted = [p for p in self.pieces if isinstance(p, Quoted)]
        if not quoted:
            raise TemplateError(
                "none of the workflow's prompts is in this step's message: promote the edit to a fork"
            )
        pattern = "".join("(.*?)" if isinstance(p, Quoted) else re.escape(_shown(p)) for p in self.pieces)
        found = re.fullmatch(pattern, edited, re.DOTALL)
        if found is None:
            raise TemplateError(
                f"the edit changes text outside of {' and '.join(self.prompts)}, which is the operator's and "
                "not in the workflow: promote it to a fork"
            )
        edits: dict[PromptSource, tuple[Part, ...]] = {}
        changed: dict[PromptSource, tuple[Part, ...]] = {}
        for piece, text in zip(quoted, found.groups(), strict=True):
            parts = _parts(piece, text)
            if edits.setdefault(piece.source, parts) != parts:
                raise TemplateError(
                    f"{piece.source.name} stands in the message more than once: edit it everywhere alike"
                )
            if text != "".join(map(_shown, piece.pieces)):
                changed[piece.source] = parts
        if not changed:
            raise TemplateError("the edit leaves the workflow's prompts as they are: change one first")
        if len({(s.where, s.start) for s in changed}) != len(changed):
            raise TemplateError("the edit changes one text in two ways: promote it to a fork")
        return changed

    def _check(self, edited: str) -> None:
        known = self.variables
        literal = {m[1] for p in _flat(self.pieces) if isinstance(p, str) for m in _NAME.finditer(p)}
        for match in _NAME.finditer(edited):
            if match[1] not in known and match[1] not in literal:
                there = ", ".join(f"{{{{{n}}}}}" for n in known) or "none"
                raise TemplateError(f"there is no variable {match[0]}; this step's are: {there}")


def find_template(
    message: str,
    inputs: Mapping[str, object],
    *,
    sources: Sequence[PromptSource] = (),
    quotable: Mapping[str, str] | None = None,
) -> Template:
    """The template of `message`, which an operator made of `inputs`.

    `sources` are the workflow's texts; `quotable` is what the workflow may have put into them, by where it
    comes from: what the run was given and what earlier steps gave.
    """
    quotable = dict(quotable or {})
    values = list(flat_texts(inputs))[:MAX_VARIABLES]
    pieces: list[Piece] = [message]
    absent: list[Variable] = []
    for name, value in sorted(values, key=lambda v: -len(v[1])):
        inside = _composed(name, value, sources, quotable)
        for form, trimmed in _forms(value, inside):
            split = _replaced(pieces, form, trimmed)
            if len(split) != len(pieces) or split != pieces:
                pieces = split
                break
        else:
            absent.append(Variable(name, value, "input"))
    return Template(_named(message, pieces), tuple(absent))


def flat_texts(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    """The texts in a value, with the way to each."""
    if isinstance(value, str):
        if len(value.strip()) > 1:
            yield name, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from flat_texts(inner, f"{name}.{_word(str(key))}".strip("."))
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from flat_texts(inner, f"{name}.{number}")


def _composed(
    name: str, value: str, sources: Sequence[PromptSource], quotable: Mapping[str, str]
) -> tuple[Piece, ...]:
    """What an input is made of; a variable where that cannot be told."""
    whole = (Variable(name, value, f"input {name}"),)
    if value in quotable.values():
        return whole
    for source in sources:
        if (found := source.match(value)) is not None:
            return (Quoted(source, tuple(_filled(part, text, source) for part, text in found)),)
    pieces: list[Piece] = [value]
    for source in sources:
        if source.kind == "text":
            (text,) = source.parts
            assert isinstance(text, str)
            pieces = _replaced(pieces, text, (Quoted(source, (text,)),))
    for origin, text in sorted(quotable.items(), key=lambda q: -len(q[1])):
        if len(text) >= _MIN_QUOTED:
            pieces = _replaced(pieces, text, (Variable(origin, text, f"{origin}, in input {name}"),))
    return whole if pieces == [value] else tuple(pieces)


def _filled(part: Part, text: str, source: PromptSource) -> str | Variable:
    return text if isinstance(part, str) else Variable(part.name, text, f"field of {source.name}")


def _forms(value: str, pieces: tuple[Piece, ...]) -> Iterator[tuple[str, tuple[Piece, ...]]]:
    """The value as it is and as operators trim it, each with the pieces that make it up."""
    yield value, pieces
    for characters in ("\n", None):
        trimmed = value.strip(characters)
        if trimmed == value:
            continue
        before = len(value) - len(value.lstrip(characters))
        if (cut := _cut(pieces, before, before + len(trimmed))) is not None:
            yield trimmed, cut


def _cut(pieces: tuple[Piece, ...], start: int, end: int) -> tuple[Piece, ...] | None:
    """The pieces between two characters of what they make up; None where a text of the author's is cut."""
    kept: list[Piece] = []
    at = 0
    for piece in pieces:
        text = _text(piece)
        low, high = max(start - at, 0), min(end - at, len(text))
        at += len(text)
        if low >= high and text:
            continue
        if (low, high) == (0, len(text)):
            kept.append(piece)
        elif isinstance(piece, str):
            kept.append(text[low:high])
        elif isinstance(piece, Variable):
            kept.append(Variable(piece.name, text[low:high], piece.origin))
        else:
            inside = _cut(piece.pieces, low, high)
            if inside is None or piece.source.kind == "f-string":
                return None
            kept.append(Quoted(piece.source, tuple(p for p in inside if not isinstance(p, Quoted))))
    return tuple(kept)


def _replaced(pieces: list[Piece], value: str, by: tuple[Piece, ...]) -> list[Piece]:
    """The pieces with every whole occurrence of `value` in their plain text replaced."""
    result: list[Piece] = []
    for piece in pieces:
        if not isinstance(piece, str):
            result.append(piece)
            continue
        at = start = 0
        while value and (found := piece.find(value, at)) >= 0:
            at = found + len(value)
            if not _is_whole(piece, found, at):
                at = found + 1
                continue
            if found > start:
                result.append(piece[start:found])
            result.extend(by)
            start = at
        if start < len(piece):
            result.append(piece[start:])
    return result


def _is_whole(text: str, start: int, end: int) -> bool:
    """Whether no word goes on over the edges: `add` is not in "address"."""
    before = start > 0 and _is_word(text[start - 1]) and _is_word(text[start])
    after = end < len(text) and _is_word(text[end]) and _is_word(text[end - 1])
    return not before and not after


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _named(message: str, pieces: list[Piece]) -> tuple[Piece, ...]:
    """The pieces with names that tell apart what differs and do not stand in the message themselves."""
    values: dict[str, str] = {}

    def name(variable: Variable) -> Variable:
        stem, number = variable.name, 1
        chosen = stem
        while values.setdefault(chosen, variable.value) != variable.value or f"{{{{{chosen}}}}}" in message:
            number += 1
            chosen = f"{stem}_{number}"
        return Variable(chosen, variable.value, variable.origin)

    def renamed(piece: Piece) -> Piece:
        if isinstance(piece, Quoted):
            inner = tuple(p if isinstance(p, str) else name(p) for p in piece.pieces)
            return Quoted(piece.source, inner)
        return piece if isinstance(piece, str) else name(piece)

    return tuple(map(renamed, pieces))


def _parts(quoted: Quoted, edited: str) -> tuple[Part, ...]:
    """The edited text of the author's, its variables as the fields they stand for."""
    source = quoted.source
    fields: dict[str, Field] = {}
    written = iter([p for p in source.parts if isinstance(p, Field)])
    for piece in quoted.pieces:
        if isinstance(piece, Variable):
            fields[piece.name] = next(written)
    parts: list[Part] = []
    at = 0
    for match in _NAME.finditer(edited):
        if match[1] not in fields:
            raise TemplateError(
                f"{source.name} has no field for {match[0]} in the workflow: promote the edit to a fork"
            )
        parts += [edited[at : match.start()], fields[match[1]]]
        at = match.end()
    return tuple(p for p in [*parts, edited[at:]] if p)


def _flat(pieces: Sequence[Piece]) -> Iterator[str | Variable]:
    for piece in pieces:
        if isinstance(piece, Quoted):
            yield from piece.pieces
        else:
            yield piece


def _text(piece: Piece) -> str:
    return "".join(p if isinstance(p, str) else p.value for p in _flat((piece,)))


def _shown(piece: str | Variable) -> str:
    return piece if isinstance(piece, str) else f"{{{{{piece.name}}}}}"


def _word(text: str) -> str:
    return re.sub(r"\W", "_", text) or "_"
