"""What operators had to do to replies is recorded with their steps, and counts in what is told of a run."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from engine.event_json import from_json, to_json
from engine.events import EvaluationFinished, Notice, StepFinished
from engine.failures import classify
from engine.guest.syntax import MAX_CHARS
from engine.models.base import Message, Sampling
from engine.run.context import RunConfig
from sandbox.pool import Pool
from tests.support.runs import RIGHT, WRONG, completion, end, of, run_events

pytestmark = pytest.mark.asyncio(loop_scope="session")

REVIEWED = completion(
    """
code = (await self.custom_code_generate(problem=problem, entry_point=entry_point))["response"]
review = await self.review(problem=problem, solution=code)
print(review["review_result"])
return code
"""
)
CONFIG = RunConfig(repeats=1, rounds=1)


def reviewer(code: str, *verdicts: str):  # type: ignore[no-untyped-def]
    left = list(verdicts)

    def reply(messages: Sequence[Message], _: Sampling) -> str:
        if "Review the solution" in messages[-1]["content"]:
            return left.pop(0) if len(left) > 1 else left[0]
        return code

    return reply


async def test_a_verdict_that_is_not_understood_is_noted_and_labelled(sandbox: Pool) -> None:
    worker = reviewer(WRONG, "It is hard to say.")
    events = await run_events(sandbox, meta=REVIEWED, worker=worker, config=CONFIG)
    noted = [e for e in of(events, StepFinished) if e.notes]
    assert [[note["code"] for note in e.notes] for e in noted] == [["asked-again", "not-understood"]] * len(
        noted
    )
    assert noted and "hard to say" in noted[0].notes[1]["text"]
    assert noted[0].output["review_result"] is None
    assert from_json(to_json(noted[0])) == noted[0]
    assert "verdict-not-understood" in {finding.label for finding in classify(events)}


async def test_a_verdict_that_was_understood_on_asking_again_is_no_label(sandbox: Pool) -> None:
    worker = reviewer(WRONG, "It is hard to say.", "<review_result>true</review_result>")
    events = await run_events(sandbox, meta=REVIEWED, worker=worker, config=CONFIG)
    first = next(e for e in of(events, StepFinished) if e.notes)
    assert [note["code"] for note in first.notes] == ["asked-again"]
    assert first.output["review_result"] is True
    assert "verdict-not-understood" not in {finding.label for finding in classify(events)}


async def test_a_method_that_was_made_the_function_is_a_repair(sandbox: Pool) -> None:
    method = "```python\nclass Solution:\n    def f(self, x):\n        return x * 2\n```"
    config = RunConfig(variant="vanilla", repeats=1)
    events = await run_events(sandbox, worker=method, config=config)
    assert end(events).status == "passed"
    assert {e.strict for e in of(events, EvaluationFinished)} == {False}
    assert any(note["code"] == "repaired" for e in of(events, StepFinished) for note in e.notes)
    assert any("method of a class" in n.text for n in of(events, Notice))
    plain = await run_events(sandbox, worker=RIGHT, config=config)
    assert {e.strict for e in of(plain, EvaluationFinished)} == {True}


async def test_an_answer_too_long_to_be_read_is_told_and_judged_as_it_is(sandbox: Pool) -> None:
    long = completion(f"return 'def f(x):\\n    return x * 2\\n' + '# padding\\n' * {MAX_CHARS // 8}")
    events = await run_events(sandbox, meta=long, config=CONFIG)
    assert end(events).status == "passed"
    assert any("are not read as Python" in n.text for n in of(events, Notice))
