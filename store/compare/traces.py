"""Two runs beside each other: their workflows as a diff, their steps aligned, what came out differently.

Executions are matched by why and when they ran: purpose, round and repeat. For the final ones the round is
which of the run's final rounds it is: the workflow that was chosen may be of any. Within two that match,
steps with the same key (`engine.events.StepStarted.key`: operator, inputs, worker, draw) are put beside each
other first, in order, and between those, steps of the same operator.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from engine.events import StepFinished, StepStarted, WorkflowProposed, WorkflowStarted

if TYPE_CHECKING:
    from engine.events import Event
    from store.reader import Reader

Kind = Literal["same", "output", "inputs", "only_baseline", "only_other"]
# Comparing all with all is quadratic: a stretch longer than this is aligned by position.
_MOST_PAIRS = 1_000_000


@dataclass(frozen=True)
class ComparedStep:
    """A step with its texts. `execution` is its (purpose, round, repeat); `output` is None while it runs."""

    execution: tuple[str, int, int]
    index: int
    operator: str
    line: int | None
    key: str
    status: str
    inputs: Any
    output: Any
    error: str | None
    wall_ms: float | None


@dataclass(frozen=True)
class StepPair:
    """Aligned steps. `kind` is what differs: nothing, only the output, the inputs (and so the key), or that
    one side has no such step.
    """

    kind: Kind
    steps: tuple[ComparedStep | None, ComparedStep | None]

    @property
    def step(self) -> ComparedStep:
        """The step, or the other's where there is none."""
        first, second = self.steps
        step = first or second
        assert step is not None
        return step


@dataclass(frozen=True)
class RunPair:
    """A run against the baseline; each tuple is (baseline, other).

    `diff` is the unified diff of code and prompts, whole, "" where they are the same; `workflows` say in a
    word what the sides ran.
    """

    run_ids: tuple[str, str]
    workflows: tuple[str, str]
    diff: str
    steps: tuple[StepPair, ...]

    @property
    def differing(self) -> tuple[StepPair, ...]:
        """The aligned steps that differ in anything."""
        return tuple(one for one in self.steps if one.kind != "same")

    def to_json(self) -> dict[str, Any]:
        """The pair for programs; its fields are in docs/compare.md."""
        steps = [{"kind": s.kind, "steps": [asdict(x) if x else None for x in s.steps]} for s in self.steps]
        return {
            "run_ids": list(self.run_ids),
            "workflows": list(self.workflows),
            "diff": self.diff,
            "steps": steps,
        }


def read_run_pair(reader: Reader, first: str, second: str) -> RunPair:
    """Read and align two runs, by their ids. Raises StoreError where one is missing or damaged."""
    texts = [_workflow(reader, run_id) for run_id in (first, second)]
    steps = [_steps(reader, run_id) for run_id in (first, second)]
    return RunPair(
        (first, second),
        (texts[0][0], texts[1][0]),
        workflow_diff(texts[0][1], texts[1][1], (f"A {first}", f"B {second}")),
        tuple(align(*steps)),
    )


def workflow_diff(before: str, after: str, names: tuple[str, str] = ("A", "B")) -> str:
    """The unified diff with all lines as context; "" for the same text."""
    if before == after:
        return ""
    old, new = before.splitlines(), after.splitlines()
    return "\n".join(difflib.unified_diff(old, new, *names, lineterm="", n=max(len(old), len(new), 1)))


def _workflow(reader: Reader, run_id: str) -> tuple[str, str]:
    """A word for the run's scored workflow, and its text; without a scored one, the last proposed."""
    workflow_id = reader.run(run_id).workflow_id
    stored = reader.workflow(workflow_id) if workflow_id else None
    if stored is not None:
        return stored.id[:8], f"{stored.code}\n\n{stored.prompts}".rstrip()
    for event in reversed(reader.events_of_kind(run_id, "workflow_proposed")):
        assert isinstance(event, WorkflowProposed)
        return "unscored", f"{event.code}\n\n{event.prompts}".rstrip()
    return workflow_id[:8] if workflow_id else "none", ""


