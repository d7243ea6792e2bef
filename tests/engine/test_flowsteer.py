"""Canvas editing: edits of a graph of operators, its workflow, and the loop with scripted models."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from engine.events import RoundFinished, StepStarted, WorkflowProposed
from engine.json_objects import last_object
from engine.models.base import Message, ModelError
from engine.operators.metaflow_sets import METAFLOW
from engine.operators.sets import AFLOW, PAPER
from engine.operators.specs import OperatorSet
from engine.problems import Problem, Tests
from engine.run.context import RunConfig, Services
from engine.variants.canvas import MAX_INSTRUCTION, MAX_NODES, Canvas, EditError, read_edit
from engine.workflows import Workflow, build_workflow
from sandbox.pool import Pool
from tests.support.runs import DOUBLE, RIGHT, WRONG, end, of, run_events
from tests.support.scripted import Answer, ScriptedModel

sandboxed = pytest.mark.asyncio(loop_scope="session")


def drawn(*edits: dict[str, Any], operators: OperatorSet = PAPER) -> Canvas:
    canvas = Canvas(operators)
    for edit in edits:
        canvas = canvas.edited(read_edit(edit))
    return canvas


def add(operator: str, *inputs: str, **more: Any) -> dict[str, Any]:
    return {"edit": "add", "operator": operator, "inputs": list(inputs), **more}


def body(canvas: Canvas) -> list[str]:
    return [line.strip() for line in canvas.code().splitlines()[2:]]


GENERATE = add("custom_code_generate")


def test_a_chain_of_operators_is_a_workflow_that_can_run() -> None:
    canvas = drawn(
        add("custom", instruction='Plan it: "steps".\nBriefly.'),
        add("custom_code_generate", "n1"),
        add("review", "n2"),
        add("revise", "n2", "n3"),
        add("test", "n4"),
    )
    assert body(canvas) == [
        "n1 = await self.custom(input=problem, instruction=prompt_custom.N1)",
        'n2 = await self.custom_code_generate(problem=problem, entry_point=entry_point, instruction="")',
        'n3 = await self.review(problem=problem, solution=n2["response"])',
        'n4 = await self.revise(problem=problem, solution=n2["response"], feedback=n3["feedback"])',
        'n5 = await self.test(problem=problem, solution=n4["solution"], entry_point=entry_point)',
        'return n5["solution"]',
    ]
    built = build_workflow(canvas.code(), canvas.prompts(), PAPER)
    assert isinstance(built, Workflow) and built.strict_ok
    assert canvas.prompts() == "N1 = 'Plan it: \"steps\".\\nBriefly.'"


def test_inputs_reach_the_parameters_that_want_them() -> None:
    canvas = drawn(
        add("answer_generate"),
        add("programmer", "n1"),
        add("sc_ensemble", "n1", "n2"),
        add("custom", "n1", "n3"),
        add("format", "n4"),
    )
    assert body(canvas)[1:-1] == [
        'n2 = await self.programmer(problem=problem, analysis=n1["answer"])',
        'n3 = await self.sc_ensemble(solutions=[n1["answer"], n2["output"]], problem=problem)',
        'n4 = await self.custom(input=problem + "\\n\\n" + n1["answer"] + "\\n\\n" + n3["response"], '
        'instruction="")',
        'n5 = await self.format(problem=problem, solution=n4["response"])',
    ]


def test_a_review_stands_for_what_it_is_about() -> None:
    canvas = drawn(GENERATE, add("review", "n1"), add("revise", "n2"))
    assert 'revise(problem=problem, solution=n1["response"], feedback=n2["feedback"])' in canvas.code()
    assert drawn(GENERATE, add("review", "n1")).code().endswith('return n1["response"]\n')


@pytest.mark.parametrize("operators", [AFLOW, METAFLOW], ids=lambda s: s.name)
def test_every_operator_of_a_set_can_be_on_a_canvas(operators: OperatorSet) -> None:
    for spec in operators.operators:
        first = operators.operators[0].attribute
        canvas = drawn(add(first), add(first), add(spec.attribute, "n1", "n2"), operators=operators)
        built = build_workflow(canvas.code(), canvas.prompts(), operators)
        assert isinstance(built, Workflow), (spec.attribute, built.diagnostics)


def test_a_new_node_is_connected_to_the_last_one() -> None:
    canvas = drawn({"edit": "add", "operator": "Custom"}, {"edit": "add", "operator": "format"})
    assert [n.inputs for n in canvas.nodes] == [(), ("n1",)]


def test_what_followed_a_removed_node_gets_what_that_got() -> None:
    canvas = drawn(GENERATE, add("custom"), add("custom", "n1", "n2"), add("custom", "n3", "n1"))
    canvas = canvas.edited(read_edit({"edit": "remove", "node": "n3"}))
    assert [(n.id, n.inputs) for n in canvas.nodes] == [("n1", ()), ("n2", ()), ("n4", ("n1", "n2"))]
    assert canvas.edited(read_edit(add("custom"))).nodes[-1].id == "n5"  # a name is not used again


def test_connecting_puts_a_node_after_its_inputs() -> None:
    canvas = drawn(GENERATE, add("custom"), {"edit": "connect", "node": "n1", "inputs": ["n2"]})
    assert [n.id for n in canvas.nodes] == ["n2", "n1"]
    assert canvas.code().endswith('return n1["response"]\n')


def test_replacing_and_instructing_keep_the_rest() -> None:
    canvas = drawn(add("custom", instruction="Plan."), add("custom", "n1"))
    canvas = canvas.edited(read_edit({"edit": "instruct", "node": "n2", "instruction": "Solve."}))
    canvas = canvas.edited(read_edit({"edit": "replace", "node": "n2", "operator": "custom_code_generate"}))
    assert canvas.nodes[1].inputs == ("n1",) and canvas.nodes[1].instruction == "Solve."
    canvas = canvas.edited(read_edit({"edit": "replace", "node": "n1", "operator": "programmer"}))
    assert "N1" not in canvas.prompts() and "N2 = 'Solve.'" in canvas.prompts()


REFUSED: list[tuple[dict[str, Any] | None, str]] = [
    (None, 'no JSON object with the key "edit"'),
    ({"edit": "paint"}, "use one of add, remove"),
    ({"edit": ["add"]}, "use one of add, remove"),
    (add("magic"), "there is no operator 'magic'"),
    ({"edit": "add"}, "there is no operator ''"),
    ({"edit": "add", "operator": 3}, '"operator" is not a text'),
    ({"edit": "add", "operator": "custom", "inputs": "n1"}, '"inputs" is not a list of nodes'),
    ({"edit": "add", "operator": "custom", "instruction": 3}, '"instruction" is not a text'),
    (add("custom", instruction="x" * (MAX_INSTRUCTION + 1)), "more than 4,000 characters"),
    (add("custom", "n9"), "cannot be connected to 'n9', which is not on the canvas"),
    (add("test"), "n2 (test) lacks its solution: connect it to a node that gives one"),
    (add("sc_ensemble", "n1"), "lacks its solutions"),
    (add("review", "n1", instruction="Be strict."), "review takes no instruction"),
    ({"edit": "remove", "node": "n7"}, "there is no node 'n7'; there are n1"),
    ({"edit": "replace", "node": "n1", "operator": "format"}, "n1 (format) lacks its solution"),
    ({"edit": "connect", "node": "n1", "inputs": ["n1"]}, "n1 would wait for each other"),
    ({"edit": "connect", "node": "n1"}, 'give the "inputs"'),
    ({"edit": "instruct", "node": "n1"}, 'give its "instruction"'),
]


@pytest.mark.parametrize(("edit", "message"), REFUSED)
def test_an_edit_that_cannot_be_made_says_why(edit: dict[str, Any] | None, message: str) -> None:
    canvas = drawn(GENERATE)
    with pytest.raises(EditError) as error:
        canvas.edited(read_edit(edit))
    assert message in str(error.value)
    assert canvas == drawn(GENERATE)


def test_a_canvas_has_room_for_so_many_nodes_only() -> None:
    canvas = drawn(*[add("custom")] * MAX_NODES)
    with pytest.raises(EditError, match="30 nodes already"):
        canvas.edited(read_edit(add("custom")))


def test_the_last_edit_of_a_reply_counts() -> None:
    reply = 'First {"edit": "remove", "node": "n1"}? No: ```json\n{"edit": "finish"}\n``` {"other": 1}'
    assert last_object(reply, "edit") == {"edit": "finish"}
    assert last_object('{"edit": "add", "instruction": "two\nlines"}', "edit") is not None


# The loop


def edits(*replies: dict[str, Any] | str) -> Answer:
    left = [r if isinstance(r, str) else f"I think so.\n{json.dumps(r)}" for r in replies]
    return lambda *_: left.pop(0) if len(left) > 1 else left[0]


FINISH = {"edit": "finish"}


def config(**options: Any) -> RunConfig:
    return RunConfig(variant="flowsteer", repeats=1, options=options)


def told(services: Services) -> list[str]:
    calls: Sequence[Sequence[Message]] = services.meta_agent.calls  # type: ignore[attr-defined]
    return [messages[-1]["content"] for messages in calls]


async def edited(sandbox: Pool, meta: Answer, **options: Any) -> tuple[list[Any], list[str]]:
    """Events and requests; the worker's code is right only after a plan was made."""

    def worker(messages: Sequence[Message], _: Any) -> str:
        text = messages[-1]["content"]
        return "the plan" if "Plan." in text else RIGHT if "the plan" in text else WRONG

    services = Services(ScriptedModel("meta", meta), ScriptedModel("worker", worker), sandbox)
    problem = options.pop("problem", DOUBLE)
    events = await run_events(sandbox, services=services, config=config(**options), problem=problem)
    return events, told(services)


