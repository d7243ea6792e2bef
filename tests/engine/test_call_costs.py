"""What calls add to a run's cost, in every place that adds them up."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from engine.events import Event, ModelCallFinished, ModelCallStarted, StepStarted, WorkflowStarted
from engine.experiments.guard import Guard
from engine.experiments.remote_trials import Seen
from engine.playground.cells import Cells
from engine.playground.plan import Cell, GridPlan
from store.reader import Reader
from tests.store.samples import started, store
from tui.trace.state import RunState

Call = tuple[str | None, int, float | None]  # error, tokens, price
PART, NOTHING = ("cut off", 7, None), ("refused", 0, None)


def run_of(*calls: Call) -> list[Event]:
    """A run of one cell of a playground, with one step that makes these calls."""
    options = dataclasses.asdict(GridPlan("r", "s", ("m",)))
    events: list[Event] = [
        started(config={"options": options}),
        WorkflowStarted(
            execution_id="e", workflow_id="w", round=1, repeat=1, purpose="answer", container_id="c"
        ),
        StepStarted(step_id="s", execution_id="e", index=0, operator="Custom", line=1, key="k", inputs={}),
    ]
    for number, (error, tokens, price) in enumerate(calls):
        id = f"c{number}"
        events += [
            ModelCallStarted(call_id=id, role="worker", model="m", step_id="s", messages=(), params={}),
            ModelCallFinished(
                call_id=id, text="", reasoning="", finish="stop", tokens_in=tokens, tokens_out=0,
                cost_usd=price, ttft_ms=None, wall_ms=1.0, error=error,
            ),
        ]  # fmt: skip
    return [dataclasses.replace(e, run_id="r1", seq=seq, at=1.0) for seq, e in enumerate(events)]


@pytest.mark.parametrize(
    ("calls", "cost"),
    [
        ([(None, 7, 0.5), PART, (None, 7, 0.25)], None),
        ([(None, 7, 0.5), NOTHING, (None, 7, 0.25)], 0.75),
        ([("cut off", 7, 0.5), NOTHING], 0.5),
        ([(None, 7, None)], None),
        ([NOTHING], 0.0),
    ],
)
def test_only_a_call_that_failed_without_an_answer_is_free(
    tmp_path: Path, calls: list[Call], cost: float | None
) -> None:
    seen, cells, trace, guard = Seen(), Cells(), RunState(), Guard()
    events = run_of(*calls)
    for event in events:
        seen.add(event)
        cells.take(event)
        trace.apply(event)
        guard.watch(event)
    assert seen.interrupted().cost_usd == cost
    assert cells[Cell(0, 0, 1)].cost_usd == cost
    assert trace.spent.cost_usd == cost
    assert (None if guard.unknown_calls else guard.spent_usd) == cost
    store(tmp_path / "store.db", events)
    with Reader(tmp_path / "store.db") as reader:
        assert reader.run("r1").cost_usd == cost
