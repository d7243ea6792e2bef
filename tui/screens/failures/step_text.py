"""The model calls of the step that went wrong: what was asked, and what came back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from engine.events import StepStarted
from tui.safe import clean, one_line

if TYPE_CHECKING:
    from store.failures import Peek
    from store.rows import ModelCall

_MOST_CHARS = 20_000  # of a message; the trace has all of it


def step_text(peek: Peek, calls: Iterable[ModelCall]) -> str:
    """Prompts and replies in the order of the calls."""
    started = next((event for event in peek.step if isinstance(event, StepStarted)), None)
    if started is None:
        return "No step is to blame: the run failed outside of its workflow's steps."
    of_step = [call for call in calls if call.step_id == started.step_id]
    head = f"step {started.index}: {one_line(started.operator, 60)}"
    if not of_step:
        return f"{head} called no model."
    return "\n".join([head, *(line for call in of_step for line in _lines(call))])


def _lines(call: ModelCall) -> Iterator[str]:
    for message in call.messages:
        yield from (
            f"── {one_line(message.get('role', ''), 20)} → {one_line(call.model, 60)}",
            _cut(message.get("content", "")),
        )
    if call.reasoning:
        yield from ("── reasoning", _cut(call.reasoning))
    yield from (f"── reply, {one_line(call.finish or 'unfinished', 30)}", _cut(call.text))
    if call.error:
        yield f"✗ {one_line(call.error, 400)}"


def _cut(text: str) -> str:
    kept = clean(text[:_MOST_CHARS])
    return f"{kept}\n…" if len(text) > _MOST_CHARS else kept
