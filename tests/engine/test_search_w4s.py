"""W4S: a conversation about a workflow with scripted models and a real sandbox."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from engine.events import ModelCallStarted, Notice, RoundFinished, WorkflowProposed
from engine.models.base import Message, Sampling
from engine.run.context import RunConfig
from engine.search import Trial
from engine.tasks import Task
from engine.variants import load_variant
from engine.variants.aflow_prompts import Mistake
from engine.variants.w4s_prompts import feedback_text
from sandbox.pool import Pool
from tests.engine.test_search_aflow import BROKEN, CAREFUL, PLAIN
from tests.support.runs import completion
from tests.support.scripted import Answer
from tests.support.searches import PROBLEMS, SECRET, TASK, Lab, assert_resumes

sandboxed = pytest.mark.asyncio(loop_scope="session")

CRASHING = completion('raise ValueError("no luck")', modification="crash")
SILENT = completion("answer = None\nreturn answer", modification="give nothing")
EMPTY = completion("return None", modification="give nothing")
SAME = completion(PLAIN.format(', instruction="Write it."'), modification="say so")


def config(**options: Any) -> RunConfig:
    return RunConfig(variant="w4s", repeats=1, options={"turns": 2, **options})


def replies(*texts: str) -> Answer:
    left = list(texts)
    return lambda *_: left.pop(0) if len(left) > 1 else left[0]


def asked(lab: Lab) -> Sequence[list[Message]]:
    return lab.services.meta_agent.calls  # type: ignore[attr-defined]


@sandboxed
async def test_the_best_workflow_is_used_and_each_turn_says_how_the_last_one_did(sandbox: Pool) -> None:
    lab = Lab(sandbox, replies(CAREFUL, SAME), config=config())
    found = await lab.search()
    assert (found["round"], found["val_score"]) == (2, 1.0)
    assert [(r["round"], r["score"]) for r in found["rounds"]] == [(1, 0.0), (2, 1.0), (3, 0.0)]
    first, second = asked(lab)
    assert [m["role"] for m in first] == ["system", "user"]
    assert "Score on the validation problems: 0.0000" in first[1]["content"]
    assert "The best score so far is 0.0000." in first[1]["content"]
    assert [m["role"] for m in second] == ["system", "user", "assistant", "user"]
    assert second[:2] == first and second[2]["content"] == CAREFUL
    assert "1.0000, more than the best before it (0.0000)" in second[3]["content"]
    end = [e.feedback for e in lab.events if isinstance(e, RoundFinished)][-1]
    assert "0.0000, less than the best before it (1.0000)" in end
    assert SECRET not in lab.seen


@sandboxed
async def test_unsolved_problems_are_shown_without_tests(sandbox: Pool) -> None:
    lab = Lab(sandbox, replies(SAME), config=config(turns=1, mistakes=1))
    await lab.search()
    request = asked(lab)[0][1]["content"]
    assert request.count("Problem: ") == 1 and "the answer is wrong (score 0.00)" in request
    assert SECRET not in lab.seen


@sandboxed
async def test_a_conversation_begins_anew_with_the_last_workflow(sandbox: Pool) -> None:
    lab = Lab(sandbox, replies(SAME, CAREFUL, SAME), config=config(turns=3, window=2))
    await lab.search()
    lengths = [len(messages) for messages in asked(lab)]
    assert lengths == [2, 4, 2]
    anew = asked(lab)[2][1]["content"]
    assert "The best score so far is 1.0000." in anew and "Be careful." in anew


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (BROKEN, "no_such"),
        (CRASHING, "ValueError: no luck"),
        (EMPTY, "never returns an answer"),
        (SILENT, "returned no answer"),
        ("I cannot.", "graph"),
    ],
)
@sandboxed
async def test_a_workflow_is_mended_by_its_own_error(sandbox: Pool, bad: str, told: str) -> None:
    lab = Lab(sandbox, replies(bad, CAREFUL), config=config(turns=1))
    found = await lab.search()
    assert found["val_score"] == 1.0
    assert found["rounds"][1]["repairs"] == 1
    repair = asked(lab)[1]
    assert repair[-2]["content"] == bad and told in repair[-1]["content"]
    proposed = [e for e in lab.events if isinstance(e, WorkflowProposed)]
    assert [p.turn for p in proposed] == [None, "reply", "repair"]
    # A workflow that fails costs one problem at most, and never the whole task.
    assert len([key for key in lab.trials if "/check-0" in key[0]]) <= 1


class WithoutCheck(Lab):
    """The sandbox is lost whenever a workflow is tried on one problem."""

    async def _trial(self, label: str, workflow: Any, problem: Any, repeat: int, found: Any) -> Trial:
        trial = await super()._trial(label, workflow, problem, repeat, found)
        lost = replace(trial, status="infra", score=None, answer=None, error="the container is gone")
        return lost if "/check-" in label else trial


@sandboxed
async def test_a_lost_sandbox_is_no_fault_of_a_workflow(sandbox: Pool) -> None:
    lab = WithoutCheck(sandbox, replies(CAREFUL), config=config(turns=1))
    found = await lab.search()
    assert (found["val_score"], len(asked(lab))) == (1.0, 1)
    assert "the container is gone" not in lab.seen


@pytest.mark.parametrize("repairs", [0, 3])
@sandboxed
async def test_a_workflow_that_stays_broken_is_left_out(sandbox: Pool, repairs: int) -> None:
    lab = Lab(
        sandbox, replies(*[CRASHING] * (repairs + 1), CAREFUL), config=config(repairs=repairs, window=5)
    )
    found = await lab.search()
    assert len(asked(lab)) == repairs + 2
    broken, good = found["rounds"][1:]
    assert (broken["score"], broken["repairs"], broken["workflow_id"]) == (None, repairs, None)
    assert "no luck" in broken["error"] and good["score"] == 1.0
    assert asked(lab)[-1] == asked(lab)[0]  # the next turn is asked as this one was
    warnings = [e.text for e in lab.events if isinstance(e, Notice) and e.level == "warning"]
    assert f"Turn 2: no workflow that can run, after {repairs} repairs." in warnings


@sandboxed
async def test_the_best_of_a_turn_goes_on_the_first_of_equals(sandbox: Pool) -> None:
    texts = (SAME, CAREFUL, BROKEN)
    lab = Lab(sandbox, replies(*texts, SAME), config=config(candidates=3, repairs=0))
    found = await lab.search()
    assert found["round"] == 2
    continued = asked(lab)[3]
    assert continued[2]["content"] == CAREFUL
    assert len(asked(lab)) == 6


@sandboxed
async def test_a_meta_agent_that_writes_nothing_ends_the_search(sandbox: Pool) -> None:
    message = await Lab(sandbox, replies("no"), config=config(turns=9, repairs=0)).failing_search()
    assert "wrote no workflow that can run in 5 turns; use a stronger one" in message
    lab = Lab(sandbox, replies("no"), config=config(turns=3, repairs=0, give_up_after=0))
    assert (await lab.search())["round"] == 1
    empty = Lab(sandbox, replies("no"), config=config(), task=Task("none", "", "code", ()))
    assert "has no problems to score workflows on" in await empty.failing_search()


@sandboxed
async def test_the_temperature_is_the_release_s_unless_the_run_sets_one(sandbox: Pool) -> None:
    for sampling, wanted in ((Sampling(), 0.5), (Sampling(temperature=0.9), 0.9)):
        settings = replace(config(turns=1), meta_sampling=sampling)
        lab = Lab(sandbox, replies(CAREFUL), config=settings)
        await lab.search()
        calls = [e for e in lab.events if isinstance(e, ModelCallStarted) and e.role == "meta"]
        assert {c.params["temperature"] for c in calls} == {wanted}


@sandboxed
async def test_a_stopped_search_goes_on_where_it_was(sandbox: Pool) -> None:
    task = replace(TASK, problems=PROBLEMS[:1])
    await assert_resumes(lambda: Lab(sandbox, replies_by_length, task=task, config=config()))


def replies_by_length(messages: Sequence[Message], _: Any = None) -> str:
    """What a script would answer at this point of the conversation, also when it is asked again."""
    return {2: CRASHING, 4: CAREFUL}.get(len(messages), SAME)


@sandboxed
async def test_what_was_found_solves_a_problem(sandbox: Pool) -> None:
    lab = Lab(sandbox, replies(CAREFUL), config=config(turns=1))
    found = await lab.search()
    end = await lab.solve(PROBLEMS[0], found)
    assert end.score == 1.0
    assert "first searches" in str((await lab.solve(PROBLEMS[0], None)).error)


def test_the_feedback_names_what_is_known() -> None:
    assert feedback_text(None, 0.5, None, [], "it broke") == "It was not scored: it broke"
    text = feedback_text(0.5, 0.5, 0.00125, [Mistake("Add.", "1", "wrong")])
    assert "0.5000, as much as the best before it (0.5000)." in text
    assert "It cost 0.001250 USD a problem." in text
    assert "Problem: Add.\nAnswer: 1\nOutcome: wrong" in text


def test_the_embedded_meta_agent_is_refused_for_it() -> None:
    assert not load_variant("w4s").embedded
