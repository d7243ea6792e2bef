"""One edit, made on one run and carried over to others: where it fits, and why where it does not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.events import StepStarted, WorkflowProposed
from engine.operators.own import recorded_set
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
    """What of a failed run can be edited: its workflow, and inputs and prompt of the step that is to blame.

    `step_id` is None where no step is to blame. `prompt` is the user's message of the step's first model
    call, None where it made none or was served from another run's record.
    """

    run_id: str
    code: str
    prompts: str
    step_id: str | None
    operator: str
    inputs: dict[str, Any]
    prompt: str | None


@dataclass(frozen=True)
class Edit:
    """What was made of it; what is None stays as it is. It is of the workflow, or else of the step."""

    of: Editable
    workflow: tuple[str, str] | None = None
    inputs: dict[str, Any] | None = None
    prompt: str | None = None


def editable(store: Path, run_id: str) -> Editable:
    """What of a failed run can be edited.

    Raises StoreError, EditError where it has no workflow, and otherwise as `read_record` does.
    """
    return _read(store, run_id)[0]


def edit_of(
    store: Path,
    run_id: str,
    *,
    workflow: Path | None = None,
    sets: Sequence[str] = (),
    prompt: str | None = None,
) -> Edit:
    """The edit as the command line has it, made on this run. A workflow file without prompts beside it leaves
    the prompts as they are.

    Raises ForkError, StepError or WorkflowFileError where the options do not go together or do not fit this
    run, and otherwise as `editable` does.
    """
    from tui.service.asked.fork import with_sets
    from tui.service.asked.workflow import read_workflow_file

    if (workflow is not None) == (bool(sets) or prompt is not None):
        raise ForkError("say what to change in all of them: --workflow, or --set and --prompt for the step")
    of, record = _read(store, run_id)
    if workflow is not None:
        code, prompts = read_workflow_file(workflow)
        if code.rstrip() == of.code.rstrip() and prompts.rstrip() in ("", of.prompts.rstrip()):
            raise EditError(f"{workflow} is the workflow of run {of.run_id} as it was; edit it first")
        return Edit(of, workflow=(code, prompts or of.prompts))
    if of.step_id is None:
        raise EditError(f"run {of.run_id} did not fail at a step; edit its workflow, with --workflow")
    if prompt is not None and of.prompt is None:
        raise EditError(f"the step of {of.operator} that went wrong called no model; use --set")
    operator = recorded_set(record.start.config).get(of.operator)
    return Edit(of, inputs=with_sets(of.inputs, sets, operator) if sets else None, prompt=prompt)


def edit_request(store: Path, run_id: str, edit: Edit) -> NewFork:
    """The fork of a run with the edit, which for a step is made wherever that step is in the run.

    Raises EditError where it does not fit, and otherwise as `check_fork` does.
    """
    from tui.service.asked.fork import check_fork

    its, record = _read(store, run_id)
    if edit.workflow is not None:
        code = carried(edit.of.code, edit.workflow[0], its.code, "workflow")
        prompts = carried(edit.of.prompts, edit.workflow[1], its.prompts, "prompts")
        request = NewFork(parent=record.run_id, workflow=(code, prompts))
    else:
        if its.step_id is None or its.operator != edit.of.operator:
            raise EditError(f"it did not fail at a step of {edit.of.operator}")
        # In every execution of the run: where the others stay as they failed, the run cannot pass.
        request = NewFork(
            parent=record.run_id,
            at=its.step_id,
            inputs=None if edit.inputs is None else carried_inputs(edit.of.inputs, edit.inputs, its.inputs),
            prompt=None if edit.prompt is None else _carried_prompt(edit, its),
            everywhere=True,
        )
    check_fork(record, request)
    return request


def _carried_prompt(edit: Edit, its: Editable) -> str:
    assert edit.of.prompt is not None and edit.prompt is not None
    if its.prompt is None:
        raise EditError("its step has no prompt of its own")
    return carried(edit.of.prompt, edit.prompt, its.prompt, "prompt")


def _read(store: Path, run_id: str) -> tuple[Editable, RunRecord]:
    from store.reader import Reader
    from tui.service.asked.fork import read_record

    with Reader(store) as reader:
        peek = reader.failures.peek(run_id)
    if not isinstance(peek.workflow, WorkflowProposed):
        raise EditError("it has no workflow")
    record = read_record(store, run_id)
    blamed = next((event.step_id for event in peek.step if isinstance(event, StepStarted)), "")
    step = record.steps.get(blamed)
    its = Editable(
        run_id,
        peek.workflow.code,
        peek.workflow.prompts,
        step.id if step else None,
        step.operator if step else "",
        dict(step.inputs) if step else {},
        _prompt_of(step) if step else None,
    )
    return its, record


def _prompt_of(step: RecordedStep) -> str | None:
    users = [m["content"] for m in step.prompts[0] if m["role"] == "user"] if step.prompts else []
    return users[-1] if users else None


def carried(old: str, new: str, other: str, what: str) -> str:
    """`other` with the lines changed that `new` changes in `old`.

    Nothing is guessed: a change fits where its lines, with a few around them if need be, are in `other` once.
    Raises EditError where they are not.
    """
    if old == new:
        return other
    if other == old:
        return new
    # Editors and files end a text with a newline, or two: that is no edit.
    before, after, lines = (text.rstrip("\n").splitlines() for text in (old, new, other))
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
