"""A run whose step can be played with, and a grid of it, as events."""

from __future__ import annotations

from engine import events as ev
from engine.events import Event
from engine.operators.sets import PAPER
from engine.playground.plan import GridPlan, PromptEdit
from engine.workflows import Workflow, build_workflow
from tests.support.runs import completion
from tests.tui.scripted import PROBLEM, SOLUTION, WRONG, Script, verdict

PARENT = "01k0playground000000"
GRID = "01k0playgroundgrid00"
STEP = "e-0"
INSTRUCTION = "Think about lists with an even count of values."
MESSAGE = f"{INSTRUCTION}\n\n{PROBLEM.prompt}\n\nWrite the Python function `median`. Reply with one block."
TEMPLATE = MESSAGE.replace(PROBLEM.prompt, "{{problem}}").replace("`median`. R", "`{{entry_point}}`. R")
EDITED = TEMPLATE.replace("Think about", "Sort a copy first; mind")
PLAN = GridPlan(
    PARENT,
    STEP,
    ("pocket-worker", "local/big"),
    (PromptEdit("recorded"), PromptEdit("edit 1", EDITED)),
    test=True,
)


def parent_run() -> list[Event]:
    """One execution of two steps: code from a prompt of the workflow's, and its test without a model."""
    built = build_workflow(
        completion(
            "made = await self.custom_code_generate(\n"
            "    problem=problem, entry_point=entry_point, instruction=prompt_custom.GENERATE)\n"
            'await self.test(problem=problem, solution=made["response"], test_loop=0)\n'
            'return made["response"]',
            f'GENERATE = "{INSTRUCTION}"',
        ),
        "",
        PAPER,
    )
    assert isinstance(built, Workflow), built
    script = Script(PARENT)
    script.add(
        ev.RunStarted(
            problem=PROBLEM.to_json(),
            variant="workflow-file",
            meta_agent="pocket-meta",
            worker="pocket-worker",
            seed=0,
            sandbox="docker",
            config={
                "variant": "workflow-file",
                "rounds": 1,
                "repeats": 1,
                "stop_early": True,
                "make_tests": False,
                "operators": "paper",
                "meta_sampling": {},
                "worker_sampling": {},
            },
        )
    )
    script.add(
        ev.WorkflowProposed(
            round=1,
            workflow_id=built.id,
            code=built.code,
            prompts=built.prompts,
            modification="",
            strict_ok=True,
            diagnostics=(),
            repairs=(),
            graph=built.graph.to_json(),
            complexity=built.complexity,
        )
    )
    script.add(
        ev.WorkflowStarted(
            execution_id="e", workflow_id=built.id, round=1, repeat=1, purpose="test", container_id="c0ffee12"
        )
    )
    inputs = {"problem": PROBLEM.prompt, "entry_point": "median", "instruction": INSTRUCTION}
    _step(script, STEP, "e", 0, "custom_code_generate", inputs, MESSAGE, WRONG)
    _step(script, "e-1", "e", 1, "test", {"problem": PROBLEM.prompt, "solution": WRONG}, "", "")
    script.finish_execution("e")
    script.score("e", 1, "test", ["failed", "passed"])
    script.end("failed", 0.5, "1 of 2 tests failed")
    return script.events


def grid_run(*, busy: bool = False, broken: bool = False) -> list[Event]:
    """The grid of `PLAN`: the edit helps the small model. `busy` stops while the last two cells stream;
    `broken` has one model fail, and the budget end the rest.
    """
    script = Script(GRID)
    script.add(
        ev.RunStarted(
            problem=PROBLEM.to_json(),
            variant="playground",
            meta_agent="pocket-worker",
            worker="pocket-worker",
            seed=0,
            sandbox="docker",
            config={"rounds": 2, "repeats": 1, "options": {**PLAN.to_json(), "template": TEMPLATE}},
            origin={"parent": PARENT, "forked_at": STEP},
        )
    )
    for edit in range(2):
        script.add(ev.RoundStarted(round=edit + 1))
        for model in range(2):
            late = busy and edit == 1
            failed = "local/big cannot be reached: is it running?" if broken and model == 1 else None
            if broken and edit == 1 and model == 0:
                failed = "The run's budget of 2 for model calls is used up; raise it in the configuration."
            _cell(script, edit, model, late=late, failed=failed)
    if not busy:
        script.end(*(("budget", None, "The run's budget is used up.") if broken else ("answered", None)))
    return script.events


def _cell(script: Script, edit: int, model: int, *, late: bool, failed: str | None) -> None:
    name = f"cell{edit}{model}"
    script.add(
        ev.WorkflowStarted(
            execution_id=name,
            workflow_id="wf",
            round=edit + 1,
            repeat=model + 1,
            purpose="answer",
            container_id="c0ffee12",
        )
    )
    reply = f"Here it is:\n```python\n{WRONG if (edit, model) == (0, 0) else SOLUTION}```"
    message = MESSAGE if edit == 0 else MESSAGE.replace("Think about", "Sort a copy first; mind")
    inputs = {"problem": PROBLEM.prompt}
    _step(
        *(script, f"{name}-0", name, 0, "custom_code_generate", inputs, message),
        reply[:60] if late else reply,
        finish=not late,
        error=failed,
    )
    if late:
        return
    script.finish_execution(name, "error" if failed else "ok", failed)
    if failed is None:
        right = (edit, model) != (0, 0)
        script.add(
            ev.EvaluationFinished(
                execution_id=name,
                workflow_id=None,
                split="visible",
                repeat=model + 1,
                score=float(right),
                passed=2 if right else 1,
                total=2,
                strict=True,
                tests_written_by="author",
                verdict=verdict("passed", "passed" if right else "failed", messages=["", "median([5]) == 5"]),
            )
        )


def _step(
    script: Script,
    step_id: str,
    execution_id: str,
    index: int,
    operator: str,
    inputs: dict[str, object],
    message: str,
    reply: str,
    *,
    finish: bool = True,
    error: str | None = None,
) -> None:
    script.add(
        ev.StepStarted(
            step_id=step_id,
            execution_id=execution_id,
            index=index,
            operator=operator,
            line=3 + index,
            key=f"key{index}",
            inputs=inputs,
        )
    )
    if message and error is None:
        script.call("worker", reply, step_id=step_id, prompt=message, finish=finish)
    if finish:
        script.add(
            ev.StepFinished(
                step_id=step_id,
                status="error" if error else "ok",
                output=None if error else {"response": reply},
                error=error,
                reused=False,
                wall_ms=1900.0,
                cpu_ms=12.0,
                tokens_in=310,
                tokens_out=182,
                cost_usd=0.0,
            )
        )
