"""Words searched for in the texts of a run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from tui.trace.nodes import (
    CallNode,
    CodeNode,
    EvaluationNode,
    ExecutionNode,
    Key,
    Node,
    NoticeNode,
    ProposalNode,
    RoundNode,
    StepNode,
)

# A text of 10 MB is searched in pieces: a match of one piece does not hold the interpreter for long.
PIECE = 1 << 18
MAX_DEPTH = 20


@dataclass(frozen=True)
class Query:
    """Text to find as it stands; case counts only where `words` has a capital letter."""

    words: str

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        flags = re.IGNORECASE if self.words == self.words.lower() else re.NOFLAG
        return re.compile(re.escape(self.words), flags)

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Where the query matches in a short text."""
        return (match.span() for match in self._pattern.finditer(text))

    def matches(self, text: str) -> bool:
        """Whether the query occurs in `text`, of any length."""
        step = PIECE - len(self.words) + 1
        if step <= 0 or len(text) <= PIECE:
            return self._pattern.search(text) is not None
        return any(self._pattern.search(text, at, at + PIECE) is not None for at in range(0, len(text), step))


class Hit(NamedTuple):
    """A row that matches, and the tab of its detail that has the match."""

    key: Key
    tab: str


def hits(nodes: Iterable[Node], query: Query) -> list[Hit]:
    """Every node and tab that matches, in the nodes' order. Safe to call in a thread."""
    found: list[Hit] = []
    for node in nodes:
        tabs: dict[str, None] = {}
        for tab, text in texts(node):
            if tab not in tabs and query.matches(text):
                tabs[tab] = None
        found += [Hit(node.key, tab) for tab in tabs]
    return found


def texts(node: Node) -> Iterator[tuple[str, str]]:
    """The texts of `node` itself with the tab each is shown in; those of its children are theirs."""
    match node:
        case CallNode():
            yield from (("Prompt", str(m.get("content", ""))) for m in node.messages)
            yield from (("Response", node.reasoning.text), ("Response", node.text.text))
            yield from (("Error", node.error or ""), ("Overview", node.model))
        case StepNode():
            yield "Overview", node.operator
            yield from (("Overview", text) for text in _strings(node.inputs))
            yield from (("Overview", text) for text in _strings(node.output))
            yield from (("Overview", str(note.get("text", ""))) for note in node.notes)
            yield from (("Stdout", node.stdout), ("Error", node.error or ""))
        case CodeNode():
            yield from (("Code", node.code), *_of_verdict(node.verdict))
        case EvaluationNode():
            yield from _of_verdict(node.verdict)
        case ExecutionNode():
            yield from (("Response", node.answer or ""), ("Stdout", node.stdout), ("Error", node.error or ""))
        case ProposalNode():
            yield from (("Code", node.code), ("Code", node.prompts), ("Overview", node.modification))
        case RoundNode():
            yield "Overview", node.feedback
        case NoticeNode():
            yield "Overview", node.text


def _of_verdict(verdict: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in ("stdout", "stderr"):
        yield "Stdout", str(verdict.get(name) or "")
    yield "Error", str(verdict.get("message") or "")
    tests = verdict.get("tests")
    for test in tests if isinstance(tests, list | tuple) else ():
        if isinstance(test, Mapping):
            yield "Error", str(test.get("message") or "")


def _strings(value: Any, depth: int = 0) -> Iterator[str]:
    """Every string within plain data."""
    if isinstance(value, str):
        yield value
    elif depth < MAX_DEPTH and isinstance(value, Mapping):
        for item in value.values():
            yield from _strings(item, depth + 1)
    elif depth < MAX_DEPTH and isinstance(value, list | tuple):
        for item in value:
            yield from _strings(item, depth + 1)
    elif value is not None:
        yield str(value)[:PIECE]
