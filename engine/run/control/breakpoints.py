"""Breakpoints: where a run is to stand still, in the words a user types, and which crossings they match.

before test            before (or after) an operator; "before *" is any
error                  a step failed
verdict failed         tests gave this verdict ("verdict" alone: any but passed)
line 12                the workflow's source reaches this line
tokens > 2000          a step's tokens, cost (USD) or latency (seconds) are above a value
match /regex/          a step's inputs or output match ("match input", "match output": one of them)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from engine.run.control.crossing import Crossing
from sandbox.errors import UsageError

On = Literal["before", "after", "model", "error", "verdict", "line", "tokens", "cost", "latency", "match"]
Side = Literal["input", "output"]

# A pattern is a person's, the text a model's: together they must not hold up the engine.
_MATCH_CHARS = 200_000
_MATCH_S = 0.1
_GRAMMAR = (
    "write before OPERATOR, after OPERATOR, model [OPERATOR], error, verdict [STATUS], line N, tokens > N, "
    "cost > USD, latency > SECONDS or match [input|output] /REGEX/"
)


class BreakpointError(UsageError):
    """Text that is not a breakpoint; the message says how one is written."""


@dataclass(frozen=True)
class Breakpoint:
    """Where a run is to stop. `name` is the operator's attribute, the role of a call outside of steps or the
    verdict's status, None for any. `above` is in tokens, US dollars or seconds, as `on` says; `line` counts
    from 1. `pattern` is searched in the `side` of a step, None for both.
    """

    on: On
    name: str | None = None
    line: int | None = None
    above: float | None = None
    pattern: str | None = None
    side: Side | None = None

    def __str__(self) -> str:
        match self.on:
            case "before" | "after":
                return f"{self.on} {self.name or '*'}"
            case "verdict" | "model":
                return f"{self.on} {self.name}" if self.name else self.on
            case "line":
                return f"line {self.line}"
            case "tokens" | "cost" | "latency":
                return f"{self.on} > {self.above:g}"
            case "match":
                return f"match {f'{self.side} ' if self.side else ''}/{self.pattern}/"
        return self.on

    def matches(self, crossing: Crossing) -> bool:
        """Whether a run that reaches this crossing is to stand still there."""
        match self.on:
            case "before":
                return crossing.where == "before" and self.name in (None, crossing.operator)
            case "after":
                return crossing.where in ("after", "error") and self.name in (None, crossing.operator)
            case "model":
                return crossing.where == "model" and self.name in (None, crossing.operator)
            case "error":
                return crossing.where == "error"
            case "verdict":
                if crossing.where != "verdict":
                    return False
                return crossing.status == self.name if self.name else crossing.status != "passed"
            case "line":
                return crossing.where in ("line", "before") and crossing.line == self.line
            case "match":
                return self._finds(crossing)
        value = {"tokens": crossing.tokens, "cost": crossing.cost_usd, "latency": crossing.latency_s}[self.on]
        done = crossing.where in ("after", "error")
        return done and value is not None and self.above is not None and value > self.above

    def _finds(self, crossing: Crossing) -> bool:
        sides = {"before": "input", "after": "output"}
        side = sides.get(crossing.where)
        return side is not None and self.side in (None, side) and _search(self.pattern or "", crossing.value)


def parse_breakpoint(text: str) -> Breakpoint:
    """The breakpoint that `text` writes; `str` of a breakpoint writes it back. Raises BreakpointError where
    it is not one, or its pattern is not a regular expression.
    """
    words = text.split(None, 1)
    if not words or words[0] not in get_args(On):
        raise BreakpointError(f"{text!r} is not a breakpoint: {_GRAMMAR}")
    on, rest = words[0], words[1].strip() if len(words) > 1 else ""
    match on:
        case "before" | "after":
            return Breakpoint(on, name=None if rest in ("", "*") else rest)
        case "verdict" | "model":
            return Breakpoint(on, name=rest or None)
        case "error" if not rest:
            return Breakpoint("error")
        case "line" if rest.isdecimal() and int(rest) > 0:
            return Breakpoint("line", line=int(rest))
        case "tokens" | "cost" | "latency" if (above := _number(rest.removeprefix(">").strip())) is not None:
            return Breakpoint(on, above=above)
        case "match":
            return _pattern(rest, text)
    raise BreakpointError(f"{text!r} is not a breakpoint: {_GRAMMAR}")


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if value >= 0 else None


def _pattern(rest: str, text: str) -> Breakpoint:
    import regex  # slow to import, and seldom needed

    side: Side | None = None
    for name in get_args(Side):
        if rest.startswith(f"{name} "):
            side, rest = name, rest.removeprefix(name).strip()
    if len(rest) < 3 or not (rest[0] == rest[-1] == "/"):
        raise BreakpointError(f"{text!r} is not a breakpoint: write match /REGEX/, with the slashes")
    pattern = rest[1:-1]
    try:
        regex.compile(pattern)
    except regex.error as error:
        raise BreakpointError(f"{pattern!r} is not a regular expression: {error}") from None
    return Breakpoint("match", pattern=pattern, side=side)


def _search(pattern: str, value: Any) -> bool:
    """Whether the pattern is in the value's text; a search that takes too long counts as no match."""
    import regex

    try:
        return regex.search(pattern, _text(value)[:_MATCH_CHARS], timeout=_MATCH_S) is not None
    except TimeoutError:
        return False


def _text(value: Any) -> str:
    """The texts in a value, a line each, as a person reads them."""
    if isinstance(value, dict):
        return "\n".join(_text(v) for v in value.values())
    if isinstance(value, list | tuple):
        return "\n".join(map(_text, value))
    return value if isinstance(value, str) else repr(value)
