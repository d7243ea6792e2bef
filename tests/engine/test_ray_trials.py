"""Trials in a worker of a cluster, without one: what crosses, and how a run ends whatever becomes of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from engine.events import Event, ModelCallFinished, ModelCallStarted, RunFinished, RunStarted
from engine.experiments.cluster_error import ClusterError
from engine.experiments.crew import LostWorkerError
from engine.experiments.ray.cluster import STARTS, Member, connected
from engine.experiments.remote_trials import RemoteRun
from engine.experiments.trial_worker import TrialWorker
from engine.experiments.trials import TrialRequest
from engine.experiments.wire import request_from_json, request_to_json
from engine.forks import replies
from engine.models.base import Completion
from engine.operators.own import read_set
from engine.operators.sets import PAPER, SETS
from engine.run.context import Origin, RunConfig
from engine.workflows import Workflow, build_workflow
from tests.support.openai_server import HANG, OpenAIServer, Reply, answer, chunk
from tests.support.runs import DOUBLE, GENERATE, RIGHT

STUCK = Reply([chunk("", role="assistant"), HANG])


class Direct(Member):
    """A worker in this process: what it is asked and answers crosses as JSON, as it would to another."""

    def __init__(self) -> None:
        super().__init__(None, None)
        self.host, self.worker = "here", TrialWorker()
        self.lost = False

    async def ask(self, method: str, *args: object) -> Any:
        if self.lost:
            raise LostWorkerError("gone")
        return json.loads(json.dumps(await getattr(self.worker, method)(*json.loads(json.dumps(args)))))


@pytest_asyncio.fixture
async def member() -> AsyncIterator[Direct]:
    member = Direct()
    yield member
    await member.worker.close()


@pytest_asyncio.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[[Reply], None]]:
    """Sets what the models `local/meta` and `local/worker` of the worker's environment answer."""
    replies = [answer(RIGHT)]
    async with OpenAIServer(lambda request: replies[0]) as server:
        monkeypatch.setenv("FLOWREASONER_ENDPOINTS__LOCAL__BASE_URL", server.url)
        yield lambda reply: replies.__setitem__(0, reply)


def request(variant: str = "vanilla", **options: Any) -> TrialRequest:
    config = RunConfig(variant=variant, repeats=1)
    origin = Origin(experiment="e", trial='["v", "double", 1]', stage="final")
    return TrialRequest(DOUBLE, config, "local/meta", "local/worker", origin, **options)


async def events_of(run: RemoteRun, on: Callable[[Event], None] = lambda _: None) -> list[Event]:
    events = []
    async for event in run.events():
        events.append(event)
        on(event)
    return events


def check_stream(events: list[Event], status: str) -> RunFinished:
    """One run, numbered without a gap, with an end whose totals are its calls'."""
    start, end = events[0], events[-1]
    assert isinstance(start, RunStarted)
    assert isinstance(end, RunFinished)
    assert end.status == status
    assert [e.seq for e in events] == list(range(len(events)))
    assert {e.run_id for e in events} == {start.run_id}
    calls = [e for e in events if isinstance(e, ModelCallFinished)]
    assert (end.tokens_in, end.tokens_out) == (
        sum(c.tokens_in for c in calls),
        sum(c.tokens_out for c in calls),
    )
    assert end.model_calls == len(calls)
    return end


async def test_a_remote_run_is_a_run(member: Direct, server: Callable[[Reply], None]) -> None:
    run = RemoteRun(member, "1", request())
    events = await events_of(run)
    assert check_stream(events, "passed").tokens_in == 10
    assert isinstance(events[0], RunStarted)
    assert events[0].origin == {"experiment": "e", "trial": '["v", "double", 1]', "stage": "final"}
    assert not run.lost


