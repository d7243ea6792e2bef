"""Operator sets under drawn names do what they did."""

from __future__ import annotations

from engine.events import StepStarted
from engine.guest_modules import guest_modules
from engine.operators.own import recorded_set
from engine.operators.sets import METAFLOW, PAPER
from engine.run.context import RunConfig, Services
from engine.runner import Run, workflow_job
from engine.workflows import Workflow, build_workflow
from sandbox.pool import open_sandbox
from tests.support.runs import DOUBLE, RIGHT, completion, end, of
from tests.support.scripted import ScriptedModel
from training.rollouts.operator_names import renamed


def test_the_same_operators_have_other_names_and_maybe_other_words() -> None:
    for operators in (PAPER, METAFLOW):
        for anew in (False, True):
            other = renamed(operators, 1, described_anew=anew)
            assert other == renamed(operators, 1, described_anew=anew)
            assert other != renamed(operators, 2, described_anew=anew)
            assert {o.identity for o in other.operators} == {o.identity for o in operators.operators}
            assert not {o.attribute for o in other.operators} & {o.attribute for o in operators.operators}
            assert len({o.attribute for o in other.operators}) == len(operators.operators)
            kept = {o.description for o in operators.operators} & {o.description for o in other.operators}
            assert (kept == {o.description for o in operators.operators}) is not anew
            assert other.describe() != operators.describe()
            assert recorded_set(RunConfig(operators=other).to_json()) == other


async def test_a_workflow_over_renamed_operators_runs() -> None:
    operators = renamed(PAPER, 3)
    name = next(o.attribute for o in operators.operators if o.module.endswith("custom_code_generate"))
    body = f'return (await self.{name}(problem=problem, entry_point=entry_point))["response"]'
    workflow = build_workflow(completion(body), "", operators)
    assert isinstance(workflow, Workflow)
    async with open_sandbox(guest_modules=guest_modules(), size=1) as sandbox:
        services = Services(ScriptedModel("m", ""), ScriptedModel("w", RIGHT), sandbox)
        config = RunConfig(repeats=1, operators=operators)
        run = Run(DOUBLE, config, services, job=workflow_job(workflow, "val"))
        events = [event async for event in run.events()]
    assert end(events).val_score == 1.0
    assert [e.operator for e in of(events, StepStarted)] == [name]
