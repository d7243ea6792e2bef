"""Grids filled in a real sandbox with scripted models, read back from their events."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest

from engine.events import ModelCallStarted, RunStarted, ValueEdited
from engine.models.base import ModelError
from engine.operators.sets import PAPER
from engine.playground.cells import Cells, CellState
from engine.playground.grid import MAX_AT_ONCE, playground_job
from engine.playground.plan import (
    Cell,
    check,
    plan_from_json,
    playground_config,
)
from engine.playground.promote import save_variant
from engine.playground.step import PlaygroundError, played_step
from engine.playground.template import TemplateError
from engine.run.context import RunConfig, Services
from engine.run.ledger import Budget
from engine.runner import Run, workflow_job
from engine.workflows import Workflow, build_workflow
from sandbox.pool import Pool
from tests.support.playground import parent, plan_of, play, thoughtful
from tests.support.runs import DOUBLE, RIGHT, WRONG, end, of
from tests.support.scripted import ScriptedModel

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_grid_of_edits_and_models_with_verdicts(sandbox: Pool) -> None:
    recorded = await parent(sandbox)
    template = played_step(recorded, "0").template
    assert template.prompts == ("GENERATE",)
    plan = plan_of(
        recorded,
        template.text.replace("nothing", "the sign"),
        models=("worker", "other"),
        repeats=2,
        test=True,
    )
    models = [ScriptedModel("worker", thoughtful), ScriptedModel("other", RIGHT)]
    cells, events = await play(sandbox, recorded, plan, models)

    found = {cell: (state.passed, state.total, state.status) for cell, state in cells.all()}
    assert len(found) == 8
    assert {c for c, (passed, _, _) in found.items() if passed != 2} == {Cell(0, 0, 1), Cell(0, 0, 2)}
    assert {status for *_, status in found.values()} == {"ok"}
    cell = cells[Cell(1, 0, 1)]
    assert "Think of the sign." in cell.messages[-1]["content"]
    assert DOUBLE.prompt in cell.messages[-1]["content"]
    assert cell.reply == RIGHT
    assert cell.tokens_in > 0 and cell.tokens_out > 0 and cell.latency_ms > 0 and cell.cost_usd == 0.0

    start = of(events, RunStarted)[0]
    assert (start.variant, end(events).status) == ("playground", "answered")
    assert start.origin == {"parent": recorded[0].run_id, "forked_at": played_step(recorded, "0").step.id}
    assert plan_from_json(start.config["options"]) == plan
    # What was edited is told as an edit; what was not is not.
    assert len(of(events, ValueEdited)) == 4
    assert end(events).model_calls == 8


async def test_the_recorded_prompt_meets_the_draws_the_step_met(sandbox: Pool) -> None:
    recorded = await parent(sandbox)
    met = of(recorded, ModelCallStarted)[0]
    model = ScriptedModel("worker", WRONG)
    await play(sandbox, recorded, plan_of(recorded, repeats=3), [model])

    assert [dict(m) for m in model.calls[0]] == list(met.messages)
    assert met.params["seed"] in model.seeds
    assert len(set(model.seeds)) == 3


async def test_a_failing_cell_says_why_and_the_others_go_on(sandbox: Pool) -> None:
    recorded = await parent(sandbox)
    broken = ScriptedModel(
        "broken", lambda *_: ModelError("connection", "broken cannot be reached: start it")
    )
    plan = plan_of(recorded, models=("broken", "fine"), test=True)
    cells, events = await play(sandbox, recorded, plan, [broken, ScriptedModel("fine", RIGHT)])

    bad, good = cells[Cell(0, 0, 1)], cells[Cell(0, 1, 1)]
    assert (bad.status, bad.error) == ("infra", "broken cannot be reached: start it")
    assert (good.status, good.passed) == ("ok", 2)
    assert end(events).status == "answered"

    cells, events = await play(sandbox, recorded, plan_of(recorded, models=("broken",)), [broken])
    assert (end(events).status, end(events).error) == ("infra", "broken cannot be reached: start it")


async def test_a_budget_spent_midway_keeps_what_was_bought(sandbox: Pool) -> None:
    recorded = await parent(sandbox)
    template = played_step(recorded, "0").template.text
    plan = plan_of(recorded, *(f"{template}\n{n}" for n in range(5)))
    cells, events = await play(sandbox, recorded, plan, [ScriptedModel("m", RIGHT)], Budget(model_calls=2))

    states = [state for _, state in cells.all()]
    assert sorted(s.status for s in states) == ["budget"] * 4 + ["ok"] * 2
    assert all("model calls is used up" in (s.error or "") for s in states if s.status == "budget")
    assert end(events).status == "budget"
    assert end(events).model_calls == 2


async def test_cells_run_together_but_not_all_at_once(sandbox: Pool) -> None:
    recorded = await parent(sandbox)
    now, most = 0, 0
    entered = asyncio.Event()

    class Slow(ScriptedModel):
        async def stream(self, messages, sampling):  # type: ignore[no-untyped-def]
            nonlocal now, most
            now += 1
            most = max(most, now)
            if now == MAX_AT_ONCE:
                entered.set()
            await asyncio.wait_for(entered.wait(), 300)
            items = [item async for item in super().stream(messages, sampling)]
            now -= 1
            for item in items:
                yield item

    await play(sandbox, recorded, plan_of(recorded, repeats=3 * MAX_AT_ONCE), [Slow("m", RIGHT)])
    assert most == MAX_AT_ONCE


async def test_a_cancelled_grid_ends_its_cells(sandbox: Pool) -> None:
    recorded = await parent(sandbox)
    played = played_step(recorded, "0")

    class Stuck(ScriptedModel):
        async def stream(self, messages, sampling):  # type: ignore[no-untyped-def]
            await asyncio.Event().wait()
            yield

    plan = plan_of(recorded, models=("stuck",))
    model = Stuck("stuck", "")
    services = Services(model, model, sandbox)
    config = playground_config(played, plan, Budget())
    run = Run(played.problem, config, services, job=playground_job(played, plan, [model]))
    cells = Cells()
    async with aclosing(run.events()) as stream:
        async for event in stream:
            cells.take(event)
            if isinstance(event, ModelCallStarted):
                run.cancel()
    assert (cells.status, cells[Cell(0, 0, 1)].status) == ("cancelled", "cancelled")


async def test_a_huge_hostile_prompt_is_sent_whole(sandbox: Pool) -> None:
    recorded = await parent(sandbox)
    text = "\x1b[31m[b]\x00‮" + "long " * 400_000
    model = ScriptedModel("m", "\x1b]0;title\x07[red]{{problem}}" * 1000)
    cells, _ = await play(sandbox, recorded, plan_of(recorded, text), [model])
    cell: CellState = cells[Cell(1, 0, 1)]
    assert cell.messages[-1]["content"] == text
    assert cell.reply.startswith("\x1b]0;title")
    assert cell.status == "ok"


async def test_a_step_without_a_model_says_which_have_one(sandbox: Pool) -> None:
    recorded = await parent(sandbox)
    with pytest.raises(PlaygroundError, match=r"test .* called no model.*step 0 custom_code_generate"):
        played_step(recorded, "1")


async def test_plans_that_cannot_be_carried_out(sandbox: Pool) -> None:
    recorded = await parent(sandbox)
    played = played_step(recorded, "0")
    with pytest.raises(TemplateError, match="there is no variable"):
        check(played, plan_of(recorded, "{{nothing_like_it}}"))
    with pytest.raises(PlaygroundError, match="is empty"):
        check(played, plan_of(recorded, " \n"))
    with pytest.raises(PlaygroundError, match="given twice"):
        plan_of(recorded, models=("a", "a"))
    with pytest.raises(PlaygroundError, match="more than 400"):
        plan_of(recorded, repeats=401)
    with pytest.raises(PlaygroundError, match="the playground's plan"):
        plan_from_json({"run": "x", "edits": [{"name": "a", "text": 3}]})


async def test_a_good_edit_becomes_a_variant_that_passes(sandbox: Pool, tmp_path: Path) -> None:
    recorded = await parent(sandbox)
    assert end(recorded).status == "failed"
    played = played_step(recorded, "0")
    edited = played.template.text.replace("nothing", "the sign")
    files = save_variant(played, edited, tmp_path / "better")

    assert [f.name for f in files] == ["graph.py", "prompt.py", "variant.py"]
    for config, workflow in (
        (RunConfig(variant=str(files[2]), repeats=1), None),
        (RunConfig(repeats=1), build_workflow(files[0].read_text(), files[1].read_text(), PAPER)),
    ):
        assert workflow is None or isinstance(workflow, Workflow)
        services = Services(ScriptedModel("m", ""), ScriptedModel("w", thoughtful), sandbox)
        run = Run(DOUBLE, config, services, job=workflow_job(workflow) if workflow else None)
        assert end([e async for e in run.events()]).status == "passed"

    with pytest.raises(PlaygroundError, match="is not empty"):
        save_variant(played, edited, tmp_path / "better")
    with pytest.raises(TemplateError, match="outside of GENERATE"):
        save_variant(played, f"{edited} And more.", tmp_path / "other")
    assert not (tmp_path / "other").exists()