async def test_what_happens_within_a_moment_is_sent_together(
    member: Direct, server: Callable[[Reply], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.experiments.trial_worker.LINGER_S", 600.0)  # a moment that lasts
    asked: list[str] = []

    async def ask(method: str, *args: object) -> Any:
        asked.append(method)
        return await Direct.ask(member, method, *args)

    monkeypatch.setattr(member, "ask", ask)
    check_stream(await events_of(RemoteRun(member, "1", request())), "passed")
    # An answer waits for nothing, and neither does the end.
    assert asked in (["begin", "more"], ["begin", "more", "more"])


async def test_a_workflow_is_executed_as_it_was_sent(member: Direct, server: Callable[[Reply], None]) -> None:
    workflow = build_workflow(GENERATE, "", PAPER)
    assert isinstance(workflow, Workflow)
    end = check_stream(await events_of(RemoteRun(member, "1", request(workflow=workflow))), "passed")
    assert end.workflow_id == workflow.id


async def test_a_cancelled_run_ends_so(member: Direct, server: Callable[[Reply], None]) -> None:
    server(STUCK)
    run = RemoteRun(member, "1", request())
    events = await events_of(run, lambda e: run.cancel() if isinstance(e, ModelCallStarted) else None)
    assert isinstance(events[-1], RunFinished)
    assert events[-1].status == "cancelled"


async def test_a_lost_worker_s_run_ends_as_interrupted(
    member: Direct, server: Callable[[Reply], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.experiments.trial_worker.BATCH_EVENTS", 1)

    def lose(event: Event) -> None:
        member.lost = member.lost or isinstance(event, ModelCallFinished)

    run = RemoteRun(member, "1", request())
    events = await events_of(run, lose)
    end = check_stream(events, "interrupted")
    assert end.tokens_in == 10  # what was spent stays counted
    assert "worker process" in (end.error or "")
    assert run.lost


async def test_a_worker_lost_before_the_run_began_leaves_nothing(member: Direct) -> None:
    member.lost = True
    run = RemoteRun(member, "1", request())
    assert await events_of(run) == []
    assert run.lost


async def test_a_worker_that_no_longer_answers_is_given_up(
    member: Direct, server: Callable[[Reply], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.experiments.remote_trials.CANCEL_S", 0.01)
    server(STUCK)

    async def deaf(name: str) -> dict[str, Any]:
        return {}

    monkeypatch.setattr(member.worker, "cancel", deaf)
    run = RemoteRun(member, "1", request())
    events = await events_of(run, lambda e: run.cancel() if isinstance(e, ModelCallStarted) else None)
    assert isinstance(events[-1], RunFinished)
    assert events[-1].status == "interrupted"


async def test_a_variant_s_bug_is_told_with_its_run_s_end(
    member: Direct, server: Callable[[Reply], None], tmp_path: Path
) -> None:
    file = tmp_path / "broken.py"
    file.write_text(
        "from engine.variants import Variant\n"
        "async def solve(context):\n    raise KeyError('my bug')\n"
        "VARIANT = Variant(solve)\n"
    )
    run = RemoteRun(member, "1", request(str(file)))
    check_stream(await events_of(run), "error")
    assert "my bug" in str(run.bug)
    assert "broken.py" in str(run.bug)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"worker": "pocket-wroker"}, "unknown model"),
        ({"worker": "replay:abc"}, "store"),
        ({"variant": "missing.py"}, "missing.py"),
    ],
)
async def test_what_a_worker_cannot_do_is_told_with_its_host(
    member: Direct, server: Callable[[Reply], None], changed: dict[str, str], told: str
) -> None:
    data = request_to_json(request())
    data["config"]["variant"] = changed.pop("variant", "vanilla")
    run = RemoteRun(member, "1", request_from_json(data | changed))
    with pytest.raises(ClusterError, match=r"^on here: ") as error:
        await events_of(run)
    assert told in str(error.value)


async def test_a_cluster_that_is_slow_to_start_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray")
    ends = [Exception("The current node timed out during startup. Sorry."), None, Exception("no space left")]
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray, "init", lambda address, **_: _raise(ends.pop(0)))
    async with connected("ray"):
        assert len(ends) == 1
    with pytest.raises(ClusterError, match="no space left"):
        async with connected("ray"):
            pass
    ends = [Exception("The current node timed out during startup.")] * STARTS
    with pytest.raises(ClusterError, match="timed out during startup"):
        async with connected("ray"):
            pass
    assert not ends


async def test_a_cluster_of_other_versions_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray")
    from ray._private.utils import check_version_info

    other = {"ray_version": "2.1.0", "python_version": "3.9.1"}
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray, "init", lambda *_, **__: check_version_info(other, "Ray Client"))
    with pytest.raises(
        ClusterError, match=r"^the Ray cluster at local runs Ray 2\.1\.0 on Python 3\.9\.1, and"
    ):
        async with connected("ray"):
            pass


def _raise(error: Exception | None) -> None:
    if error:
        raise error


def test_a_request_crosses_whole(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("async def shout(host, *, text, times=2):\n    return text * times\n")
    tempered = next(o for s in SETS.values() for o in s.operators if o.tempered)
    of_set = next(s for s in SETS.values() if tempered in s.operators)
    (tmp_path / "mine.toml").write_text(
        f'include = ["{of_set.name}.{tempered.attribute}"]\n'
        '[[operator]]\nattribute = "shout"\ndescription = "Shouts."\nreturns = "str"\n'
    )
    own = read_set(tmp_path / "mine.toml")
    code = (
        "class Workflow:\n    async def __call__(self, problem):\n        return await self.shout(text='a')"
    )
    built = build_workflow(f"<modification>\ud800</modification><graph>{code}</graph>", "", own)
    assert isinstance(built, Workflow)
    assert "\ud800" in built.modification
    sent = TrialRequest(
        DOUBLE,
        RunConfig(operators=own, options={"rounds": "2", "texts": ["\ud800", None]}),
        "meta",
        "worker",
        Origin(experiment="e"),
        3,
        built,
        {"code": "x"},
        replies=(replies.Reply("worker", "w", "", "key", Completion("\ud800", tokens_in=3, flags=("cut",))),),
    )
    assert request_from_json(json.loads(json.dumps(request_to_json(sent)))) == sent