def _steps(reader: Reader, run_id: str) -> list[ComparedStep]:
    kinds = ("workflow_started", "step_started", "step_finished")
    events = reader.events_of_kind(run_id, *kinds)
    executions = {e.execution_id: e for e in events if isinstance(e, WorkflowStarted)}
    ended = {e.step_id: e for e in events if isinstance(e, StepFinished)}
    return [compared_step(e, executions.get(e.execution_id), ended.get(e.step_id)) for e in _started(events)]


def _started(events: Sequence[Event]) -> Iterator[StepStarted]:
    return (event for event in events if isinstance(event, StepStarted))


def compared_step(
    started: StepStarted, execution: WorkflowStarted | None, ended: StepFinished | None
) -> ComparedStep:
    """A step with its texts, as its events tell it."""
    where = (execution.purpose, execution.round, execution.repeat) if execution else ("", 0, 0)
    return ComparedStep(
        where,
        started.index,
        started.operator,
        started.line,
        started.key,
        ended.status if ended else "unfinished",
        started.inputs,
        ended.output if ended else None,
        ended.error if ended else None,
        ended.wall_ms if ended else None,
    )


def align(first: Sequence[ComparedStep], second: Sequence[ComparedStep]) -> Iterator[StepPair]:
    """The steps of two runs beside each other, execution by execution."""
    sides = [_by(first), _by(second)]
    for where in dict.fromkeys(where for found in sides for where in found):
        yield from pair_up(*(found.get(where, ()) for found in sides))


def pair_up(first: Sequence[ComparedStep], second: Sequence[ComparedStep]) -> Iterator[StepPair]:
    """The steps of two executions beside each other, in the workflow's own order: steps that run together
    may start in any.
    """
    for a, b in _aligned(*(sorted(steps, key=lambda step: step.index) for steps in (first, second))):
        yield StepPair(_kind(a, b), (a, b))


def _by(steps: Sequence[ComparedStep]) -> dict[tuple[str, int, int], list[ComparedStep]]:
    rounds = sorted({step.execution[1] for step in steps if step.execution[0] != "val"})
    by_execution: dict[tuple[str, int, int], list[ComparedStep]] = {}
    for step in steps:
        purpose, round_number, repeat = step.execution
        place = round_number if purpose == "val" else rounds.index(round_number)
        by_execution.setdefault((purpose, place, repeat), []).append(step)
    return by_execution


def _aligned(
    first: Sequence[ComparedStep], second: Sequence[ComparedStep]
) -> Iterator[tuple[ComparedStep | None, ComparedStep | None]]:
    for a, b in _matched(first, second, [s.key for s in first], [s.key for s in second]):
        if len(a) == len(b) == 1 and a[0].key == b[0].key:
            yield a[0], b[0]
            continue
        for x, y in _matched(a, b, [s.operator for s in a], [s.operator for s in b]):
            if len(x) == len(y) == 1 and x[0].operator == y[0].operator:
                yield x[0], y[0]
            else:
                yield from ((step, None) for step in x)
                yield from ((None, step) for step in y)


def _matched(
    first: Sequence[ComparedStep], second: Sequence[ComparedStep], names: list[str], others: list[str]
) -> Iterator[tuple[Sequence[ComparedStep], Sequence[ComparedStep]]]:
    """Stretches in order: one step each where the names match, else whatever lies between."""
    if len(first) * len(second) > _MOST_PAIRS:
        yield from ((first[i : i + 1], second[i : i + 1]) for i in range(max(len(first), len(second))))
        return
    for tag, a, to_a, b, to_b in difflib.SequenceMatcher(None, names, others, autojunk=False).get_opcodes():
        if tag == "equal":
            yield from ((first[a + i : a + i + 1], second[b + i : b + i + 1]) for i in range(to_a - a))
        else:
            yield first[a:to_a], second[b:to_b]


def _kind(first: ComparedStep | None, second: ComparedStep | None) -> Kind:
    if first is None or second is None:
        return "only_baseline" if second is None else "only_other"
    if (first.status, first.error, first.output) != (second.status, second.error, second.output):
        return "output" if first.key == second.key else "inputs"
    return "same" if first.key == second.key else "inputs"
