"""A step's prompt as a template: the text that was sent, with the values that were filled in set apart.

Operators build their prompts in code of their own, so the variables have to be found: the values that went
into the step are looked for in the message, the longest first, and the person who edits sees each of them.
Whatever is found, the template filled in again is the message, to the character.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from engine.playground.sources import Field, Part, PromptSource
from sandbox.errors import UsageError

MAX_VARIABLES = 200
# Characters of a value that the workflow put into a longer text: a shorter one may be there by chance.
_MIN_QUOTED = 20
_NAME = re.compile(r"\{\{([^\W\d][\w.]*)\}\}")


class TemplateError(UsageError):
    """An edited template cannot be filled in, or its edit cannot be traced to the workflow's prompts."""


@dataclass(frozen=True)
class Variable:
    """A value that was filled in. `origin` says in a few words where it came from."""

    name: str
    value: str
    origin: str


@dataclass(frozen=True)
class Quoted:
    """A text of the workflow's author in a message, with the values of its fields."""

    source: PromptSource
    pieces: tuple[str | Variable, ...]


Piece = str | Variable | Quoted


@dataclass(frozen=True)
class Template:
    """A message as `pieces` in order; `absent` are inputs of the step that are not in its message."""

    pieces: tuple[Piece, ...]
    absent: tuple[Variable, ...] = ()

    @property
    def text(self) -> str:
        """The text to edit, in which variables are written {{name}}."""
        return "".join(p if isinstance(p, str) else f"{{{{{p.name}}}}}" for p in _flat(self.pieces))

    @property
    def variables(self) -> dict[str, Variable]:
        """Its variables by name."""
        return {p.name: p for p in _flat(self.pieces) if isinstance(p, Variable)}

    @property
    def prompts(self) -> tuple[str, ...]:
        """The names of the workflow's texts in it, each once."""
        return tuple(dict.fromkeys(p.source.name for p in self.pieces if isinstance(p, Quoted)))

    def fill(self, edited: str) -> str:
        """The message of an edited template. Raises TemplateError where it names a variable that there
        is not.
        """
        variables = self.variables
        self._check(edited)
        return _NAME.sub(lambda m: variables[m[1]].value if m[1] in variables else m[0], edited)

    def edits(self, edited: str) -> dict[PromptSource, tuple[Part, ...]]:
        """The workflow's own texts that an edited template changes, each with its new parts.

        Raises TemplateError where the edit changes anything else, changes nothing, or changes one text in two
        ways.
        """
        self._check(edited)
        quoted = [p for p in self.pieces if isinstance(p, Quoted)]
        if not quoted:
            raise TemplateError(
                "none of the workflow's prompts is in this step's message: promote the edit to a fork"
            )
        pattern = "".join("(.*?)" if isinstance(p, Quoted) else re.escape(_shown(p)) for p in self.pieces)
        match = re.fullmatch(pattern, edited, re.DOTALL)
        if match is None:
            raise TemplateError(
                f"the edit changes text outside of {' and '.join(self.prompts)}, which is the operator's and "
                "not in the workflow: promote it to a fork"
            )
        edits: dict[PromptSource, tuple[Part, ...]] = {}
        changed: dict[PromptSource, tuple[Part, ...]] = {}
        for piece, text in zip(quoted, match.groups(), strict=True):
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
        variables = self.variables
        literal = {m[1] for p in _flat(self.pieces) if isinstance(p, str) for m in _NAME.finditer(p)}
        for match in _NAME.finditer(edited):
            if match[1] not in variables and match[1] not in literal:
                names = ", ".join(f"{{{{{n}}}}}" for n in variables) or "none"
                raise TemplateError(f"there is no variable {match[0]}; this step's are: {names}")


def find_template(
    message: str,
    inputs: Mapping[str, object],
    *,
    sources: Sequence[PromptSource] = (),
    quotable: Mapping[str, str] | None = None,
) -> Template:
    """The template of `message`, which an operator made from `inputs`.

    `sources` are the workflow's texts; `quotable` are the values that the workflow may have put into them, by
    origin: the run's inputs and the outputs of earlier steps.
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
    """(path, text) of each text of at least two characters in a value; names and positions in a path have
    dots between them.
    """
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
    """The pieces that an input consists of; a single variable where they cannot be found."""
    whole = (Variable(name, value, f"input {name}"),)
    if value in quotable.values():
        return whole
    for source in sources:
        if (matched := source.match(value)) is not None:
            return (Quoted(source, tuple(_filled(part, text, source) for part, text in matched)),)
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
    """The value as it is and as operators trim it, each with the pieces it consists of."""
    yield value, pieces
    for characters in ("\n", None):
        trimmed = value.strip(characters)
        if trimmed == value:
            continue
        before = len(value) - len(value.lstrip(characters))
        if (cut := _cut(pieces, before, before + len(trimmed))) is not None:
            yield trimmed, cut


def _cut(pieces: tuple[Piece, ...], start: int, end: int) -> tuple[Piece, ...] | None:
    """The pieces between two characters of their text; None where that would cut an f-string of the
    author's.
    """
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
        while value and (hit := piece.find(value, at)) >= 0:
            at = hit + len(value)
            if not _is_whole(piece, hit, at):
                at = hit + 1
                continue
            if hit > start:
                result.append(piece[start:hit])
            result.extend(by)
            start = at
        if start < len(piece):
            result.append(piece[start:])
    return result


def _is_whole(text: str, start: int, end: int) -> bool:
    """Whether no word continues over the edges: `add` in "address" is not whole."""
    before = start > 0 and _is_word(text[start - 1]) and _is_word(text[start])
    after = end < len(text) and _is_word(text[end]) and _is_word(text[end - 1])
    return not before and not after


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _named(message: str, pieces: list[Piece]) -> tuple[Piece, ...]:
    """The pieces with variables renamed so that different values have different names, none of which is in
    the message itself.
    """
    values: dict[str, str] = {}

    def name(variable: Variable) -> Variable:
        stem, number = variable.name, 1
        unique = stem
        while values.setdefault(unique, variable.value) != variable.value or f"{{{{{unique}}}}}" in message:
            number += 1
            unique = f"{stem}_{number}"
        return Variable(unique, variable.value, variable.origin)

    def renamed(piece: Piece) -> Piece:
        if isinstance(piece, Quoted):
            inner = tuple(p if isinstance(p, str) else name(p) for p in piece.pieces)
            return Quoted(piece.source, inner)
        return piece if isinstance(piece, str) else name(piece)

    return tuple(map(renamed, pieces))


def _parts(quoted: Quoted, edited: str) -> tuple[Part, ...]:
    """An edited text of the author's, with the fields that its variables stand for. Raises TemplateError for
    a variable that is not one of its fields.
    """
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
