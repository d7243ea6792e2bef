"""A trial that was interrupted goes on from what it was answered: nothing is asked, or paid for, twice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from engine.events import Event, ModelCallFinished, Notice, RunFinished, RunStarted
from engine.experiments.contestants import contestants, specs_by_label
from engine.experiments.experiment import Experiment
from engine.experiments.keys import TrialKey
from engine.experiments.plan import Plan
from engine.experiments.trials import LocalTrials, TrialRequest
from engine.forks.replies import Replies, Reply, replies_of
from engine.models.base import Completion, Message, Sampling, Spent
from engine.models.replay import call_key
from engine.run.context import Origin, Services
from engine.run.ledger import Budget
from engine.runner import Run
from engine.tasks import Task
from sandbox.types import Sandbox
from store.db import open_writer
from store.experiment_log import ExperimentLog, create
from store.interrupted import end_lost
from store.reader import Reader
from store.recorder import Recorder
from store.recording import recorded
from tests.store.samples import as_rows
from tests.support.runs import DOUBLE, TEST_AND_REVISE, of, wrong_then_right
from tests.support.scripted import ScriptedModel

ASYNC = pytest.mark.asyncio(loop_scope="session")

SPEC = "flowreasoner,rounds=2,executions=1"
PRICE = 0.25  # US dollars a call


class Paid(ScriptedModel):
    """Every call has a price, but for those of the free."""

    async def stream(self, messages: Sequence[Message], sampling: Sampling):
        async for item in super().stream(messages, sampling):
            yield replace(item, cost_usd=PRICE) if isinstance(item, Completion) else item


@dataclass
class Bench:
    """One trial on a store of its own: attempts of any length, then an experiment that is resumed."""

    sandbox: Sandbox
    path: Path
    budget: Budget = Budget()  # noqa: RUF009  immutable

    def __post_init__(self) -> None:
        specs = specs_by_label([SPEC])
        self.plan = Plan("e", "b", None, None, 7, 1, 1, "meta", "worker", specs, (DOUBLE.id,), (), "d")
        self.key = TrialKey(next(iter(specs)), DOUBLE.id, 1)
        create(self.path, self.plan)

    def services(self) -> Services:
        return Services(Paid("meta", TEST_AND_REVISE), Paid("worker", wrong_then_right), self.sandbox)

    async def whole(self) -> list[Event]:
        """The events of the trial's next attempt as it goes without an interruption; none is stored."""
        (contestant,) = contestants(self.plan, self.budget, "code").values()
        config = replace(contestant.config, seed=self.plan.seed_of(1))
        origin = Origin(experiment="e", trial=str(self.key), stage="final")
        request = TrialRequest(DOUBLE, config, "meta", "worker", origin)
        async with ExperimentLog(self.path, "e") as log:
            request = request.going_on(await log.unfinished(str(self.key)))
        run = Run(DOUBLE, config, self.services(), origin=request.origin, replies=request.replies)
        return [event async for event in run.events()]

    async def interrupt(self, events: Sequence[Event], status: str = "interrupted") -> None:
        """An attempt of which these events were stored when its process died, or when it ended so."""
        end = RunFinished(
            run_id=events[0].run_id,
            seq=len(events),
            **dict.fromkeys(("score", "val_score", "answer", "workflow_id"), None),
            **dict.fromkeys(("tokens_in", "tokens_out", "model_calls", "steps"), 0),
            status=status,
            error="it was ended",
            cost_usd=0.0,
            wall_ms=0.0,
        )
        async with Recorder(self.path) as recorder:
            for event in events if status == "interrupted" else (*events, end):
                await recorder.record(event)
        db = open_writer(self.path)
        end_lost(db, [events[0].run_id], "its process died")
        db.close()

    async def resume(self) -> tuple[Services, list[Event]]:
        """Carry the experiment out; the models that it asked, and the events of its run."""
        services = self.services()

        async def open_services(meta: str, worker: str) -> Services:
            return services

        async with Recorder(self.path) as recorder, ExperimentLog(self.path, "e") as log:
            experiment = Experiment(
                self.plan,
                contestants(self.plan, self.budget, "code"),
                {DOUBLE.id: DOUBLE},
                Task("t", "t", "open", ()),
                LocalTrials(open_services, lambda run: recorded(run, recorder), lambda error: None),
                log,
                concurrency=1,
            )
            assert await experiment.run(lambda *_: None) == "done"
            self.spent = experiment.guard.spent_usd
        with Reader(self.path) as reader:
            (row,) = reader.experiments.trials("e")
            return services, list(reader.events(row.run_id))


