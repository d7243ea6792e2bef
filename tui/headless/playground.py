"""The playground headless: the grid as a table or JSON, a step's template, an edit as a variant."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import aclosing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.format import cost, count, duration
from tui.reports.tables import emit, table
from tui.safe import one_line, shown
from tui.service.asked.playground import grid_request
from tui.service.engine_process.server import served
from tui.service.errors import EXIT_BY_STATUS, INTERRUPTED, UNAVAILABLE, say

if TYPE_CHECKING:
    from engine.playground.cells import Cells, CellState
    from engine.playground.plan import GridPlan
    from engine.playground.step import PlayedStep
    from tui.service.runtime import Runtime

_VALUE_CHARS = 60


def fill_grid(runtime: Runtime, played: PlayedStep, plan: GridPlan, *, as_json: bool) -> int:
    """Carry out the plan, print the grid and return the exit code. SIGINT and SIGTERM cancel it, recorded.

    Raises PlaygroundError, TemplateError, ModelError, SandboxError and StoreError.
    """
    try:
        cells = asyncio.run(_fill(runtime, played, plan))
    except (KeyboardInterrupt, asyncio.CancelledError):
        say("interrupted; everything so far is in the store")
        return INTERRUPTED
    emit(_grid_json(cells, played), _grid_text(cells), as_json)
    return EXIT_BY_STATUS.get(cells.status, UNAVAILABLE)


async def _fill(runtime: Runtime, played: PlayedStep, plan: GridPlan) -> Cells:
    from engine.events import WorkflowFinished
    from engine.playground.cells import Cells
    from tui.service.asked.open import open_run

    task = asyncio.current_task()
    assert task is not None  # inside asyncio.run
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    cells, done = Cells(), 0
    total = len(plan.edits) * len(plan.models) * plan.repeats
    try:
        async with (
            served(runtime.store_path, runtime.hub),
            aclosing(runtime.record(await open_run(runtime, grid_request(played, plan)))) as events,
        ):
            async for event in events:
                cells.take(event)
                if isinstance(event, WorkflowFinished):
                    done += 1
                    if sys.stderr.isatty():
                        sys.stderr.write(f"\r{done}/{total} cells" + ("\n" if done == total else ""))
    finally:
        await runtime.aclose()
    return cells


def print_template(played: PlayedStep, *, as_json: bool) -> None:
    """The step's template on standard output, as --prompt takes it; what is filled in on the other."""
    template = played.template
    variables = [asdict(v) for v in template.variables.values()]
    absent = [asdict(v) for v in template.absent]
    if as_json:
        data = {
            "run": played.record.run_id,
            "step": played.step.id,
            "operator": played.step.operator,
            "model": played.call.model,
            "model_calls": played.calls,
            "template": template.text,
            "prompts": list(template.prompts),
            "variables": variables,
            "not_in_the_prompt": absent,
        }
        emit(data, "", True)
        return
    sys.stdout.write(template.text.encode("utf-8", "replace").decode() + "\n")
    if played.calls > 1:
        say(f"{played.step.operator} made {played.calls} model calls; this is the first")
    for variable in template.variables.values():
        value = one_line(variable.value, _VALUE_CHARS)
        say(f"{{{{{variable.name}}}}} is {variable.origin}, {len(variable.value):,} characters: {value}")
    for variable in template.absent:
        say(f"input {variable.name} is not in the prompt: {one_line(variable.value, _VALUE_CHARS)}")


def print_saved(played: PlayedStep, text: str, folder: Path, *, as_json: bool) -> None:
    """Write an edit as a variant. Raises PlaygroundError and TemplateError."""
    from engine.playground.promote import save_variant

    files = [str(path) for path in save_variant(played, text, folder)]
    lines = f"wrote {', '.join(files)}\nrun it: flowreasoner run PROBLEM --variant {folder / 'variant.py'}"
    emit({"files": files, "variant": str(folder / "variant.py")}, lines, as_json)


def _grid_json(cells: Cells, played: PlayedStep) -> dict[str, Any]:
    plan = cells.plan
    assert plan is not None  # the run has begun
    return {
        "run": cells.run_id,
        "status": cells.status,
        "error": cells.error,
        "parent": played.record.run_id,
        "step": played.step.id,
        "operator": cells.operator,
        "template": cells.template,
        "cells": [
            {
                "prompt": plan.edits[cell.edit].name,
                "model": plan.models[cell.model],
                "repeat": cell.repeat,
                **state.to_json(),
            }
            for cell, state in cells.all()
        ],
    }


def _grid_text(cells: Cells) -> str:
    """Rows are prompts, columns models; below it the answers."""
    plan = cells.plan
    assert plan is not None  # the run has begun
    rows: list[list[str]] = []
    answers: list[str] = []
    for cell, state in cells.all():
        if cell.model == 0 and cell.repeat == 1:
            rows.append([one_line(plan.edits[cell.edit].name, 30), *([""] * len(plan.models))])
        told = cell_words(state)
        held = rows[-1][cell.model + 1]
        rows[-1][cell.model + 1] = f"{held} | {told}" if held else told
        again = f" · {cell.repeat}" if plan.repeats > 1 else ""
        head = f"{plan.edits[cell.edit].name} · {plan.models[cell.model]}{again}"
        answers.append(f"── {one_line(head, 120)}\n{shown(state.error or state.reply, 4_000).text.strip()}")
    grid = table(["prompt", *(one_line(m, 40) for m in plan.models)], rows)
    ended = f": {one_line(cells.error, 300)}" if cells.error else ""
    return "\n\n".join([grid, *answers, f"run {cells.run_id}  {cells.status}{ended}"])


def cell_words(state: CellState) -> str:
    """A cell in a line: how it went, tokens in and out, cost, latency."""
    if state.status in ("waiting", "running", "cancelled"):
        return state.status
    if state.status != "ok":
        return f"✗ {state.status}"
    tests = "" if state.total is None else f" {state.passed}/{state.total} tests"
    mark = "✗" if state.total is not None and state.passed != state.total else "✓"
    spent = f"{count(state.tokens_in)}→{count(state.tokens_out)} tok"
    return f"{mark}{tests} {spent} {cost(state.cost_usd)} {duration(state.latency_ms)}"
