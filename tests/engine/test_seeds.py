"""Which seed each draw has: what is drawn anew has one of its own, and nothing else changes it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from engine.events import Event, ModelCallStarted, WorkflowStarted
from engine.experiments.contestants import contestants, specs_by_label
from engine.experiments.guard import Guard
from engine.experiments.plan import Plan
from engine.experiments.searching import Candidates
from engine.experiments.trials import TrialRequest, Watch
from engine.journal import Journal
from engine.operators.sets import AFLOW, AFLOW_CODE, MAAS
from engine.problems import Problem
from engine.run.context import RunConfig, Services
from engine.run.ledger import Budget
from engine.search import Trial
from engine.tasks import Task
from engine.variants import load_variant
from engine.workflows import Workflow, build_workflow
from sandbox.pool import Pool
from tests.support.runs import DOUBLE, RIGHT, completion, of, run_events
from tests.support.scripted import ScriptedModel
from tests.support.searches import PROBLEMS, TASK, Lab, MemoryJournal, adder

sandboxed = pytest.mark.asyncio(loop_scope="session")

BROKEN = completion("return await self.no_such(problem=problem)", modification="break it")


def wrong(number: int) -> str:
    """A workflow with the same call every time, and an answer of its own that is wrong."""
    return completion(f'await self.custom(input="x")\nreturn "def f(x): return -{number}"')


def in_turn(*replies: str) -> Any:
    numbers = count()
    return lambda *_: replies[min(next(numbers), len(replies) - 1)]


def seeds(events: Sequence[Event], role: str) -> list[int]:
    """The seed of each of the role's calls, in order."""
    return [e.params["seed"] for e in of(list(events), ModelCallStarted) if e.role == role]


async def search_rounds(sandbox: Pool, *replies: str, repeats: int = 1, seed: int = 0) -> list[Event]:
    services = Services(ScriptedModel("meta", in_turn(*replies)), ScriptedModel("w", "ok"), sandbox)
    config = RunConfig(rounds=2, repeats=repeats, seed=seed)
    return await run_events(sandbox, services=services, config=config)


@sandboxed
async def test_each_round_and_each_repair_turn_of_the_meta_agent_is_a_draw_of_its_own(sandbox: Pool) -> None:
    both_repaired = seeds(await search_rounds(sandbox, BROKEN), "meta")
    assert len(set(both_repaired)) == 4
    first, repair, second, _ = both_repaired
    # The turn that mends a reply follows from the reply's, so that no other round can have it.
    assert repair == first + 1
    # A round's draw does not depend on what became of the rounds before it.
    none_repaired = seeds(await search_rounds(sandbox, wrong(1), wrong(2)), "meta")
    assert none_repaired == [first, second]
    assert not set(seeds(await search_rounds(sandbox, BROKEN, seed=1), "meta")) & set(both_repaired)


@sandboxed
async def test_rounds_repeats_and_the_final_executions_draw_anew(sandbox: Pool) -> None:
    events = await search_rounds(sandbox, wrong(1), wrong(2), repeats=2)
    begun = [(e.purpose, e.round, e.repeat) for e in of(events, WorkflowStarted)]
    assert sorted(begun) == [("test", 1, 1), ("test", 1, 2)] + [
        ("val", r, repeat) for r in (1, 2) for repeat in (1, 2)
    ]
    drawn = seeds(events, "worker")
    assert len(set(drawn)) == len(drawn) == 6
    # One repeat more leaves the draws of those before it as they were.
    once = seeds(await search_rounds(sandbox, wrong(1), wrong(2), repeats=1), "worker")
    assert set(once) < set(drawn)


@sandboxed
async def test_a_call_that_is_made_again_draws_again(sandbox: Pool) -> None:
    """Within an operator, and by another step with the same arguments; equal runs draw alike."""
    body = """
several = (await self.multi_generate_cot(problem=problem, entry_point=entry_point))["response"]
again = (await self.multi_generate_cot(problem=problem, entry_point=entry_point))["response"]
return again[0]["response"]
"""
    built = build_workflow(completion(body), "", MAAS)
    assert isinstance(built, Workflow), built
    config = RunConfig(repeats=1, operators=MAAS)
    drawn = [
        seeds(await run_events(sandbox, workflow=built, config=replace(config, seed=seed)), "worker")
        for seed in (0, 0, 1)
    ]
    assert len(set(drawn[0])) == len(drawn[0]) == 6
    assert drawn[0] == drawn[1]
    assert not set(drawn[0]) & set(drawn[2])


