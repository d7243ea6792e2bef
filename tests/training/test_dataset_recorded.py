"""Data sets of real runs of the embedded models: what is trained on is what the engine sent and read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import pytest_asyncio

from engine.benchmarks import load_benchmark
from engine.events import ModelCallFinished, ModelCallStarted
from engine.guest_modules import guest_modules
from engine.models.local import LocalModel
from engine.models.local.text import TextStream
from engine.models.local.weights import Weights
from engine.models.registry import pocket_weights
from engine.problems import Problem
from engine.run.context import RunConfig, Services
from engine.runner import Run
from sandbox.pool import open_sandbox
from sandbox.types import SandboxError
from store.reader import Reader
from store.recorder import Recorder
from store.recording import recorded
from tests.support.missing import needs, skip_where_missing
from tests.training.conftest import Desk
from training.data import Progress
from training.data.options import BuildOptions
from training.data.serialise import IGNORED, tokens
from tui.service.datasets import DatasetRequest, build_in_thread

needs("torch")


RUNS, ROUNDS = 3, 2


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def played() -> AsyncIterator[Desk]:
    """A store with a few whole runs: meta-agent, worker, sandbox and recorder as in use."""
    meta, worker = (
        LocalModel(n, str(pocket_weights(n)), device="cpu") for n in ("pocket-meta", "pocket-worker")
    )
    with TemporaryDirectory() as folder:
        desk = Desk(Path(folder))
        config = RunConfig(rounds=ROUNDS, repeats=1, stop_early=False, seed=5)
        try:
            async with (
                open_sandbox(guest_modules=guest_modules()) as sandbox,
                Recorder(desk.settings.store_path()) as recorder,
            ):

                async def play(problem: Problem) -> None:
                    async for _ in recorded(Run(problem, config, Services(meta, worker, sandbox)), recorder):
                        pass

                await asyncio.gather(*map(play, load_benchmark("pocket")[1 : 1 + RUNS]))
        except SandboxError as error:
            skip_where_missing(error)
        finally:
            await asyncio.gather(meta.aclose(), worker.aclose())
        yield desk


@pytest.mark.asyncio(loop_scope="module")
async def test_each_recorded_call_is_trained_as_it_was_asked_and_read(played: Desk) -> None:
    """Token by token: the prompt is what the engine gave its model, the labels are what it would read."""
    weights = Weights.load("pocket-meta", str(pocket_weights("pocket-meta")), "cpu")
    calls: dict[str, ModelCallStarted] = {}
    count = exact = 0
    with Reader(played.settings.store_path()) as reader:
        for run in reader.runs().rows:
            for event in reader.events(run.id, kinds=("model_call_started", "model_call_finished")):
                if isinstance(event, ModelCallStarted) and event.role == "meta":
                    calls[event.call_id] = event
                if not (isinstance(event, ModelCallFinished) and event.call_id in calls):
                    continue
                sent: Any = calls[event.call_id].messages
                row = {"prompt": sent, "reasoning": event.reasoning, "reply": event.text}
                ids, labels = tokens(row, weights.chat.tokenizer)
                prompt, thinking = weights.chat.prompt(sent)
                start = len(prompt)
                assert ids[:start] == prompt and set(labels[:start]) == {IGNORED}
                assert labels[start:] == ids[start:] and ids[-1] in weights.ends
                stream = TextStream(weights.chat.decode, (), thinking=thinking)
                for token in ids[start:-1]:
                    stream.feed(token)
                stream.close()
                assert (stream.reasoning.strip(), stream.text.strip()) == (
                    event.reasoning.strip(),
                    event.text.strip(),
                )
                count += 1
                exact += event.tokens_out == len(ids) - start
    assert count >= RUNS * ROUNDS
    assert exact >= count - 1  # the sampled tokens too; now and then a text has other tokens than were drawn


@pytest.mark.asyncio(loop_scope="module")
async def test_rows_of_recorded_runs(played: Desk) -> None:
    rows, report = played.build("sft", tokenizer="pocket-meta", duplicates=True)
    with Reader(played.settings.store_path()) as reader:
        events = [e for run in reader.runs().rows for e in reader.events(run.id)]
    texts = {e.text for e in events if isinstance(e, ModelCallFinished)}
    scores = {(e.run_id, e.round): e.score for e in events if e.kind == "round_finished"}  # type: ignore[attr-defined]
    assert rows and {row["reply"] for row in rows} <= texts
    for row in rows:
        assert row["reward"] == scores[row["run"], row["round"]]
        assert (row["benchmark"], row["meta_agent"]) == ("pocket", "pocket-meta")
    assert report.read == RUNS and report.to_json()["tokens"]["longest"] < 2048
    (problem, *_), _ = played.build("grpo", name="problems")
    assert problem["reward_by"] == "val" and '"test"' not in problem["problem"]
    traces, _ = played.build("sft", name="traces", form="trace")
    assert len(traces) <= RUNS and all(row["reply"] in row["reasoning"] for row in traces)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_screen_builds_in_a_thread_and_cancels(played: Desk) -> None:
    told: list[Progress] = []
    out = played.folder / "for-a-screen"
    request = DatasetRequest("sft", "", out, BuildOptions())
    report = await build_in_thread(played.settings, request, told.append)
    assert report.rows and out.is_dir() and told[0] == Progress("reading", 0, RUNS)

    begun = asyncio.Event()
    other = DatasetRequest("sft", "", played.folder / "cancelled", BuildOptions())
    building = asyncio.ensure_future(build_in_thread(played.settings, other, lambda _: begun.set()))
    await begun.wait()
    building.cancel()
    with pytest.raises(asyncio.CancelledError):
        await building
    assert not [path for path in played.folder.iterdir() if "cancelled" in path.name]
