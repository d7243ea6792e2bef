"""One edit, made on one run and carried over to others: where it fits, and why where it does not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.events import StepStarted, WorkflowProposed
from engine.recorded_job import ForkError
from tui.service.requests import NewFork

if TYPE_CHECKING:
    from engine.forks import RecordedStep, RunRecord

_MOST_CONTEXT = 3  # lines around a change, as many as it takes for its place to be the only one
_MOST_LINES = 2_000


class EditError(ForkError):
    """The edit does not fit this run; the message says what of it is not there."""


@dataclass(frozen=True)
class Editable:
    """What of a failed run can be edited: its workflow, and the inputs of the step that is to blame."""

    run_id: str
    code: str
    prompts: str
    step_id: str | None
    operator: str
    inputs: dict[str, Any]


@dataclass(frozen=True)
class Edit:
    """What was made of it; what is None stays as it is. One of the two is set."""

    of: Editable
    workflow: tuple[str, str] | None = None
    inputs: dict[str, Any] | None = None


def editable(store: Path, run_id: str) -> Editable:
    """What of a failed run can be edited. Raises StoreError, and EditError where it has no workflow."""
    from store.reader import Reader

    with Reader(store) as reader:
        peek = reader.failures.peek(run_id)
    if not isinstance(peek.workflow, WorkflowProposed):
        raise EditError("it has no workflow")
    step = next((event for event in peek.step if isinstance(event, StepStarted)), None)
    return Editable(
        run_id,
        peek.workflow.code,
        peek.workflow.prompts,
        step.step_id if step else None,
        step.operator if step else "",
        dict(step.inputs) if step else {},
    )


def edit_request(store: Path, run_id: str, edit: Edit) -> NewFork:
    """The fork of a run with the edit. Raises EditError where it does not fit, and otherwise as `check_fork`
    does.
    """
    from tui.service.asked.fork import check_fork, read_record

    its = editable(store, run_id)
    record = read_record(store, run_id)
    if edit.workflow is not None:
        code = carried(edit.of.code, edit.workflow[0], its.code, "workflow")
        prompts = carried(edit.of.prompts, edit.workflow[1], its.prompts, "prompts")
        request = NewFork(parent=record.run_id, workflow=(code, prompts))
    else:
        assert edit.inputs is not None
        step = _step(record, its, edit.of)
        inputs = carried_inputs(edit.of.inputs, edit.inputs, dict(step.inputs))
        request = NewFork(parent=record.run_id, at=step.id, inputs=inputs)
    check_fork(record, request)
    return request


def _step(record: RunRecord, its: Editable, of: Editable) -> RecordedStep:
    """The step of this run that the edit is for: the one to blame, where that is of the same operator."""
    from engine.forks.steps import find_step

    if its.step_id is None or its.operator != of.operator:
        raise EditError(f"it did not fail at a step of {of.operator}")
    return find_step(record, its.step_id)


def carried(old: str, new: str, other: str, what: str) -> str:
    """`other` with the lines changed that `new` changes in `old`.

    Nothing is guessed: a change fits where its lines, with a few around them if need be, are in `other` once.
    Raises EditError where they are not.
    """
    if old == new:
        return other
    if other == old:
        return new
    before, after, lines = old.splitlines(), new.splitlines(), other.splitlines()
    if max(len(before), len(after), len(lines)) > _MOST_LINES:
        raise EditError(f"the {what} has more than {_MOST_LINES:,} lines")
    changes = [
        (*_place(before, a, b, lines, what), after[c:d])
        for kind, a, b, c, d in SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
        if kind != "equal"
    ]
    end = len(lines)
    for start, stop, put in sorted(changes, key=lambda change: change[0], reverse=True):
        if stop > end:
            raise EditError(f"the changes to the {what} lie over each other there")
        lines[start:stop] = put
        end = start
    return "\n".join(lines) + ("\n" if other.endswith("\n") else "")


def _place(before: list[str], a: int, b: int, lines: list[str], what: str) -> tuple[int, int]:
    """Where lines `a` to `b` of `before` are in `lines`."""
    times = 0
    for context in range(0 if a < b else 1, _MOST_CONTEXT + 1):
        start, stop = max(a - context, 0), min(b + context, len(before))
        found = list(_occurrences(before[start:stop], lines))
        if len(found) == 1:
            return found[0] + a - start, found[0] + b - start
        times = max(times, len(found))
        if not found:
            break
    text = next((line.strip() for line in before[a:b] if line.strip()), "")
    place = f"line {a + 1}{f', `{text[:60]}`,' if text else ''}"
    raise EditError(f"its {what} has {place} {'more than once' if times else 'nowhere'}")


def _occurrences(part: list[str], lines: list[str]) -> Iterator[int]:
    wanted = [line.rstrip() for line in part]
    kept = [line.rstrip() for line in lines]
    for start in range(len(kept) - len(wanted) + 1):
        if wanted and kept[start : start + len(wanted)] == wanted:
            yield start


def carried_inputs(old: dict[str, Any], new: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """`other` with the arguments changed that `new` changes in `old`. Raises EditError where they do not
    fit.
    """
    changed = dict(other)
    for name in dict.fromkeys([*old, *new]):
        if name in old and name in new and old[name] == new[name]:
            continue
        if name not in new:
            changed.pop(name, None)
        elif name not in old:
            changed[name] = new[name]
        elif name not in other:
            raise EditError(f"its step has no input {name}")
        else:
            changed[name] = _carried_value(old[name], new[name], other[name], f"input {name}")
    return changed


def _carried_value(old: Any, new: Any, other: Any, what: str) -> Any:
    if old == new:
        return other
    if other == old:
        return new
    if isinstance(old, str) and isinstance(new, str) and isinstance(other, str):
        return carried(old, new, other, what)
    lists = isinstance(old, list) and isinstance(new, list) and isinstance(other, list)
    if lists and len(old) == len(new) == len(other):
        places = enumerate(zip(old, new, other, strict=True))
        return [_carried_value(a, b, c, f"{what}.{place}") for place, (a, b, c) in places]
    raise EditError(f"its {what} is another one")
