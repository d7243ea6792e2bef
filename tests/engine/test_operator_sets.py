"""Every operator set, end to end: told to a meta-agent, linted, drawn, and each of its operators executed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import pytest

from engine.events import Notice, StepFinished, StepStarted, WorkflowFinished, WorkflowProposed
from engine.models.base import Message, Sampling
from engine.operators.sets import SETS
from engine.prompts import propose_messages
from engine.run.context import RunConfig, Services
from engine.workflows import Rejected, Workflow, build_workflow
from sandbox.pool import Pool
from tests.support.runs import DOUBLE, RIGHT, WRONG, completion, end, of, run_events
from tests.support.scripted import ScriptedModel

pytestmark = pytest.mark.asyncio(loop_scope="session")

GENERATE = (
    'code = (await self.{0}(problem=problem, entry_point=entry_point, instruction="Think."))["response"]'
)
ANSWER = 'said = (await self.answer_generate(input=problem))["answer"]'
ASK = 'said = (await self.custom(input=problem, instruction="Think."))["response"]'
CHOOSE = 'code = (await self.sc_ensemble(solutions=[code, code + "#"], problem=problem))["response"]'
TEST = 'code = (await self.test(problem=problem, solution=code, entry_point=entry_point))["solution"]'
PROGRAM = 'ran = (await self.programmer(problem=problem, analysis="None"))["output"]'
REST = """
said = (await self.format(problem=problem, solution=code))["solution"]
seen = await self.review(problem=problem, solution=code)
code = (await self.revise(problem=problem, solution=code, feedback=seen["feedback"]))["solution"]
"""
MD = 'code = (await self.md_ensemble(solutions=[code, code + "#"], problem=problem))["solution"]'
PAPER = [GENERATE.format("custom_code_generate"), REST, CHOOSE, PROGRAM, ASK, ANSWER]
MAAS = """
several = (await self.multi_generate_cot({0}))["response"]
code = (await self.generate_cot({0}))["response"]
code = (await self.generate({0}))["response"]
both = [one["response"] for one in several]
code = (await self.sc_ensemble(solutions=[*both, code], problem=problem))["response"]
code = (await self.self_refine(problem=problem, solution=code))["response"]
"""
MAAS_CODE = MAAS.format("problem=problem, entry_point=entry_point")
MAAS_MATH = MAAS.format("input=problem")
SCOREFLOW_CODE = """
code = await self.code_generate(instruction="Think.")
code = await self.sc_ensemble(solutions=[code, code + "#"])
code = await self.test(solution=code)
"""
SCOREFLOW_TEXT = """
code = await self.custom(instruction="Reply with code.")
code = await self.sc_ensemble(solutions=[code, code + "#"])
code = await self.review(pre_solution=code)
"""
METAFLOW = """
code = await self.generate(instruction="Reply with code.")
code = await self.ensemble(instruction="Pick the best.", contexts=[code, code + "#"])
code = await self.revise(instruction="Mend it.", context=code)
code = await self.summarize(instruction="Reply with code.", context=code)
"""
DECOMPOSE = """
parts = await self.decompose(instruction="Split it.")
if [sorted(part) for part in parts] != [["dependencies", "description", "id"]] * len(parts):
    raise RuntimeError(str(parts))
"""
RUN = 'ran = await self.programmer(instruction="Compute it.", context="none", max_retries=2)'
VERIFY = 'code = await self.verify_and_refine(instruction="Check it.", context=code)'
VOTE = 'code = await self.selfconsistency(instruction="Reply with code.", context=code)'

# For each set, a workflow that calls each of its operators and returns `code` if a test proves it.
BODIES = {
    "paper": [*PAPER, TEST],
    "aflow-code": [ASK, GENERATE.format("custom_code_generate"), CHOOSE, TEST],
    "aflow-math": [ASK, "code = said", CHOOSE, PROGRAM],
    "aflow-qa": [ASK, ANSWER, "code = said", CHOOSE],
    "aflow": [*PAPER, MD, TEST],
    "scoreflow": [
        """
