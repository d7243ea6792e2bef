"""The plan of a playground: a step's prompt and edits of it, models, repeats, and whether to run tests.

A playground is a run like any other. An edit is a round and a cell an execution of it (`GridPlan.cell`). The
prompts, the models and the step that they edit are the run's options.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple

from engine.json_objects import read_object
from engine.operators.support import defines
from engine.plain import answer_text
from engine.playground.step import PlayedStep, PlaygroundError
from engine.run.context import Origin, RunConfig
from engine.run.ledger import Budget

VARIANT = "playground"
MAX_CELLS = 400


class Cell(NamedTuple):
    """A place in the grid: the row (`edit`) and column (`model`), from 0, and the repeat, from 1."""

    edit: int
    model: int
    repeat: int


@dataclass(frozen=True)
class PromptEdit:
    """A row. `text` is the edited template, None for the one that was recorded."""

    name: str
    text: str | None = None


@dataclass(frozen=True)
class GridPlan:
    """The calls to make: step `step` of run `run` with every edit, on every model, `repeats` times.

    `test` runs the problem's visible tests on each cell's answer.
    """

    run: str
    step: str
    models: tuple[str, ...]
    edits: tuple[PromptEdit, ...] = (PromptEdit("recorded"),)
    repeats: int = 1
    test: bool = False

    def __post_init__(self) -> None:
        """Raises PlaygroundError where the grid is empty, has more than `MAX_CELLS` cells, or names a model
        or prompt twice.
        """
        if not self.models or not self.edits or self.repeats < 1:
            raise PlaygroundError("a playground needs a model, a prompt and at least one repeat")
        for what, names in (("model", self.models), ("prompt", [e.name for e in self.edits])):
            if twice := next((n for n in names if list(names).count(n) > 1), None):
                raise PlaygroundError(f"the {what} {twice} is given twice; give each once")
        if (cells := len(self.edits) * len(self.models) * self.repeats) > MAX_CELLS:
            raise PlaygroundError(f"{cells} cells are more than {MAX_CELLS}: take fewer prompts or models")

    def cell(self, round_number: int, repeat: int) -> Cell:
        """The cell of the execution `repeat` of round `round_number`, both from 1."""
        model, again = divmod(repeat - 1, self.repeats)
        return Cell(round_number - 1, model, again + 1)

    def place(self, cell: Cell) -> tuple[int, int]:
        """(round, repeat) of a cell's execution, both from 1; the inverse of `cell`."""
        return cell.edit + 1, cell.model * self.repeats + cell.repeat

    def to_json(self) -> dict[str, Any]:
        """All fields by name."""
        return asdict(self)


def plan_from_json(data: object) -> GridPlan:
    """The plan that `GridPlan.to_json` wrote, alone or among a run's options. Raises PlaygroundError where it
    is missing or damaged.
    """
    if isinstance(data, Mapping):
        # A run's options hold the operator and the template beside the plan.
        data = {f.name: data[f.name] for f in fields(GridPlan) if f.name in data}
    return read_object(GridPlan, data, "the playground's plan", PlaygroundError)


def is_solution(played: PlayedStep) -> bool:
    """Whether the step's output is code that the problem's visible tests can judge."""
    problem, output = played.problem, played.step.output
    if problem.kind != "code" or not problem.tests.visible or problem.entry_point is None:
        return False
    return defines(answer_text(output, problem) or "", problem.entry_point)


def check(played: PlayedStep, plan: GridPlan) -> None:
    """Check a plan before anything is spent on it. Raises PlaygroundError where a prompt is empty or there is
    nothing to test, and TemplateError where an edited template cannot be filled in.
    """
    for edit in plan.edits:
        if edit.text is not None and not played.template.fill(edit.text).strip():
            raise PlaygroundError(f"the prompt {edit.name} is empty; write what is to be asked")
    if not plan.test:
        return
    if played.problem.kind != "code" or not played.problem.tests.visible:
        raise PlaygroundError(
            f"problem {played.problem.id} has no visible tests to run answers against: leave --test out"
        )
    output = played.step.output
    if output is not None and answer_text(output, played.problem) is None:
        raise PlaygroundError(
            f"{played.step.operator} gives no solution that could be tested: leave --test out"
        )


def playground_config(played: PlayedStep, plan: GridPlan, budget: Budget) -> RunConfig:
    """The options of the grid's run, which hold the plan, the operator and the template."""
    options = {**plan.to_json(), "operator": played.step.operator, "template": played.template.text}
    start = played.record.start
    return RunConfig(
        variant=VARIANT,
        rounds=len(plan.edits),
        repeats=plan.repeats,
        seed=start.seed,
        worker_sampling=played.sampling,
        budget=budget,
        options=options,
    )


def playground_origin(played: PlayedStep) -> Origin:
    """Where the grid's run comes from: the step that is played with."""
    return Origin(parent=played.record.run_id, forked_at=played.step.id)
