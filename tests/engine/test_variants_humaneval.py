"""Manual variants on real problems with the embedded worker: whatever it says, there is a verdict."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from engine.benchmarks import load_benchmark
from engine.config import Settings
from engine.events import EvaluationFinished, ModelCallFinished, ModelCallStarted, StepFinished, StepStarted
from engine.models.base import ChatModel
from engine.run.context import RunConfig, Services
from sandbox.pool import Pool
from tests.support.runs import end, of, run_events
from tests.support.scripted import ScriptedModel

pytestmark = pytest.mark.asyncio(loop_scope="session")
DATA = Path(os.environ.get("FLOWREASONER_DATA", "nowhere")) / "HumanEval.jsonl"
COUNT = 2 if os.environ.get("FLOWREASONER_LONG") else 1


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def worker() -> AsyncIterator[ChatModel]:
    if not DATA.is_file():
        pytest.skip("set FLOWREASONER_DATA to the folder with HumanEval.jsonl")
    from engine.models.registry import open_model

    model = open_model("pocket-worker", Settings())
    yield model
    await model.aclose()


@pytest.mark.parametrize("variant", ["vanilla", "self-refine", "llm-debate", "llm-blender", "autoagents"])
async def test_every_run_ends_in_a_verdict(sandbox: Pool, worker: ChatModel, variant: str) -> None:
    services = Services(ScriptedModel("meta", ""), worker, sandbox)
    for problem in load_benchmark("humaneval", DATA)[:COUNT]:
        events = await run_events(
            sandbox, problem=problem, services=services, config=RunConfig(variant=variant, repeats=1)
        )
        last = end(events)
        assert last.status in ("passed", "failed"), last.error
        assert last.score is not None and 0.0 <= last.score <= 1.0
        (scored,) = of(events, EvaluationFinished)
        assert scored.split == "test" and scored.total > 0
        calls = of(events, ModelCallFinished)
        assert last.model_calls == len(calls) == len(of(events, ModelCallStarted)) > 0
        assert last.tokens_in == sum(c.tokens_in for c in calls)
        assert last.tokens_out == sum(c.tokens_out for c in calls)
        assert {s.step_id for s in of(events, StepStarted)} == {s.step_id for s in of(events, StepFinished)}