code = await self.code_generate(instruction="Think.")
notes = [await self.custom(instruction="Plan."), await self.answer_generate()]
notes.append(await self.programmer(analysis=notes[0].strip()))
code = await self.sc_ensemble(solutions=[code, code + "#"])
code = await self.review(pre_solution=code)
code = await self.test(solution=code)
"""
    ],
    "maas": [MAAS_CODE, PROGRAM, TEST],
    "maas-math": [MAAS_MATH, PROGRAM],
    "maas-graph": [GENERATE.format("custom_code_generate"), MAAS_CODE, PROGRAM, TEST],
    "maas-math-graph": [ASK, MAAS_MATH, PROGRAM],
    "scoreflow-code": [SCOREFLOW_CODE],
    "scoreflow-math": [SCOREFLOW_TEXT, 'await self.programmer(analysis="None")'],
    "scoreflow-qa": [SCOREFLOW_TEXT, "await self.answer_generate()"],
    "metaflow": [METAFLOW],
    "metaflow-decompose": [DECOMPOSE, METAFLOW],
    "metaflow-programmer": [RUN, METAFLOW],
    "metaflow-both": [DECOMPOSE, RUN, METAFLOW],
    "metaflow-verify": [METAFLOW, VERIFY],
    "metaflow-consistency": [METAFLOW, VOTE],
    "metaflow-all": [DECOMPOSE, RUN, METAFLOW, VERIFY, VOTE],
    "manual": [ASK, ANSWER, GENERATE.format("custom_code_generate"), CHOOSE, TEST],
}


def reply(messages: Sequence[Message], _: Sampling) -> str:
    """What a worker that does as it is told replies."""
    asked = messages[-1]["content"]
    if "solve()" in asked:
        # Names of modules are no reason to refuse a program: the sandbox is what holds it.
        return '```python\nimport os, sys\ndef solve():\n    return len("osystem") * 6\n```'
    for tag, text in (("solution_letter", "A"), ("review_result", "false"), ("answer", "42")):
        if f"<{tag}>" in asked:
            return f"<thought>hm</thought><feedback>Multiply.</feedback><{tag}>{text}</{tag}>"
    if "<subproblems>" in asked:
        return '<subproblems>[{"id": 1, "description": "Double it.", "dependencies": []}]</subproblems>'
    return RIGHT


def body(name: str) -> str:
    return "\n".join([*BODIES[name], "return code"])


@pytest.mark.parametrize("name", list(SETS))
async def test_a_set_is_told_linted_drawn_and_run(sandbox: Pool, name: str) -> None:
    chosen = SETS[name]
    meta = ScriptedModel("meta", completion(body(name)))
    events = await run_events(
        sandbox,
        config=RunConfig(rounds=1, repeats=1, operators=chosen),
        services=Services(meta, ScriptedModel("worker", reply), sandbox),
    )
    assert all(f"self.{spec.signature}" in meta.calls[0][0]["content"] for spec in chosen.operators)
    (proposed,) = of(events, WorkflowProposed)
    assert (proposed.strict_ok, proposed.diagnostics, proposed.repairs) == (True, (), ())
    attributes = {spec.attribute for spec in chosen.operators}
    assert {node["attribute"] for node in proposed.graph["nodes"]} == attributes
    assert {step.operator for step in of(events, StepStarted)} == attributes
    assert {(s.status, s.error) for s in of(events, StepFinished)} == {("ok", None)}
    assert {w.status for w in of(events, WorkflowFinished)} == {"ok"}
    programs = {s.step_id for s in of(events, StepStarted) if s.operator == "programmer"}
    assert all("42" in str(s.output) for s in of(events, StepFinished) if s.step_id in programs)
    # A text is a solution where the set's operators make one out of it.
    assert end(events).status == ("failed" if name == "aflow-qa" else "passed")


@pytest.mark.parametrize("text", ["", "I cannot help with that.", "```python\n)(\n```", "<answer>"])
@pytest.mark.parametrize("name", list(SETS))
async def test_useless_replies_are_no_crash(sandbox: Pool, name: str, text: str) -> None:
    config = RunConfig(rounds=1, repeats=1, operators=SETS[name])
    events = await run_events(sandbox, meta=completion(body(name)), worker=text, config=config)
    assert {(s.status, s.error) for s in of(events, StepFinished)} == {("ok", None)}
    assert end(events).status == "failed"
    for step in of(events, StepFinished):
        assert not isinstance(step.output, dict) or step.output.get("result") is not True


@pytest.mark.parametrize("name", [n for n in SETS if n != "scoreflow"])
async def test_a_workflow_of_another_set_is_refused_before_it_costs(name: str) -> None:
    built = build_workflow(completion(body("scoreflow")), "", SETS[name])
    assert isinstance(built, Rejected)
    assert {d.code for d in built.diagnostics} & {"unknown-operator", "unknown-argument", "missing-argument"}


async def test_the_run_gives_what_is_bound_and_a_workflow_cannot_change_it(sandbox: Pool) -> None:
    sneaky = completion(
        """
