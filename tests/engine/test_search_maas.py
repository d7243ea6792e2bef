"""MaAS: sampling, the controller and its loss against independent calculations; training in a sandbox."""

from __future__ import annotations

import base64
import json
import pickle
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from engine.events import Notice, RoundFinished, StepStarted, WorkflowProposed
from engine.models.base import Message
from engine.operators.sets import PAPER
from engine.problems import Problem, Tests
from engine.run.context import RunConfig
from engine.search import SearchError
from engine.variants.maas_controller import (
    Architecture,
    Controller,
    draw,
    first_layer,
    policy_loss,
    utility,
)
from engine.variants.maas_encoders import encoder, hash_encode
from engine.variants.maas_render import choices, first_instructions, render
from sandbox.pool import Pool
from tests.support.searches import PROBLEMS, SECRET, TASK, Lab, adds, assert_resumes
from tests.support.tiny_llama import make_tiny_llama

sandboxed = pytest.mark.asyncio(loop_scope="session")

QUERY = hash_encode("Write f(x) that doubles x.")


def controller(seed: int = 0, **options: int) -> Controller:
    embeddings = {n: hash_encode(f"{n}: {t}") for n, t in choices("code").items()}
    return Controller(embeddings, seed=seed, **options)


def test_draws_without_replacement_until_the_threshold() -> None:
    assert draw([1.0], 0.3, Random(0)) == [0]
    assert sorted(draw([0.1] * 10, 1.0, Random(0)))[:9] == list(range(9))
    assert draw([], 0.3, Random(0)) == []
    for seed in range(200):
        drawn = draw([0.2, 0.2, 0.2, 0.4], 0.3, Random(seed))
        assert len(set(drawn)) == len(drawn)
        assert drawn == [3] or len(drawn) == 2
        assert 3 not in drawn[:-1]


def test_draws_are_as_likely_as_by_hand() -> None:
    # 0.4 alone with 0.4; else a first of 0.2 (0.6), then 0.4 with 0.4/0.8, so in a pair with 0.3.
    counts = Counter(tuple(draw([0.2, 0.2, 0.2, 0.4], 0.3, Random(s))) for s in range(20_000))
    assert counts[(3,)] / 20_000 == pytest.approx(0.4, abs=0.015)
    assert sum(n for d, n in counts.items() if len(d) == 2 and d[1] == 3) / 20_000 == pytest.approx(
        0.3, abs=0.015
    )
    assert counts[(0, 1)] / 20_000 == pytest.approx(0.05, abs=0.01)


def test_rules_of_the_first_layer() -> None:
    assert first_layer(["EarlyStop", "GenerateCoT"]) == (("Generate",), True)
    assert first_layer(["Test", "ScEnsemble"]) == (("Generate",), False)
    assert first_layer(["Test", "GenerateCoT", "Generate"]) == (("GenerateCoT", "Test", "Generate"), False)
    assert first_layer(["MultiGenerateCoT"]) == (("MultiGenerateCoT",), False)


def test_probabilities_as_numpy_has_them() -> None:
    import torch

    net = controller(3)
    for layer, previous in ((0, None), (2, "SelfRefine")):
        w = {k: v.detach().numpy().astype(float) for k, v in net.weights.items()}
        ops = np.array([hash_encode(f"{n}: {t}") for n, t in choices("code").items()])
        if previous:
            before = ops[net.names.index(previous)]
            ops = np.hstack([ops, np.tile(before, (len(ops), 1))])
        o = ops @ w[f"{layer}.operator.weight"].T + w[f"{layer}.operator.bias"]
        q = w[f"{layer}.query.weight"] @ np.array(QUERY) + w[f"{layer}.query.bias"]
        cosine = o @ q / np.linalg.norm(o, axis=1) / np.linalg.norm(q)
        wanted = cosine - np.log(np.exp(cosine).sum())
        got = net.log_probs(layer, torch.tensor(QUERY), previous).detach().numpy()
        assert got == pytest.approx(wanted, abs=1e-5)
        assert np.exp(got).sum() == pytest.approx(1.0, abs=1e-5)


