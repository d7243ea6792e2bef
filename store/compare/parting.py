"""Where two runs of a problem part: the first step at which their final executions differ, and why.

Steps are put beside each other as `store.compare.traces` does, but what differs is what they were given and
gave: a draw of its own, which changes a step's key, parts nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from engine.events import (
    EvaluationFinished,
    ModelCallFinished,
    ModelCallStarted,
    RunFinished,
    RunStarted,
    StepFinished,
    StepStarted,
    WorkflowFinished,
    WorkflowStarted,
)
from store.compare.traces import ComparedStep, StepPair, compared_step, pair_up

if TYPE_CHECKING:
    from engine.events import Event
    from store.reader import Reader

Blame = Literal[
    "problem",
    "ended",
    "meta-reply",
    "workflow",
    "worker",
    "reply",
    "operator",
    "sandbox",
    "inputs",
    "answer",
    "tests",
    "verdict",
    "nothing",
]
_KINDS = (
    "run_started",
    "workflow_started",
    "workflow_finished",
    "step_started",
    "step_finished",
    "evaluation_finished",
    "run_finished",
)
_OF_CALLS = ("run_started", "step_started", "model_call_started", "model_call_finished")


@dataclass(frozen=True)
class Ending:
    """How a run's execution ended that decided its verdict. `execution` is its purpose, round and repeat,
    None where the run never came to one; `verdict` and `score` are of its answer, else of the run.
    """

    run_id: str
    status: str
    execution: tuple[str, int, int] | None
    workflow_id: str | None
    answer: str | None
    score: float | None
    error: str | None
    verdict: dict[str, Any]


@dataclass(frozen=True)
class Parting:
    """Where two runs part, and what that is to be blamed on. `step` is None where no step differs."""

    blame: Blame
    step: StepPair | None
    endings: tuple[Ending, Ending]

    def to_json(self) -> dict[str, Any]:
        steps = [asdict(s) if s else None for s in self.step.steps] if self.step else None
        return {"blame": self.blame, "steps": steps, "endings": [asdict(end) for end in self.endings]}


@dataclass(frozen=True)
class _Final:
    """A run, and of its final executions the one that is looked at."""

    start: RunStarted | None
    ending: Ending
    steps: tuple[ComparedStep, ...]
    step_ids: dict[int, str]


def read_parting(reader: Reader, first: str, second: str) -> Parting:
    """Compare the executions that decided: the worst of the run that came out worse, and of the other the
    same repeat where that went better or both came out alike, else its best. Raises StoreError.
    """
    runs = [_Run(reader.events_of_kind(run_id, *_KINDS), run_id) for run_id in (first, second)]
    worse = 1 if runs[1].score < runs[0].score else 0
    bad = runs[worse].worst()
    good = runs[1 - worse].better_than(runs[worse], bad)
    chosen = (bad, good) if worse == 0 else (good, bad)
    finals = [run.final(execution) for run, execution in zip(runs, chosen, strict=True)]
    blame, step = _blame(reader, *finals)
    return Parting(blame, step, (finals[0].ending, finals[1].ending))


class _Run:
    def __init__(self, events: Sequence[Event], run_id: str) -> None:
        self._id, self._events = run_id, events
        self._start = next((e for e in events if isinstance(e, RunStarted)), None)
        self._end = next((e for e in events if isinstance(e, RunFinished)), None)
        executions = [e for e in events if isinstance(e, WorkflowStarted)]
        finals = [e for e in executions if e.purpose != "val"]
        self._executions = finals or executions[-1:]
        self._evaluations = {e.execution_id: e for e in events if isinstance(e, EvaluationFinished)}

    @property
    def score(self) -> float:
        if self._end is None:
            return -1.0
        return self._end.score if self._end.score is not None else -1.0

    def score_of(self, execution: WorkflowStarted | None) -> float:
        evaluation = self._evaluations.get(execution.execution_id) if execution else None
        return -1.0 if evaluation is None or evaluation.score is None else evaluation.score

    def worst(self) -> WorkflowStarted | None:
        return min(self._executions, key=self.score_of, default=None)

    def better_than(self, other: _Run, execution: WorkflowStarted | None) -> WorkflowStarted | None:
        score, repeat = other.score_of(execution), execution.repeat if execution else 1
        same = next((e for e in self._executions if e.repeat == repeat), None)
        if same is not None and (self.score_of(same) > score or self.score == other.score):
            return same
        best = max(self._executions, key=self.score_of, default=None)
        return best if self.score_of(best) > score else same or best

    def final(self, execution: WorkflowStarted | None) -> _Final:
        id = execution.execution_id if execution else None
        ended = {e.step_id: e for e in self._events if isinstance(e, StepFinished)}
        started = [e for e in self._events if isinstance(e, StepStarted) and e.execution_id == id]
        steps = tuple(compared_step(e, execution, ended.get(e.step_id)) for e in started)
        return _Final(self._start, self._ending(execution), steps, {e.index: e.step_id for e in started})

    def _ending(self, execution: WorkflowStarted | None) -> Ending:
        id = execution.execution_id if execution else None
        ended = (e for e in self._events if isinstance(e, WorkflowFinished))
        end = next((e for e in ended if e.execution_id == id), None)
        evaluation = self._evaluations.get(id)
        run = self._end
        return Ending(
            self._id,
            run.status if run else "running",
            (execution.purpose, execution.round, execution.repeat) if execution else None,
            execution.workflow_id if execution else None,
            end.answer if end else run.answer if run else None,
            evaluation.score if evaluation else run.score if run else None,
            (end.error if end else None) or (run.error if run else None),
            evaluation.verdict if evaluation else {},
        )


def _blame(reader: Reader, first: _Final, second: _Final) -> tuple[Blame, StepPair | None]:
    a, b = first.ending, second.ending
    if _problem(first, "prompt") != _problem(second, "prompt"):
        return "problem", None
    if a.execution is None or b.execution is None:
        return "ended", None
    same_workflow = a.workflow_id == b.workflow_id
    pairs = pair_up(first.steps, second.steps)
    step = next((pair for pair in pairs if _parts(pair)), None)
    if step is None:
        if a.answer != b.answer or a.error != b.error:
            return ("answer" if same_workflow else _other_workflow(reader, first, second)), None
        if _problem(first, "tests") != _problem(second, "tests"):
            return "tests", None
        return ("nothing" if a.score == b.score else "verdict"), None
    before, after = step.steps
    if before is not None and after is not None and before.inputs == after.inputs:
        return _within(reader, first, second, (before, after)), step
    return ("inputs" if same_workflow else _other_workflow(reader, first, second)), step


def _problem(final: _Final, key: str) -> Any:
    return final.start.problem.get(key) if final.start else None


def _parts(pair: StepPair) -> bool:
    a, b = pair.steps
    if a is None or b is None:
        return True
    return (a.inputs, a.status, a.error, a.output) != (b.inputs, b.status, b.error, b.output)


def _within(reader: Reader, first: _Final, second: _Final, steps: tuple[ComparedStep, ComparedStep]) -> Blame:
    """Why a step that was given the same gave something else: its model calls say it."""
    calls = [_calls(reader, *pair) for pair in zip((first, second), steps, strict=True)]
    for (asked, reply), (other, other_reply) in zip(*calls, strict=False):
        if asked.messages != other.messages:
            return "sandbox" if asked is not calls[0][0][0] else "operator"
        if asked.model != other.model:
            return "worker"
        if reply != other_reply:
            return "reply"
    return "sandbox"


def _calls(reader: Reader, final: _Final, step: ComparedStep) -> list[tuple[ModelCallStarted, str | None]]:
    """A step's model calls; where it was served from the record, those of the run that it was made in."""
    step_id: str | None = final.step_ids[step.index]
    for events in _with_ancestors(reader, final.ending.run_id):
        if step_id is None:
            steps = (e for e in events if isinstance(e, StepStarted))
            step_id = next((e.step_id for e in steps if e.key == step.key), None)
        started = [e for e in events if isinstance(e, ModelCallStarted) and e.step_id == step_id]
        if started:
            replies = {e.call_id: e.text for e in events if isinstance(e, ModelCallFinished)}
            return [(e, replies.get(e.call_id)) for e in started]
        step_id = None
    return []


def _with_ancestors(reader: Reader, run_id: str) -> Iterator[list[Event]]:
    """What `_calls` looks at of a run, then of the runs that it was forked from."""
    seen: set[str] = set()  # a bundle can say that a run is its own ancestor
    while run_id and run_id not in seen:
        seen.add(run_id)
        events = reader.events_of_kind(run_id, *_OF_CALLS)
        yield events
        run_id = next((e.origin.get("parent", "") for e in events if isinstance(e, RunStarted)), "")


def _other_workflow(reader: Reader, first: _Final, second: _Final) -> Blame:
    """Whether the meta-agent was asked the same, and its reply alone made the workflows differ."""
    asked = [_first_asked(reader, f.ending.run_id) for f in (first, second)]
    same = asked[0] is not None and asked[0] == asked[1]
    return "meta-reply" if same else "workflow"


def _first_asked(reader: Reader, run_id: str) -> tuple[str, object] | None:
    for event in reader.events(run_id, kinds=("model_call_started",)):
        if isinstance(event, ModelCallStarted) and event.role == "meta":
            return event.model, event.messages
    return None