host = self.custom._host
return await host.call("step", operator="custom", kwargs={"instruction": "Do.", "problem": "other"}, line=1)
"""
    )
    config = RunConfig(rounds=1, repeats=1, operators=SETS["scoreflow"])
    worker = ScriptedModel("worker", RIGHT)
    services = Services(ScriptedModel("meta", sneaky), worker, sandbox)
    events = await run_events(sandbox, config=config, services=services)
    assert of(events, StepStarted)[0].inputs == {"instruction": "Do.", "problem": DOUBLE.prompt}
    assert "other" not in str(worker.calls)


async def test_keywords_the_run_gives_are_refused_with_advice() -> None:
    source = completion('return await self.custom(instruction="Do.", problem=problem)')
    built = build_workflow(source, "", SETS["scoreflow"])
    assert isinstance(built, Rejected)
    (found,) = built.diagnostics
    assert (found.code, found.fix) == ("unknown-argument", "Leave it out: custom knows the problem already")


@pytest.mark.parametrize(
    ("line", "code", "severity"),
    [
        ('return (await self.custom(instruction="x"))["response"]', "result-key", "error"),
        ('said = await self.custom(instruction="x")\nreturn said.get("response")', "result-key", "error"),
        ('said = await self.custom(instruction="x")\nreturn said.items()', "result-attribute", "error"),
        (
            'said = await self.custom(instruction="x")\nif "correct" in said.lower():\n    return said\n'
            "return problem",
            "string-verdict",
            "warning",
        ),
    ],
)
async def test_plain_text_results_are_checked_as_text(line: str, code: str, severity: str) -> None:
    built = build_workflow(completion(line), "", SETS["scoreflow"])
    assert [(d.code, d.severity) for d in built.diagnostics] == [(code, severity)]


async def test_plain_text_has_the_methods_of_text() -> None:
    line = 'return (await self.custom(instruction="x")).strip().splitlines()[0]'
    built = build_workflow(completion(line), "", SETS["scoreflow"])
    assert isinstance(built, Workflow)
    assert built.diagnostics == ()


async def test_a_verdict_in_words_is_not_answered_with_an_operator_the_set_lacks() -> None:
    line = ASK + '\nif "pass" in said:\n    return said\nreturn "x"'
    built = build_workflow(completion(line), "", SETS["aflow-qa"])
    assert [d.code for d in built.diagnostics] == ["string-verdict"]
    assert "self.test" not in built.diagnostics[0].fix


async def test_advice_names_only_what_the_set_can_do(sandbox: Pool) -> None:
    told = {}
    for name in ("aflow-code", "aflow-qa"):
        meta = ScriptedModel("meta", completion(body(name)))
        services = Services(meta, ScriptedModel("worker", reply), sandbox)
        await run_events(
            sandbox, config=RunConfig(rounds=1, repeats=1, operators=SETS[name]), services=services
        )
        told[name] = meta.calls[0][0]["content"]
    assert "running tests" in told["aflow-code"]
    assert "running tests" not in told["aflow-qa"]


async def test_the_paper_set_is_told_in_the_words_the_embedded_meta_agent_was_trained_on() -> None:
    system = propose_messages(DOUBLE, SETS["paper"], [])[0]["content"]
    assert hashlib.sha256(system.encode()).hexdigest().startswith("2d11ddde262829121abd")


async def test_vanilla_runs_whatever_set_is_chosen(sandbox: Pool) -> None:
    config = RunConfig(variant="vanilla", repeats=1, operators=SETS["scoreflow"])
    events = await run_events(sandbox, config=config)
    assert end(events).status == "passed"


@pytest.mark.parametrize(("name", "warned"), [("paper", False), ("aflow-code", True)])
async def test_the_embedded_meta_agent_says_that_it_knows_one_set(
    sandbox: Pool, name: str, warned: bool
) -> None:
    services = Services(
        ScriptedModel("pocket-meta", completion(body(name))), ScriptedModel("w", WRONG), sandbox
    )
    config = RunConfig(rounds=2, repeats=1, operators=SETS[name])
    events = await run_events(sandbox, config=config, services=services)
    said = [n.text for n in of(events, Notice) if "pocket-meta knows only the operator set paper" in n.text]
    assert len(said) == warned


async def test_an_unpassable_test_is_written_anew_after_the_repairs(sandbox: Pool) -> None:
    source = completion("return await self.test(solution='def f(x): return 0', test_loop=2)")
    config = RunConfig(rounds=1, repeats=1, operators=SETS["scoreflow"])
    worker = ScriptedModel(
        "worker", lambda m, _: RIGHT if "from the beginning" in m[-1]["content"] else WRONG
    )
    services = Services(ScriptedModel("meta", source), worker, sandbox)
    problem = replace(DOUBLE, tests=replace(DOUBLE.tests, val=(), test=()))
    events = await run_events(sandbox, config=config, services=services, problem=problem)
    assert end(events).status == "passed"
    assert [("Feedback:" in c[-1]["content"]) for c in worker.calls] == [True, True, False] * 2