@sandboxed
async def test_a_workflow_is_built_edit_by_edit_with_feedback(sandbox: Pool) -> None:
    meta = edits(
        add("custom"),
        add("custom", instruction="Plan."),
        {"edit": "connect", "node": "n1", "inputs": ["n2"]},
        FINISH,
    )
    events, requests = await edited(sandbox, meta)
    assert (end(events).status, end(events).score, end(events).val_score) == ("passed", 1.0, 1.0)
    first, second, third, last = requests
    assert "Visible tests:\nassert f(1) == 2" in first and "The canvas is empty." in first
    assert "return x + 1" in second and "1 tests pass: wrong result." in second.replace("0 of 1", "1")
    assert "n1: custom after the problem\nThe answer is that of n1." in second
    assert "The answer is that of n2." in third
    assert "return x * 2" in last and "1 of 1 tests pass." in last
    assert all("f(2)" not in text and "f(5)" not in text for text in requests)
    assert [p.modification for p in of(events, WorkflowProposed)] == [
        "add custom after the problem",
        "add custom after the problem",
        "connect n1 after n2",
    ]
    assert [r.score for r in of(events, RoundFinished)] == [0.0, 0.0, 1.0, 1.0]
    assert all(p.strict_ok and p.graph["nodes"] for p in of(events, WorkflowProposed))