def asked(services: Services) -> int:
    return len(services.meta_agent.calls) + len(services.worker.calls)  # type: ignore[attr-defined]


def answers(events: list[Event]) -> list[str]:
    return [e.text for e in of(events, ModelCallFinished) if e.error is None]


def cuts(events: list[Event]) -> list[int]:
    """After the start, each answer (so within a step and outside), and right before the end."""
    places = [n + 1 for n, event in enumerate(events) if isinstance(event, RunStarted | ModelCallFinished)]
    return [*places, len(events) - 1]


@ASYNC
async def test_wherever_a_trial_was_interrupted_it_asks_only_what_was_not_answered(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    whole = await Bench(sandbox, tmp_path / "whole.db").whole()
    end, calls = whole[-1], len(of(whole, ModelCallFinished))
    assert isinstance(end, RunFinished)
    assert (end.status, calls) == ("passed", 5)  # so that there is something to interrupt
    for number, cut in enumerate(cuts(whole)):
        bench = Bench(sandbox, tmp_path / f"{number}.db")
        await bench.interrupt(whole[:cut])
        answered = len(of(whole[:cut], ModelCallFinished))
        services, events = await bench.resume()
        resumed = events[-1]
        assert isinstance(resumed, RunFinished)
        assert asked(services) == calls - answered
        assert resumed.model_calls == calls - answered
        assert (resumed.status, resumed.answer) == (end.status, end.answer)
        assert answers(events) == answers(whole)
        assert bench.spent == calls * PRICE  # the budget of the experiment counts each call once
        told = [e.text for e in of(events, Notice) if whole[0].run_id in e.text]
        assert len(told) == (answered > 0)
        with Reader(bench.path) as reader:
            (trial,), row = reader.experiments.trials("e"), reader.experiments.named("e")
            statuses = [reader.run(run_id).status for run_id in (whole[0].run_id, trial.run_id)]
            assert reader.run(trial.run_id).parent == whole[0].run_id
        assert statuses == ["interrupted", "passed"]
        assert (row.runs, row.done, trial.attempts) == (2, 1, 2)
        assert (row.tokens_in, row.tokens_out) == (end.tokens_in, end.tokens_out)
        assert row.cost_usd == end.cost_usd
        # And the trial itself is not cheaper than one that nothing interrupted.
        assert trial.meta.tokens_in + trial.worker.tokens_in == end.tokens_in
        assert (trial.meta.cost_usd or 0.0) + (trial.worker.cost_usd or 0.0) == end.cost_usd
        assert trial.meta.calls + trial.worker.calls == calls


@ASYNC
async def test_five_interruptions_cost_no_call_that_was_answered(sandbox: Sandbox, tmp_path: Path) -> None:
    """Also where an attempt has not yet come as far as the one before, or was ended in another way."""
    bench = Bench(sandbox, tmp_path / "store.db")
    whole, paid = await bench.whole(), 0
    ends = ((2, "interrupted"), (1, "cancelled"), (3, "infra"), (3, "interrupted"), (4, "cancelled"))
    for answered, status in ends:
        attempt = await bench.whole()
        stored = attempt[: cuts(attempt)[answered]]
        assert len(of(stored, ModelCallFinished)) == answered
        paid += sum("replayed" not in e.flags for e in of(stored, ModelCallFinished))
        await bench.interrupt(stored, status)
    services, events = await bench.resume()
    assert paid + asked(services) == len(of(whole, ModelCallFinished)) == 5
    assert answers(events) == answers(whole)
    with Reader(bench.path) as reader:
        statuses = [row.status for row in reader.runs().rows]
        (trial,) = reader.experiments.trials("e")
    assert sorted(statuses) == sorted([*(status for _, status in ends), "passed"])
    end = whole[-1]
    assert isinstance(end, RunFinished)
    assert trial.meta.tokens_in + trial.worker.tokens_in == end.tokens_in


@ASYNC
async def test_the_limits_of_a_run_hold_for_all_its_attempts_together(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    bench = Bench(sandbox, tmp_path / "store.db", Budget(model_calls=4))
    whole = await bench.whole()
    assert (whole[-1].status, len(of(whole, ModelCallFinished))) == ("budget", 4)  # type: ignore[attr-defined]
    await bench.interrupt(whole[: cuts(whole)[3]])
    services, events = await bench.resume()
    assert asked(services) == 1
    assert events[-1].status == "budget"  # type: ignore[attr-defined]


@ASYNC
async def test_a_trial_that_counts_is_not_gone_on_from(sandbox: Sandbox, tmp_path: Path) -> None:
    bench = Bench(sandbox, tmp_path / "store.db")
    await bench.resume()
    async with ExperimentLog(bench.path, "e") as log:
        assert await log.unfinished(str(bench.key)) is None
        assert await log.unfinished(str(bench.key._replace(repeat=2))) is None


@ASYNC
async def test_a_damaged_record_gives_what_comes_before_the_damage(sandbox: Sandbox, tmp_path: Path) -> None:
    bench = Bench(sandbox, tmp_path / "store.db")
    whole = await bench.whole()
    await bench.interrupt(whole[: cuts(whole)[3]])
    damaged = of(whole, ModelCallFinished)[1]
    db = open_writer(bench.path)
    as_rows(db)
    query = "UPDATE events SET payload = '{' WHERE run_id = ? AND seq = ?"
    db.execute(query, (damaged.run_id, damaged.seq))
    db.close()
    services, events = await bench.resume()
    assert asked(services) == len(of(whole, ModelCallFinished)) - 1
    assert answers(events) == answers(whole)


def test_an_answer_is_used_where_the_same_is_asked_of_the_same_model_and_only_once() -> None:
    messages: list[Message] = [{"role": "user", "content": "a"}]
    seeded = Sampling(seed=1)

    class Weighed(ScriptedModel):
        weights = "new"

    def reply(weights: str = "", text: str = "x") -> Reply:
        key = call_key(messages, seeded.to_json())
        return Reply("worker", "w", weights, key, Completion(text, tokens_in=3, tokens_out=4, cost_usd=None))

    worker = ScriptedModel("w", "live")
    other: list[Message] = [{"role": "user", "content": "b"}]
    kept = Replies([reply()])
    assert kept.take("meta", worker, messages, seeded) is None
    assert kept.take("worker", ScriptedModel("v", "live"), messages, seeded) is None
    assert kept.take("worker", worker, other, seeded) is None
    assert kept.take("worker", worker, messages, Sampling(seed=2)) is None
    assert kept.take("worker", worker, messages, Sampling(seed=1, temperature=0.0)) is None
    assert kept.take("worker", Weighed("w", "live"), messages, seeded) is None  # trained on since then
    found = kept.take("worker", worker, messages, seeded)
    assert found is not None and found[1] == Spent(3, 4, None)
    assert kept.take("worker", worker, messages, seeded) is None
    weighed = Replies([reply("new", "first"), reply("new", "second")])
    assert weighed.take("worker", Weighed("w", "live"), messages, seeded) is not None
    assert weighed.take("worker", worker, messages, seeded) is None
    weighed.add([reply()])  # of this run, which has counted it
    assert weighed.take("worker", worker, messages, seeded) is None, "those before it come first"
    assert weighed.take("worker", Weighed("w", "live"), messages, seeded) is not None
    found = weighed.take("worker", worker, messages, seeded)
    assert found is not None and found[1] is None


def test_replies_cross_to_another_process_whole() -> None:
    completion = Completion("\ud800", "why", "stop", 1, 2, None, ("cut",), {"top_k": 20})
    reply = Reply("meta", "m", "hash", "key", completion)
    assert Reply.from_json(json.loads(json.dumps(reply.to_json()))) == reply
    assert replies_of([]) == []