def test_log_probability_of_an_architecture_is_the_sum_over_its_operators() -> None:
    import torch

    net = controller(1)
    layers = (("GenerateCoT", "Test"), ("SelfRefine",))
    first = net.log_probs(0, torch.tensor(QUERY), None).tolist()
    second = net.log_probs(1, torch.tensor(QUERY), "GenerateCoT").tolist()
    at = net.names.index
    wanted = first[at("GenerateCoT")] + first[at("Test")] + second[at("SelfRefine")]
    assert net.log_prob(QUERY, Architecture(layers)).item() == pytest.approx(wanted, abs=1e-5)
    stopped = net.log_prob(QUERY, Architecture((("Generate",),), penalised=True)).item()
    assert stopped == pytest.approx(first[at("Generate")] - 1.5, abs=1e-5)


def test_samples_follow_the_rules_and_their_seed() -> None:
    net = controller()
    seen = [net.sample(QUERY, threshold=0.3, seed=s) for s in range(300)]
    assert seen == [net.sample(QUERY, threshold=0.3, seed=s) for s in range(300)]
    assert len(set(seen)) > 50
    for one in seen:
        assert 1 <= len(one.layers) <= 4
        assert "Generate" in one.layers[0][0]
        assert not any("EarlyStop" in layer for layer in one.layers[:-1])
        assert len(one.layers) == 4 or one.penalised or "EarlyStop" in one.layers[-1]
        assert Architecture.from_json(json.loads(json.dumps(one.to_json()))) == one


def test_loss_and_utility_by_hand() -> None:
    import torch

    assert utility(1.0, 0.1, 3.0) == pytest.approx(0.7)
    assert utility(0.0, 0.1, 3.0) == pytest.approx(-0.3)
    assert utility(1.0, None, 3.0) == 1.0
    loss = policy_loss([torch.tensor(-2.0), torch.tensor(-1.0)], [0.5, -0.3])
    assert loss.item() == pytest.approx(-(-2.0 * 0.5 + -1.0 * -0.3) / 2)
    with pytest.raises(ValueError, match="nothing to learn"):
        policy_loss([], [])


def test_the_gradient_is_that_of_finite_differences() -> None:
    import torch

    net = controller(2)
    chosen = Architecture((("GenerateCoT",), ("Test",)))
    policy_loss([net.log_prob(QUERY, chosen)], [0.8]).backward()
    weight = net.weights["1.operator.bias"]
    assert weight.grad is not None
    wanted, step = weight.grad[5].item(), 1e-2
    values = []
    for sign in (1, -1):
        with torch.no_grad():
            weight[5] += sign * step
            values.append(policy_loss([net.log_prob(QUERY, chosen)], [0.8]).item())
            weight[5] -= sign * step
    assert (values[0] - values[1]) / (2 * step) == pytest.approx(wanted, rel=0.02)


def test_what_pays_becomes_more_likely() -> None:
    net = controller()
    optimizer = net.optimizer(0.01)
    good, bad = Architecture((("GenerateCoT",),)), Architecture((("Generate",),))
    before = net.log_prob(QUERY, good).item()
    for _ in range(20):
        loss = policy_loss([net.log_prob(QUERY, good), net.log_prob(QUERY, bad)], [1.0, -0.1])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert net.log_prob(QUERY, good).item() > before + 0.1
    assert net.log_prob(QUERY, good) > net.log_prob(QUERY, bad)


def test_weights_travel_as_text_and_nothing_is_unpickled() -> None:
    net, other = controller(1), controller(2)
    assert net.dump() != other.dump()
    other.load(net.dump())
    assert other.dump() == net.dump()
    assert other.sample(QUERY, threshold=0.3, seed=9) == net.sample(QUERY, threshold=0.3, seed=9)
    for bad in ("", "not base64!", base64.b64encode(pickle.dumps({"a": 1})).decode(), net.dump()[:-400]):
        with pytest.raises(SearchError, match="damaged"):
            other.load(bad)
    with pytest.raises(SearchError, match="other layers"):
        controller(layers=2).load(net.dump())


def test_encoders(tmp_path: Path) -> None:
    assert len(QUERY) == 384
    assert sum(v * v for v in QUERY) == pytest.approx(1.0)
    assert hash_encode("") == [0.0] * 384
    near = np.dot(hash_encode("sort a list of numbers"), hash_encode("sort a list of words"))
    assert near > np.dot(hash_encode("sort a list of numbers"), hash_encode("who wrote Faust?"))
    # The same on every machine: `printf a | b2sum -l 64`, modulo 384.
    assert [i for i, v in enumerate(hash_encode("a")) if v] == [47]
    folder = make_tiny_llama(tmp_path / "tiny")
    encode = encoder(str(folder))
    assert len(encode("hello")) == 32
    assert encode("hello") == encode("hello") != encode("goodbye")
    assert len(encode("x" * 5000)) == len(encode("")) == 32
    with pytest.raises(SearchError, match="cannot be loaded"):
        encoder(str(tmp_path / "nothing"))


