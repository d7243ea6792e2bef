"""The state of each cell, from the events of the grid's run, whether live or from the store."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product, starmap
from typing import Any

from engine.events import (
    EvaluationFinished,
    Event,
    ModelCallFinished,
    ModelCallStarted,
    ModelDelta,
    ModelRetry,
    RunFinished,
    RunStarted,
    StepFinished,
    StepStarted,
    WorkflowFinished,
    WorkflowStarted,
)
from engine.playground.plan import Cell, GridPlan, plan_from_json


@dataclass
class CellState:
    """One cell. `status` is "waiting", "running", or how its execution ended; `reply` is the model's first
    reply as far as it has come, `output` that of the operator, `answer` the text in it. Tokens, cost and
    `latency_ms` are sums over the model calls; a cost of None is unknown. `passed` of `total` visible tests
    are None where no tests were run.
    """

    status: str = "waiting"
    messages: tuple[dict[str, str], ...] = ()
    reply: str = ""
    output: Any = None
    answer: str | None = None
    error: str | None = None
    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: float | None = 0.0
    latency_ms: float = 0.0
    ttft_ms: float | None = None
    passed: int | None = None
    total: int | None = None
    verdict: dict[str, Any] = field(default_factory=dict)
    seed: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The state without the messages and output, which the run's events hold; `tests` is {passed, total}
        or None.
        """
        tests = None if self.total is None else {"passed": self.passed, "total": self.total}
        return {
            "status": self.status,
            "error": self.error,
            "reply": self.reply,
            "answer": self.answer,
            "model_calls": self.calls,
            "tokens_in": self.tokens_in,
            "tokens_out": self.tokens_out,
            "cost_usd": self.cost_usd,
            "latency_ms": self.latency_ms,
            "ttft_ms": self.ttft_ms,
            "tests": tests,
        }


class Cells:
    """The grid so far. `plan` is None until the run's first event was taken in. `revision` grows with every
    change, so that a view can tell whether to redraw; `last_seq` is the number of the last event.
    """

    def __init__(self) -> None:
        self.plan: GridPlan | None = None
        self.run_id = ""
        self.template = ""
        self.operator = ""
        self.status = "waiting"
        self.error: str | None = None
        self.revision = 0
        self.last_seq = -1
        self._cells: dict[Cell, CellState] = {}
        self._executions: dict[str, Cell] = {}
        self._steps: dict[str, CellState] = {}
        self._calls: dict[str, tuple[CellState, bool]] = {}

    def __getitem__(self, cell: Cell) -> CellState:
        return self._cells.setdefault(cell, CellState())

    @property
    def finished(self) -> bool:
        """Whether the run has ended."""
        return self.status not in ("waiting", "running")

    def all(self) -> list[tuple[Cell, CellState]]:
        """Every cell of the plan, row by row."""
        plan = self.plan
        if plan is None:
            return []
        places = product(range(len(plan.edits)), range(len(plan.models)), range(1, plan.repeats + 1))
        return [(cell, self[cell]) for cell in starmap(Cell, places)]

    def take(self, event: Event) -> None:
        """Take in the run's next event. Raises PlaygroundError where the run is not that of a playground."""
        self.revision += 1
        self.last_seq = event.seq
        match event:
            case RunStarted():
                options = event.config.get("options", {})
                self.plan, self.run_id, self.status = plan_from_json(options), event.run_id, "running"
                self.template = str(options.get("template", ""))
                self.operator = str(options.get("operator", ""))
            case WorkflowStarted() if self.plan is not None:
                cell = self.plan.cell(event.round, event.repeat)
                self._executions[event.execution_id] = cell
                # From the beginning: a cell whose container was lost starts again.
                self._cells[cell] = CellState("running")
            case StepStarted() if (cell := self._executions.get(event.execution_id)) is not None:
                self._steps[event.step_id] = self[cell]
            case ModelCallStarted() if (state := self._steps.get(event.step_id or "")) is not None:
                self._asked(state, event)
            case ModelDelta(channel="text") if (call := self._calls.get(event.call_id)) and call[1]:
                call[0].reply += event.text
            case ModelRetry() if (call := self._calls.get(event.call_id)) and call[1]:
                call[0].reply = ""
            case ModelCallFinished() if event.call_id in self._calls:
                self._answered(*self._calls[event.call_id], event)
            case StepFinished() if (state := self._steps.get(event.step_id)) is not None:
                state.output = event.output
            case EvaluationFinished() if (cell := self._executions.get(event.execution_id or "")) is not None:
                state = self[cell]
                state.passed, state.total, state.verdict = event.passed, event.total, event.verdict
            case WorkflowFinished() if (cell := self._executions.get(event.execution_id)) is not None:
                state = self[cell]
                state.status, state.error, state.answer = event.status, event.error, event.answer
            case RunFinished():
                self.end(event.status, event.error)
            case _:
                pass

    def end(self, status: str, error: str | None) -> None:
        """Note that the run has ended, or that its events have; unfinished cells count as cancelled."""
        self.status, self.error = status, error
        self.revision += 1
        for _, state in self.all():
            if state.status in ("waiting", "running"):
                state.status = "cancelled"

    def _asked(self, state: CellState, event: ModelCallStarted) -> None:
        is_first = state.calls == 0
        state.calls += 1
        self._calls[event.call_id] = (state, is_first)
        if is_first:
            state.messages, state.seed = event.messages, event.params.get("seed")

    def _answered(self, state: CellState, is_first: bool, event: ModelCallFinished) -> None:
        state.tokens_in += event.tokens_in
        state.tokens_out += event.tokens_out
        state.latency_ms += event.wall_ms
        cost_usd = event.charge_usd
        state.cost_usd = None if cost_usd is None or state.cost_usd is None else state.cost_usd + cost_usd
        if is_first:
            state.reply, state.ttft_ms = event.text or state.reply, event.ttft_ms
