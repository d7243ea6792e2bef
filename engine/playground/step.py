"""The step that is played with, from its run's record: operator, inputs, template, draw, sampling."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Any

from engine.events import Event, ModelCallStarted, ValueEdited, WorkflowProposed
from engine.forks import RecordedStep, RunRecord
from engine.forks.steps import find_step
from engine.ids import content_key, step_key
from engine.models.base import Sampling
from engine.operators.own import recorded_set
from engine.operators.sets import MANUAL, SETS
from engine.operators.specs import OperatorSet, OperatorSpec
from engine.playground.sources import sources_of
from engine.playground.template import Template, find_template, flat_texts
from engine.problems import Problem, parse_problem
from engine.workflows import Workflow, build_workflow
from sandbox.errors import UsageError


class PlaygroundError(UsageError):
    """The step cannot be played with in this way; the message says why, and what can be done."""


@dataclass(frozen=True)
class PlayedStep:
    """A step that called a model. `call` is its first call and `template` that of the call's last user
    message; `calls` is how many it made.

    `proposal` and `operators` are its workflow's, None where the record does not have that. `was_edited` says
    that a person had changed the operator's message.
    """

    record: RunRecord
    problem: Problem
    step: RecordedStep
    call: ModelCallStarted
    calls: int
    inputs: dict[str, Any]
    operator: OperatorSpec
    template: Template
    proposal: WorkflowProposed | None
    operators: OperatorSet | None
    was_edited: bool

    @property
    def message(self) -> str:
        """The message of the template, as it was sent."""
        return self.call.messages[_prompt_index(self.call)]["content"]

    @property
    def sampling(self) -> Sampling:
        """How the step's model was sampled, without the seed."""
        names = {f.name for f in fields(Sampling)} - {"seed", "stop"}
        values = {name: value for name, value in self.call.params.items() if name in names}
        return Sampling(**values, stop=tuple(self.call.params.get("stop", ())))

    def draw(self, repeat: int) -> str:
        """What the seeds of a repeat (from 1) are derived from. The first repeat has the draws of the
        step itself.
        """
        step, start = self.step, self.record.start
        identity = content_key(self.operator.identity, step.inputs)
        seed = self.record.seed_of(step.execution_id) if step.execution_id in self.record.executions else 0
        draws = (content_key(identity, seed, occurrence) for occurrence in range(step.index + 1))
        own = (d for d in draws if step_key(d, start.worker, self.sampling.to_json()) == step.key)
        first = next(own, content_key("playground", step.key))
        return first if repeat == 1 else content_key("playground", first, repeat)


def played_step(events: Iterable[Event], place: str) -> PlayedStep:
    """The step of a run that `place` names, as `engine.forks.steps.find_step` reads it.

    Raises StepError where no step or several fit, PlaygroundError where the step called no model or its
    operator is gone, ProblemError where the run's problem cannot be read, and OperatorSetError where its
    operators cannot be had.
    """
    events = list(events)
    record = RunRecord(events)
    step = find_step(record, place)
    calls = [e for e in events if isinstance(e, ModelCallStarted) and e.step_id == step.id]
    if not calls:
        raise PlaygroundError(_without_call(record, step))
    edits = [e for e in events if isinstance(e, ValueEdited) and e.step_id == step.id]
    changed = [e.value for e in edits if e.what == "inputs" and isinstance(e.value, dict)]
    inputs = changed[-1] if changed else step.inputs
    was_edited = any(e.what == "messages" for e in edits)
    problem = parse_problem(record.start.problem, f"run {record.run_id}")
    proposal = _proposal(record, step)
    operators = _operators(record, proposal)
    template = find_template(
        calls[0].messages[_prompt_index(calls[0])]["content"],
        inputs,
        sources=sources_of(proposal.code, proposal.prompts) if proposal else (),
        quotable=dict(_quotable(record, step, problem)),
    )
    operator = _operator(record, step, operators)
    return PlayedStep(
        *(record, problem, step, calls[0], len(calls), inputs, operator, template, proposal, operators),
        was_edited=was_edited,
    )


def _without_call(record: RunRecord, step: RecordedStep) -> str:
    where = f"{step.operator} ({record.place(step)})"
    if step.reused and (parent := record.start.origin.get("parent")):
        return f"{where} was served from the record of run {parent}: play with it there"
    with_calls = [s for s in record.steps.values() if s.prompts]
    others = ", ".join(f"{record.place(s)} {s.operator}" for s in with_calls[:5])
    hint = f"steps that did: {others}" if others else "no step of this run did"
    return f"{where} called no model, so it has no prompt; {hint}"


def _prompt_index(call: ModelCallStarted) -> int:
    """The index of the last of the user's messages of a call, or of its last message."""
    from_user = [i for i, m in enumerate(call.messages) if m["role"] == "user"]
    return from_user[-1] if from_user else len(call.messages) - 1


def _proposal(record: RunRecord, step: RecordedStep) -> WorkflowProposed | None:
    execution = record.executions.get(step.execution_id)
    proposals = [p for p in record.proposals if execution and p.workflow_id == execution.workflow_id]
    return proposals[0] if proposals else None


def _operators(record: RunRecord, proposal: WorkflowProposed | None) -> OperatorSet | None:
    """The set with which the workflow was built, which its id tells, as it depends on the set; None for no
    set of this version.
    """
    if proposal is None:
        return None
    for operators in (recorded_set(record.start.config), MANUAL, *SETS.values()):
        built = build_workflow(proposal.code, proposal.prompts, operators)
        if isinstance(built, Workflow) and built.id == proposal.workflow_id:
            return operators
    return None


def _operator(record: RunRecord, step: RecordedStep, operators: OperatorSet | None) -> OperatorSpec:
    spec = (operators or recorded_set(record.start.config)).get(step.operator)
    if spec is None:
        raise PlaygroundError(
            f"the operator {step.operator} of run {record.run_id} is not one of this version; "
            "run its problem again to get a step that can be played with"
        )
    return spec


def _quotable(record: RunRecord, step: RecordedStep, problem: Problem) -> Iterator[tuple[str, str]]:
    """(name, text) of everything the workflow had when it called the step."""
    for name in ("problem", "entry_point"):
        if isinstance(value := problem.inputs[name], str) and value:
            yield name, value
    for other in record.steps.values():
        is_before = other.finished is not None and other.finished < step.started
        if other.execution_id == step.execution_id and is_before:
            for path, text in flat_texts(other.output):
                yield f"step{other.index}.{path}".strip("."), text