def largest_weight(found: Mapping[str, Any]) -> float:
    from safetensors.torch import load

    weights = load(base64.b64decode(found["controller"]))
    return max(float(w.abs().max()) for w in weights.values())


def config(**options: object) -> RunConfig:
    chosen = {"repetitions": 2, "batch": 2, "cost_weight": 3.0, **options}
    return RunConfig(variant="maas", repeats=1, options=chosen)


@sandboxed
@pytest.mark.parametrize("kind", ["code", "math", "qa"])
async def test_every_operator_renders_and_runs(sandbox: Pool, kind: str) -> None:
    names = [n for n in choices(kind) if n != "EarlyStop"]  # type: ignore[arg-type]
    solved = "```python\ndef one(x):\n    return x + 1\ndef solve():\n    return 7\n```"
    said = {"code": solved, "math": "7", "qa": "<answer>7</answer>"}[kind]

    def worker(messages: Sequence[Message], _: object) -> str:
        return solved if "solve()" in messages[-1]["content"] else said

    # Scored as a question, since scoring math takes an image that is not open here.
    problem = PROBLEMS[0] if kind == "code" else Problem("q", "How many?", kind="qa", answer="7")
    layers = (("Generate", *[n for n in names if n != "Generate"]), ("EarlyStop", "SelfRefine"))
    built = render(Architecture(layers), kind, first_instructions(kind))  # type: ignore[arg-type]
    assert built.strict_ok
    lab = Lab(sandbox, "", worker, config=RunConfig(operators=PAPER))
    (trial,) = await lab.evaluate("x", built, problems=[problem])
    assert (trial.status, trial.score) == ("passed", 1.0), trial.error
    steps = [e.operator for e in lab.trial_events if isinstance(e, StepStarted)]
    assert {"generate", "generate_cot", "multi_generate_cot", "sc_ensemble", "self_refine"} <= set(steps)
    assert (steps[-1] == "test") is (kind == "code")
    assert (steps[0] == "programmer") is (kind == "math")


@sandboxed
async def test_a_failed_test_is_followed_by_one_fresh_answer(sandbox: Pool) -> None:
    built = render(Architecture((("Generate",),)), "code", first_instructions("code"))
    lab = Lab(sandbox, "", "```python\ndef one(x):\n    return 0\n```", config=RunConfig())
    (trial,) = await lab.evaluate("x", built, problems=PROBLEMS[:1])
    assert trial.score == 0.0
    assert [e.operator for e in lab.trial_events if isinstance(e, StepStarted)] == [
        "generate",
        "test",
        "generate",
    ]
    untested = Problem("one", PROBLEMS[0].prompt, "one", "code", Tests((), (), ("assert one(1) == 2",)))
    lab = Lab(sandbox, "", "```python\ndef one(x):\n    return x + 1\n```", config=RunConfig())
    (trial,) = await lab.evaluate("x", built, problems=[untested])
    assert trial.score == 1.0
    assert [e.operator for e in lab.trial_events if isinstance(e, StepStarted)] == ["generate", "test"]


@sandboxed
async def test_trains_and_solves_with_what_it_learned(sandbox: Pool) -> None:
    lab = Lab(sandbox, "", adds, config=config())
    found = await lab.search()
    assert json.loads(json.dumps(found)) == found
    assert len(found["repetitions"]) == 2
    assert found["operators"] == choices("code")
    rounds = [e for e in lab.events if isinstance(e, RoundFinished)]
    assert [e.round for e in rounds] == [1, 2]
    assert "loss" in rounds[0].feedback
    assert len([e for e in lab.events if isinstance(e, WorkflowProposed)]) == 4
    end = await lab.solve(PROBLEMS[0], found)
    assert end.status in ("passed", "failed")
    assert end.workflow_id is not None
    assert end.val_score == found["val_score"]
    again = Lab(sandbox, "", adds, config=config(layers=2))
    same = await again.solve(PROBLEMS[0], found)
    assert same.workflow_id == end.workflow_id  # the layers it was trained with, whatever is asked for now
    damaged = await lab.solve(PROBLEMS[0], found | {"controller": "AAAA"})
    assert "damaged" in (damaged.error or "")