@sandboxed
async def test_what_is_asked_decides_the_draw_not_the_order_of_asking(sandbox: Pool) -> None:
    """A workflow may ask for things at once: who comes first must not change what each is given."""
    asked = []
    for order in ("ab", "ba"):
        calls = "\n".join(f'await self.custom(input="{name}")' for name in order)
        built = build_workflow(completion(f'{calls}\nreturn "done"'), "", AFLOW)
        assert isinstance(built, Workflow), built
        worker = ScriptedModel("w", RIGHT)
        services = Services(ScriptedModel("m", ""), worker, sandbox)
        await run_events(sandbox, workflow=built, services=services, problem=Problem("q", "?", kind="open"))
        asked.append({m[-1]["content"]: s for m, s in zip(worker.calls, worker.seeds, strict=True)})
    assert asked[0] == asked[1]


@sandboxed
async def test_every_try_of_a_search_is_a_draw_of_its_own(sandbox: Pool) -> None:
    changes = (completion(f'return "{n}"', modification="the same change") for n in count())
    config = RunConfig(
        variant="aflow",
        repeats=1,
        operators=AFLOW_CODE,
        options={"rounds": 2, "validation_rounds": 1, "duplicate_retries": 2, "sample": 1},
    )
    lab = Lab(sandbox, lambda *_: next(changes), config=config)
    await lab.search()
    drawn = seeds(lab.events, "meta")
    assert len(drawn) == 4, "one try, then one and two more because they repeat a change"
    assert len(set(drawn)) == 4


@sandboxed
async def test_a_generator_that_is_asked_again_draws_again(sandbox: Pool) -> None:
    config = RunConfig(variant="scoreflow", repeats=1, options={"attempts": 3})
    lab = Lab(sandbox, BROKEN, config=config)
    await lab.solve(PROBLEMS[0], None)
    drawn = seeds(lab.trial_events, "meta")
    assert len(set(drawn)) == len(drawn) == 3


@sandboxed
async def test_each_round_of_a_search_chooses_its_parent_anew(sandbox: Pool) -> None:
    changes = (completion(f'return "{n}"', modification=f"change {n}") for n in count())
    options = {"rounds": 9, "validation_rounds": 1, "sample": 2, "mix": 1, "check_convergence": False}
    config = RunConfig(variant="aflow", repeats=1, operators=AFLOW_CODE, options=options)
    one = replace(TASK, problems=PROBLEMS[:1])
    found = await Lab(sandbox, lambda *_: next(changes), config=config, task=one).search()
    # From the third round on there are two to choose from, as likely as each other.
    assert {row["parent"] for row in found["rounds"][2:]} == {1, 2}


@sandboxed
async def test_searches_of_different_methods_draw_apart(sandbox: Pool) -> None:
    """Two variants of an experiment have its seed; neither is a copy of the other's draws."""
    many = replace(TASK, problems=tuple(adder(f"add{n}", n) for n in range(40)))
    shown = []
    for variant in ("metaflow", "top-k"):
        options = {"examples": 3} | ({"candidates": 1} if variant == "top-k" else {})
        lab = Lab(sandbox, BROKEN, config=RunConfig(variant=variant, options=options), task=many)
        assert "can run" in await lab.failing_search()
        shown.append([p.id for p in many.problems if f"`{p.id}(x)`" in str(lab.services.meta_agent.calls[0])])  # type: ignore[attr-defined]
    assert [len(problems) for problems in shown] == [3, 3]
    assert shown[0] != shown[1]


class Log:
    """Knows no earlier trial."""

    async def ended(self, key: str) -> Trial | None:
        return None

    async def unfinished(self, key: str) -> None:
        return None

    def journal(self, label: str) -> Journal:
        return MemoryJournal()


async def test_repeats_of_an_experiment_count_up_from_its_seed_for_reports_and_candidates_alike() -> None:
    """The seeds of the repeats are the same for every variant: what is compared is paired."""
    plan = Plan("e", "b", None, None, 7, 3, 1, "m", "w", specs_by_label(["aflow"]), ("p",), (), "d")
    assert [plan.seed_of(repeat) for repeat in (1, 2, 3)] == [7, 8, 9]
    asked: list[TrialRequest] = []

    async def carry(request: TrialRequest, watch: Watch) -> Trial:
        asked.append(request)
        return Trial("r", request.problem.id, request.repeat, "passed", 1.0, None, None, 0, 0, 0.0)

    (contestant,) = contestants(plan, Budget(), "code").values()
    assert contestant.variant is load_variant("aflow")
    guard, task = Guard(), Task("t", "t", "code", (DOUBLE,))
    evaluate = Candidates(plan, contestant, task, carry, Log(), guard, asyncio.Semaphore(1))  # type: ignore[arg-type]
    built = build_workflow(completion('return ""'), "", AFLOW_CODE)
    assert isinstance(built, Workflow)
    await evaluate("round-1", built, repeats=3)
    assert [(r.repeat, r.config.seed, r.config.repeats) for r in asked] == [(1, 7, 1), (2, 8, 1), (3, 9, 1)]