@sandboxed
async def test_an_edit_that_cannot_be_made_leaves_the_canvas_as_it_was(sandbox: Pool) -> None:
    meta = edits(GENERATE, "I would rather not.", add("magic"), FINISH)
    events, requests = await edited(sandbox, meta)
    assert end(events).status == "failed"
    assert 'no JSON object with the key "edit"' in requests[2]
    assert "there is no operator 'magic'" in requests[3] and "n1: custom_code_generate" in requests[3]
    assert len(of(events, WorkflowProposed)) == 1


@sandboxed
async def test_an_empty_canvas_is_neither_run_nor_finished(sandbox: Pool) -> None:
    empty = {"edit": "remove", "node": "n1"}
    events, requests = await edited(sandbox, edits(FINISH, GENERATE, empty, FINISH, GENERATE, FINISH))
    assert all("there is no workflow to finish with" in requests[i] for i in (1, 4))
    assert "No node gives an answer yet, so nothing was run." in requests[3]
    assert len(of(events, StepStarted)) == 3  # two canvases once each, and the final execution


@sandboxed
async def test_a_workflow_that_fails_says_so(sandbox: Pool) -> None:
    meta = edits(GENERATE, {"edit": "instruct", "node": "n1", "instruction": "fail"}, FINISH)

    def worker(messages: Sequence[Message], _: Any) -> str | Exception:
        refusal = ModelError("refused", "the prompt is too long")
        return refusal if "fail" in messages[-1]["content"] else RIGHT

    services = Services(ScriptedModel("meta", meta), ScriptedModel("worker", worker), sandbox)
    events = await run_events(sandbox, services=services, config=config())
    assert "The workflow fails: " in told(services)[2] and "the prompt is too long" in told(services)[2]
    assert [r.score for r in of(events, RoundFinished)][:2] == [1.0, 0.0]


@sandboxed
async def test_a_meta_agent_without_edits_ends_the_turns(sandbox: Pool) -> None:
    events, requests = await edited(sandbox, edits("no"))
    assert len(requests) == 3 and end(events).answer is None
    assert "no edit of the meta-agent meta gave a workflow" in str(end(events).error)
    events, requests = await edited(sandbox, edits(GENERATE, "no"), give_up_after=2)
    assert len(requests) == 3 and end(events).answer is not None


@sandboxed
async def test_turns_are_limited_and_the_last_canvas_counts(sandbox: Pool) -> None:
    events, requests = await edited(sandbox, edits(GENERATE, add("custom")), turns=2)
    assert len(requests) == 2
    assert end(events).workflow_id == of(events, WorkflowProposed)[-1].workflow_id


@sandboxed
async def test_without_tests_the_answer_is_the_feedback(sandbox: Pool) -> None:
    question = Problem("q", "Which river?", kind="qa", answer="the Danube")
    events, requests = await edited(sandbox, edits(add("custom"), FINISH), problem=question)
    assert "The workflow gives:" in requests[1] and "tests pass" not in requests[1]
    assert "Danube" not in str(requests)
    visible = Problem("v", "Double.", "f", "code", Tests(("assert f(1) == 2",), (), ("assert f(5) == 10",)))
    events, requests = await edited(sandbox, edits(GENERATE, FINISH), problem=visible)
    assert "1 of 1 tests pass." in requests[1] and end(events).score == 0.0