@sandboxed
async def test_a_problem_that_fails_is_a_zero_that_trains_like_any_other(sandbox: Pool) -> None:
    lab = Lab(sandbox, "", "no code", config=config(), prices={"worker": 0.001})
    found = await lab.search()
    assert found["repetitions"] == [0.0, 0.0]
    losses = [e.feedback for e in lab.events if isinstance(e, RoundFinished)]
    assert all("loss none" not in text and "loss nan" not in text for text in losses)
    fresh = Lab(sandbox, "", "no code", config=config(repetitions=1, lr=0.5), prices={"worker": 0.001})
    # Weights are drawn below 0.06, and Adam's first steps are about as long as the learning rate.
    assert largest_weight(found) < 0.2 < 0.4 < largest_weight(await fresh.search())


@sandboxed
async def test_costs_are_each_runs_own(sandbox: Pool) -> None:
    lab = Lab(sandbox, "", adds, config=config(), prices={"worker": 0.01})
    await lab.search()
    recorded = [
        o["cost_usd"] for k, v in lab.journal.values.items() if k.endswith("/trials") for o in v["outcomes"]
    ]
    assert recorded == [t.cost_usd for t in lab.trials.values()]
    assert all(c > 0 for c in recorded)
    spent = sum(t.tokens_out for t in lab.trials.values()) * 0.01
    assert sum(recorded) == pytest.approx(spent)


@sandboxed
async def test_an_instruction_is_rewritten_once_after_scores_fell(sandbox: Pool) -> None:
    # Right in the first repetition, wrong ever after.
    lab = Lab(
        sandbox,
        "<prompt>Be careful, whatever you do.</prompt>",
        "",
        config=config(repetitions=4, textual_gradient=True),
    )
    calls = lab.services.worker.calls  # type: ignore[attr-defined]
    right = "```python\ndef one(x):\n    return x + 1\ndef two(x):\n    return x + 2\n```"
    limit: list[int] = []

    def worker(messages: Sequence[Message], _: object) -> str:
        if not limit and len(lab.trials) >= 2:
            limit.append(len(calls))
        return "no" if limit else right

    lab.services.worker._answer = worker  # type: ignore[attr-defined]
    found = await lab.search()
    assert found["repetitions"][:2] == [1.0, 0.0]
    assert found["rewritten"] in ("Generate", "GenerateCoT", "MultiGenerateCoT")
    assert "Be careful, whatever you do." in found["instructions"].values()
    assert lab.calls[0] == 1
    assert SECRET not in lab.seen


@sandboxed
@pytest.mark.parametrize(
    "reply", ["", "<prompt></prompt>", "<prompt>" + "x" * 5000 + "</prompt>"], ids=["none", "empty", "long"]
)
async def test_a_rewrite_that_cannot_be_used_changes_nothing(sandbox: Pool, reply: str) -> None:
    lab = Lab(sandbox, reply, "", config=config(repetitions=3, textual_gradient=True))
    right = "```python\ndef one(x):\n    return x + 1\ndef two(x):\n    return x + 2\n```"
    lab.services.worker._answer = lambda *_: right if len(lab.trials) < 2 else "no"  # type: ignore[attr-defined]
    found = await lab.search()
    assert found["rewritten"] is None
    assert found["instructions"] == first_instructions("code")
    assert any("cannot be used" in e.text for e in lab.events if isinstance(e, Notice))


@sandboxed
async def test_untrained_it_says_so(sandbox: Pool) -> None:
    lab = Lab(sandbox, "", adds, config=config())
    await lab.solve(PROBLEMS[0], None)
    assert any("never trained" in e.text for e in lab.trial_events if isinstance(e, Notice))
    empty = Lab(sandbox, "", adds, task=type(TASK)("t", "", "code", ()), config=config())
    assert "no problems to train" in await empty.failing_search()


@sandboxed
async def test_no_hidden_test_and_no_reference_reaches_a_model(sandbox: Pool) -> None:
    lab = Lab(sandbox, "", adds, config=config())
    await lab.search()
    assert "adds 1 to x" in lab.seen
    assert SECRET not in lab.seen


@sandboxed
async def test_stopped_at_any_step_it_resumes_and_asks_nothing_twice(sandbox: Pool) -> None:
    task = replace(TASK, problems=PROBLEMS[:1])
    await assert_resumes(lambda: Lab(sandbox, "", adds, task=task, config=config(batch=1)))
