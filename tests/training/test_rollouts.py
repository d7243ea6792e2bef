"""Rollouts through the engine: what is asked and kept, groups, failures, cancelling, the trainer's desk."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from engine.events import ModelCallFinished, ModelCallStarted, StepStarted
from engine.models.base import ChatModel, ModelError, Sampling
from engine.models.local import LocalModel
from engine.models.registry import pocket_weights
from engine.problems import Problem, Tests
from engine.run.context import Origin, RunConfig
from engine.tasks import Task
from sandbox.errors import UsageError
from store.reader import Reader
from tests.support.runs import DOUBLE, GENERATE, RIGHT, WRONG, completion
from tests.support.scripted import ScriptedModel
from tests.training.policies import Script, chat, generated, policy, tokenizer
from training.rollouts.calls import rows
from training.rollouts.counters import counters
from training.rollouts.generators import EmbeddedGenerator
from training.rollouts.policy import Desk, PolicyModel
from training.rollouts.rewards import reward
from training.rollouts.rollouts import Gym, GymThread, RolloutRequest
from training.rollouts.tasks import TaskRequest, draw_instances, scored_on

BROKEN = completion("return await self.no_such(problem=problem)")


@asynccontextmanager
async def gym(worker: ChatModel | str = RIGHT, store: Path | None = None) -> AsyncIterator[Gym]:
    model = ScriptedModel("worker", worker) if isinstance(worker, str) else worker
    async with Gym(model, store, size=2) as open_gym:
        yield open_gym


def config(**changes: object) -> RunConfig:
    return RunConfig(**{"rounds": 2, "repeats": 1, "worker_seed": 5, **changes})  # type: ignore[arg-type]


async def test_a_rollout_is_the_variants_run_stored_with_its_origin(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    origins = [Origin(job="j", step=3, group="g", candidate=n) for n in range(2)]
    policies = [policy(GENERATE), policy(BROKEN, GENERATE)]
    async with gym(store=store) as open_gym:
        found = await open_gym.rollouts(
            [RolloutRequest(DOUBLE, p, config(), o) for p, o in zip(policies, origins, strict=True)]
        )
    assert [r.origin for r in found] == origins
    assert [[(c.round, c.turn, c.valid) for c in r.calls] for r in found] == [
        [(1, "reply", True)],
        [(1, "reply", False), (1, "repair", True)],
    ]
    assert [[(o.number, o.score, o.valid) for o in r.rounds] for r in found] == [[(1, 1.0, True)]] * 2
    with Reader(store) as reader:
        listed = {row.id for row in reader.runs(job="j").rows}
        assert listed == {r.run_id for r in found}
        for rollout in found:
            kinds = {e.kind for e in reader.events(rollout.run_id)}
            assert "model_delta" not in kinds
            splits = [e.split for e in reader.events_of_kind(rollout.run_id, "evaluation_finished")]  # type: ignore[attr-defined]
            assert splits == ["val"]


async def test_the_candidates_of_a_group_share_the_workers_draws(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    async with gym(WRONG, store) as open_gym:
        requests = [
            RolloutRequest(DOUBLE, policy(GENERATE), config(rounds=1, repeats=2, seed=n)) for n in range(2)
        ]
        found = await open_gym.rollouts(requests)
    drawn = []
    with Reader(store) as reader:
        for rollout in found:
            calls = [e for e in reader.events(rollout.run_id) if isinstance(e, ModelCallStarted)]
            worker = [(c.messages, c.params["seed"]) for c in calls if c.role == "worker"]
            drawn.append(sorted(worker, key=lambda call: call[1]))
            assert [e.key for e in reader.events(rollout.run_id) if isinstance(e, StepStarted)]
    assert drawn[0] == drawn[1]
    assert drawn[0][0][1] != drawn[0][1][1]  # repeats draw anew
    assert len({s.seed for r in requests for s in r.policy.source.samplings}) == 2  # type: ignore[attr-defined]


async def test_concurrency_bounds_the_rollouts_under_way() -> None:
    class Counting(Script):
        now = most = 0

        async def ask(self, prompt, sampling):  # type: ignore[no-untyped-def, override]
            Counting.now += 1
            Counting.most = max(Counting.most, Counting.now)
            await asyncio.sleep(0)
            Counting.now -= 1
            return await super().ask(prompt, sampling)

    async with gym() as open_gym:
        requests = [
            RolloutRequest(DOUBLE, PolicyModel("p", chat(), Counting(GENERATE)), config()) for _ in range(6)
        ]
        found = await open_gym.rollouts(requests, concurrency=2)
    assert len(found) == 6
    assert all(r.status == "answered" for r in found)
    assert 1 <= Counting.most <= 2


async def test_a_policy_that_cannot_be_had_ends_its_own_rollout() -> None:
    class Broken(Script):
        async def ask(self, prompt, sampling):  # type: ignore[no-untyped-def, override]
            raise ModelError("connection", "the policy is away")

    async with gym() as open_gym:
        bad, good = await open_gym.rollouts(
            [
                RolloutRequest(DOUBLE, PolicyModel("p", chat(), Broken("")), config()),
                RolloutRequest(DOUBLE, policy(GENERATE), config()),
            ]
        )
    assert (bad.status, bad.error, bad.calls) == ("infra", "the policy is away", ())
    assert reward(bad, 2).dropped == "infra: the policy is away"
    assert reward(good, 2).dropped == ""


async def test_a_prompt_without_room_is_an_empty_reply_that_cannot_run() -> None:
    class Full(Script):
        async def ask(self, prompt, sampling):  # type: ignore[no-untyped-def, override]
            from training.rollouts.generators import Generated

            return Generated([], [], 1.0, "length")

    async with gym() as open_gym:
        (found,) = await open_gym.rollouts(
            [RolloutRequest(DOUBLE, PolicyModel("p", chat(), Full("")), config())]
        )
    assert found.status == "failed"
    assert [o.valid for o in found.rounds] == [False, False]
    assert rows(found.calls) == []


async def test_cancelling_stores_the_end_of_every_rollout(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    asked = asyncio.Event()
    count = itertools.count(1)

    class Never(Script):
        async def ask(self, prompt, sampling):  # type: ignore[no-untyped-def, override]
            if next(count) == 3:
                asked.set()
            await asyncio.Event().wait()

    requests = [
        RolloutRequest(DOUBLE, PolicyModel("p", chat(), Never("")), config(), Origin(job="j"))
        for _ in range(3)
    ]
    async with gym(store=store) as open_gym:
        work = asyncio.ensure_future(open_gym.rollouts(requests))
        await asked.wait()
    with pytest.raises(asyncio.CancelledError):
        await work
    with Reader(store) as reader:
        assert [row.status for row in reader.runs(job="j").rows] == ["cancelled"] * 3


def thread(worker: ChatModel | str = RIGHT, store: Path | None = None) -> GymThread:
    return GymThread(
        Gym(ScriptedModel("worker", worker) if isinstance(worker, str) else worker, store, size=2)
    )


def test_the_trainer_gets_all_that_wait_at_once_and_answers_them() -> None:
    desk = Desk()
    sizes: list[int] = []
    with thread(WRONG) as open_gym:
        for wave in range(2):
            done = open_gym.start(
                [RolloutRequest(DOUBLE, PolicyModel("p", chat(), desk), config(seed=wave)) for _ in range(5)],
                3,
            )
            while asks := desk.next_batch():
                sizes.append(len(asks))
                desk.answer(asks, [generated(GENERATE) for _ in asks])
            assert [len(r.calls) for r in done.result(timeout=60)] == [2] * 5
    assert sizes[0] == 3  # a batch waits for every lane
    assert sum(sizes) == 2 * 5 * 2


def test_a_trainer_that_fails_leaves_no_rollout_behind(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    desk = Desk()
    requests = [
        RolloutRequest(DOUBLE, PolicyModel("p", chat(), desk), config(), Origin(job="j")) for _ in range(4)
    ]
    with pytest.raises(ZeroDivisionError), thread(store=store) as open_gym:
        done = open_gym.start(requests)
        assert len(desk.next_batch()) == 4
        raise ZeroDivisionError
    assert done.done()
    with Reader(store) as reader:
        assert [row.status for row in reader.runs(job="j").rows] == ["cancelled"] * 4


def test_what_the_desk_cannot_answer_ends_those_rollouts() -> None:
    desk = Desk()
    with thread() as open_gym:
        done = open_gym.start([RolloutRequest(DOUBLE, PolicyModel("p", chat(), desk), config())])
        desk.fail(desk.next_batch(), ModelError("server", "out of memory: halve the batch"))
        assert desk.next_batch() == []
        (found,) = done.result(timeout=60)
    assert (found.status, found.error) == ("infra", "out of memory: halve the batch")


@pytest.mark.timeout(300)
def test_what_is_trained_on_is_what_inference_sends_and_draws(tmp_path: Path) -> None:
    """Token by token, of every stored rollout: the embedded meta-agent in training and in use."""
    from training.pocket.model import load
    from training.pocket.tasks import generate

    store = tmp_path / "store.db"
    weights = pocket_weights("pocket-meta")
    model, tokens = load(weights)
    generator, desk = EmbeddedGenerator(model, tokens), Desk()
    problems = generate(11, "train", 2)
    with thread(WRONG, store) as open_gym:  # never right, so that there is a second round with feedback
        done = open_gym.start(
            [
                RolloutRequest(p, PolicyModel("policy", chat(), desk), config(seed=n), Origin(job="j"))
                for n, p in enumerate(problems)
            ]
        )
        while asks := desk.next_batch():
            desk.answer(asks, generator.generate([a.prompt for a in asks], [a.sampling for a in asks]))
        found = done.result()

    async def in_use() -> None:
        local = LocalModel("pocket-meta", str(weights), device="cpu")
        try:
            with Reader(store) as reader:
                for rollout in found:
                    calls = [c for c in reader.model_calls(rollout.run_id) if c.role == "meta"]
                    events = reader.events_of_kind(rollout.run_id, "model_call_finished")
                    ended = [e for e in events if isinstance(e, ModelCallFinished)]
                    assert len(calls) == len(rollout.calls) >= 2
                    for stored, trained in zip(calls, rollout.calls, strict=True):
                        messages = list(stored.messages)
                        asked = Sampling(**stored.params)
                        assert chat().prompt(messages)[0] == trained.prompt  # type: ignore[arg-type]
                        stream = local.stream(messages, asked)  # type: ignore[arg-type]
                        reply = [item async for item in stream][-1]
                        assert reply.text == stored.text  # type: ignore[union-attr]
                        assert reply.reasoning == stored.reasoning  # type: ignore[union-attr]
                        assert reply.tokens_out == len(trained.completion)  # type: ignore[union-attr]
                        assert trained.temperature == reply.sampled["temperature"] == 0.8  # type: ignore[union-attr]
                    assert {e.sampled.get("temperature") for e in ended} <= {0.8, None}
        finally:
            await local.aclose()

    asyncio.run(in_use())
    _check_logps(model, found)


def _check_logps(model, found) -> None:  # type: ignore[no-untyped-def]
    """Kept log-probabilities are those that training computes of the very rows."""
    import torch

    for rollout in found:
        for row in rows(rollout.calls):
            ids = torch.tensor([row.prompt + row.completion])
            with torch.no_grad():
                logits = model(ids).logits[0, len(row.prompt) - 1 : -1].float() / row.temperature
            every = torch.log_softmax(logits, -1)
            mine = every.gather(-1, torch.tensor(row.completion).unsqueeze(1)).squeeze(1)
            assert torch.allclose(mine, torch.tensor(row.logps), atol=2e-4)
            assert row.completion[-1] == tokenizer().eos_token_id


# -- MetaFlow: one workflow on many instances ---------------------------------------------------------------


def adder(amount: int, **tests: tuple[str, ...]) -> Problem:
    name = f"add_{amount}"
    given = tests or {"val": (f"assert {name}(1) == {1 + amount}",), "test": (f"assert {name}(5) == 0",)}
    return Problem(name, f"Write {name}(x) that adds {amount}.", name, "code", Tests(**given))


def adds(messages, _: Sampling) -> str:  # type: ignore[no-untyped-def]
    """Right but where 3 is to be added."""
    name = next(n for n in (f"add_{k}" for k in range(9)) if n in messages[-1]["content"])
    return f"```python\ndef {name}(x):\n    return x + {name[-1].replace('3', '0')}\n```"


TASK = Task("adders", "Functions that add.", "code", tuple(adder(n) for n in range(6)))


async def test_one_workflow_is_rewarded_with_the_share_of_instances_it_solves(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    instances = TASK.problems[:4]
    origin = Origin(job="j", step=0, group="adders", candidate=1)
    async with gym(ScriptedModel("w", adds), store) as open_gym:
        script = Script(GENERATE)
        request = TaskRequest(TASK, instances, PolicyModel("p", chat(), script), config(), origin)
        (found,) = await open_gym.rollouts([request])
    assert [(i.problem_id, i.score) for i in found.instances] == [
        ("add_0", 1.0),
        ("add_1", 1.0),
        ("add_2", 1.0),
        ("add_3", 0.0),
    ]
    assert [(r.number, r.score) for r in found.rounds] == [(1, 0.75)]
    asked = tokenizer().decode(script.prompts[0])
    assert not [p.id for p in instances if p.id in asked]  # what is scored is not shown
    with Reader(store) as reader:
        stored = reader.runs(job="j").rows
        assert {row.id for row in stored} == {found.run_id, *(i.run_id for i in found.instances)}
        for row in stored:
            splits = {e.split for e in reader.events_of_kind(row.id, "evaluation_finished")}  # type: ignore[attr-defined]
            assert splits <= {"val"}


async def test_a_workflow_that_cannot_run_is_told_apart_from_a_wrong_one() -> None:
    async with gym(WRONG) as open_gym:
        found = await open_gym.rollouts(
            [
                TaskRequest(TASK, TASK.problems[:2], policy(BROKEN), config()),
                TaskRequest(TASK, TASK.problems[:2], policy(GENERATE), config()),
            ]
        )
    assert [(r.rounds[0].valid, r.rounds[0].score, len(r.instances)) for r in found] == [
        (False, None, 0),
        (True, 0.0, 2),
    ]
    assert [c.turn for c in found[0].calls] == ["reply", "repair"]
    values = [reward(r, 1) for r in found]
    assert values[0].dropped == values[1].dropped == ""
    assert values[0].rounds[0] < values[1].rounds[0]


async def test_an_endpoint_that_fails_is_asked_again_and_then_masked() -> None:
    seen: dict[str, int] = {}

    def sometimes(messages, sampling: Sampling) -> str | Exception:  # type: ignore[no-untyped-def]
        name = next(p.id for p in TASK.problems if p.id in messages[-1]["content"])
        seen[name] = seen.get(name, 0) + 1
        if name == "add_1" or (name == "add_2" and seen[name] == 1):
            return ModelError("server", "overloaded")
        return adds(messages, sampling)

    async with gym(ScriptedModel("w", sometimes)) as open_gym:
        (found,) = await open_gym.rollouts(
            [TaskRequest(TASK, TASK.problems[1:4], policy(GENERATE), config())]
        )
    assert seen == {"add_1": 2, "add_2": 2, "add_3": 1}
    assert [i.score for i in found.instances] == [None, 1.0, 0.0]
    assert found.rounds[0].score == 0.5  # of the two with a verdict


async def test_without_any_verdict_there_is_no_reward() -> None:
    async with gym(ScriptedModel("w", lambda *_: ModelError("server", "overloaded"))) as open_gym:
        (found,) = await open_gym.rollouts([TaskRequest(TASK, TASK.problems[:1], policy(GENERATE), config())])
    given = reward(found, 1)
    assert "no instance has a verdict" in given.dropped
    assert counters([found], [given])["dropped_rollouts"] == 1.0


def test_instances_are_drawn_by_the_groups_seed() -> None:
    first = draw_instances(TASK, 3, 1)
    assert draw_instances(TASK, 3, 1) == first
    assert any(draw_instances(TASK, 3, seed) != first for seed in range(9))
    with pytest.raises(UsageError, match="has 6 problems: take at most as many"):
        draw_instances(TASK, 7, 1)


def test_an_instance_is_scored_on_its_own_tests_or_answer() -> None:
    assert scored_on(adder(1)) == "val"
    assert scored_on(adder(1, test=("assert True",))) == "test"
    assert scored_on(adder(1, visible=("assert True",))) == "visible"
    assert scored_on(Problem("q", "?", kind="qa", answer="4")) == "val"
    for without in (Problem("q", "?", kind="qa"), Problem("f", "?", "f", "code")):
        with pytest.raises(UsageError, match="to reward by; leave it out"):
            scored_on(without)
