"""GRPO with the policy at a server: which weights write what, what is corrected, and what goes wrong.

The server here is our own and decodes with the weights it is sent; `test_vllm.py` has the real one.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.events import ModelCallFinished
from engine.models.local.chat import Chat
from engine.models.registry import pocket_weights
from sandbox.errors import ExpectedError
from store.reader import Reader
from tests.support import training as support
from tests.support.missing import needs
from tests.support.openai_server import Reply, failure
from tests.support.policy_server import NOT_FOUND, PolicyServerDouble, json_reply
from tests.support.tiny_llama import make_tiny_llama
from training import recipes
from training.recipes import GRPORecipe, RecipeError
from training.recipes.base import peft_config
from training.rollouts.door import Gate
from training.rollouts.server import ServerError
from training.trainers.run_directory import RunDirectory
from training.trainers.served import ServedPolicy
from training.trainers.subjects import places

needs("trl")

SMALL = (
    *("rollouts.queries=1", "rollouts.group=2", "rollouts.rounds=2", "objective.kl=0.0", "seed=0"),
    *("checkpoints.every=9", "optimizer.learning_rate=1e-3", "optimizer.warm_up=0.0", "steps=2"),
    *("alerts.disk_free=0", "generation.backend=vllm-server"),
)


@pytest.fixture(scope="module")
def problems(tmp_path_factory) -> Path:
    from datasets import Dataset

    from training.pocket.tasks import generate

    rows = []
    for problem in generate(7, "train", 2):
        data = problem.to_json()
        del data["tests"]["test"]
        rows.append({"problem": json.dumps(data | {"metadata": {}}), "id": problem.id})
    folder = tmp_path_factory.mktemp("problems")
    Dataset.from_list(rows).save_to_disk(str(folder))
    return folder


@pytest.fixture
def server() -> Iterator[PolicyServerDouble]:
    with PolicyServerDouble(pocket_weights("pocket-meta")) as running:
        yield running


def directory(path: Path, problems: Path, server: PolicyServerDouble, *changes: str) -> Path:
    path.mkdir(parents=True)
    address = f"generation.server={server.address}"
    recipe = recipes.load("grpo-embedded", [f"data.path={problems}", *SMALL, address, *changes])
    (path / "recipe.toml").write_text(recipe.to_toml(), "utf-8")
    return path


def weights(folder: Path, step: int) -> list[list[int]]:
    """Of each candidate of a step (from 1), the oldest and the newest weights that wrote it."""
    told = support.progress(folder, "rollouts")[step - 1]
    return [candidate["weights"] for group in told["groups"] for candidate in group["candidates"]]


# -- whole runs ---------------------------------------------------------------------------------------------


def test_rollouts_of_the_next_step_begin_with_the_weights_before_it(tmp_path, problems, server):
    folder = directory(tmp_path / "run", problems, server, "steps=3", "rollouts.rounds=1")
    support.train(RunDirectory.open(folder))
    assert support.progress(folder, "end")[0]["status"] == "done"
    assert all(pair == [0, 0] for pair in weights(folder, 1))
    for step in (2, 3):  # begun one step early, and at most one old
        assert all(step - 2 <= old <= new <= step - 1 for old, new in weights(folder, step))
    assert [path.name for path in server.loaded] == ["check", "step-000000", "step-000001", "step-000002"]
    assert not list(folder.glob("policy-*")), "the weights' folder goes with the trainer"
    assert support.values(folder, "weights_gap") == pytest.approx([0.0] * 3, abs=1e-4)
    assert support.values(folder, "sampling_gap")[0] == pytest.approx(0.0, abs=1e-4)
    assert support.values(folder, "importance_mean")[0] == pytest.approx(1.0, abs=1e-3)
    assert support.values(folder, "stale_rollouts") == [0.0] * 3
    answered = [int(version[-6:]) for version, _ in server.calls if "/step-" in version]
    # What the store says of each call is what the server did; one sample after each update is the check's.
    assert sorted(_steps_of_calls(folder / "store.db")) == sorted(_without_one_each(answered))


def test_rollouts_from_weights_that_are_too_old_are_not_learned_from(tmp_path, problems, server, monkeypatch):
    """Updates that do not come to pass are the only way to get there."""
    send = ServedPolicy.update

    def first_only(self: ServedPolicy, step: int) -> float | None:
        return send(self, step) if step == 0 else None

    monkeypatch.setattr(ServedPolicy, "update", first_only)
    changes = ("generation.max_staleness=0", "rollouts.rounds=1")
    folder = directory(tmp_path / "run", problems, server, *changes)
    support.train(RunDirectory.open(folder))
    assert support.values(folder, "stale_rollouts") == [0.0, 2.0]
    assert support.values(folder, "dropped_rollouts") == [0.0, 2.0]
    first, second = support.values(folder, "loss")
    assert first != 0.0 and second == 0.0
    (group,) = support.progress(folder, "rollouts")[1]["groups"]
    assert {c["words"] for c in group["candidates"]} == {"its weights are 1 step old"}
    assert {c["reward"] for c in group["candidates"]} == {None}


def test_a_server_that_dies_ends_the_run_with_a_checkpoint_and_another_goes_on(tmp_path, problems):
    begun = PolicyServerDouble(pocket_weights("pocket-meta"))
    with begun:
        changes = ("generation.max_staleness=0", "rollouts.rounds=1")
        folder = directory(tmp_path / "run", problems, begun, *changes)
        stop_at_second_step(begun)
        with pytest.raises(ServerError, match=r"does not answer.*checkpoints so far are whole.*resume"):
            support.train(RunDirectory.open(folder))
    assert support.progress(folder, "end")[0]["status"] == "failed"
    assert support.progress(folder, "checkpoint")[-1]["step"] == 1
    (folder / "job.json").write_text(json.dumps({"attempt": 2}))
    with PolicyServerDouble(pocket_weights("pocket-meta")) as other:
        recipe = (folder / "recipe.toml").read_text().replace(begun.address, other.address)
        (folder / "recipe.toml").write_text(recipe)
        support.train(RunDirectory.open(folder))
    steps = [(line["step"], line["attempt"]) for line in support.progress(folder, "step")]
    assert steps == [(1, 1), (2, 2)]
    # Without staleness a step waits for its own weights.
    assert [weights(folder, step) for step in (1, 2)] == [[[0, 0]] * 2, [[1, 1]] * 2]
    assert support.values(folder, "sampling_gap") == pytest.approx([0.0, 0.0], abs=1e-4)


@pytest.mark.skipif(not os.environ.get("FLOWREASONER_LONG"), reason="a start of 17 s: FLOWREASONER_LONG=1")
def test_two_ranks_ask_one_server(tmp_path, problems, server):
    changes = ("rollouts.rounds=1", "hardware.processes=2", "steps=3")
    folder = support.trained(directory(tmp_path / "run", problems, server, *changes))
    assert weights(folder, 1) == [[0, 0]] * 2
    for step in (2, 3):
        assert all(step - 2 <= old <= new <= step - 1 for old, new in weights(folder, step))
    assert [path.name for path in server.loaded] == ["check", "step-000000", "step-000001", "step-000002"]
    assert support.values(folder, "sampling_gap")[0] == pytest.approx(0.0, abs=1e-4)
    assert support.values(folder, "weights_gap") == pytest.approx([0.0] * 3, abs=1e-4)


def stop_at_second_step(server: PolicyServerDouble) -> None:
    """Die once the weights of the first update have arrived."""
    answer = server._answer

    def until(request: dict[str, Any]) -> Reply:
        if server.loaded and server.loaded[-1].name == "step-000001":
            return Reply(["reset"])
        return answer(request)

    server._server._handler = until


def _steps_of_calls(store: Path) -> list[int]:
    with Reader(store) as reader:
        runs = reader.runs(job="run", limit=99).rows
        events = [e for run in runs for e in reader.events_of_kind(run.id, ModelCallFinished.kind)]
    finished = [e for e in events if isinstance(e, ModelCallFinished)]
    return [e.sampled["weights_step"] for e in finished if "weights_step" in e.sampled]


def _without_one_each(steps: list[int]) -> list[int]:
    left = list(steps)
    for step in set(steps):
        left.remove(step)
    return left


# -- what is wrong with a server ----------------------------------------------------------------------------


@contextlib.contextmanager
def served(folder: Path, address: str, *changes: str) -> Iterator[ServedPolicy]:
    """The policy of a trainer that has taken no step yet; nothing is sampled."""
    from accelerate import Accelerator
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from training.trainers.hooks import Hooks

    recipe = recipes.load("grpo-embedded", [*SMALL, f"generation.server={address}", *changes])
    assert isinstance(recipe, GRPORecipe)
    source = pocket_weights("pocket-meta")
    model: Any = AutoModelForCausalLM.from_pretrained(source)
    if recipe.lora.enabled:
        from peft import get_peft_model

        model = get_peft_model(model, peft_config(recipe))
    hooks = Hooks(recipe, folder, None)
    hooks.trainer = SimpleNamespace(accelerator=Accelerator(cpu=True), model=model, model_wrapped=model)
    with contextlib.ExitStack() as stack:
        chat = Chat("pocket-meta", AutoTokenizer.from_pretrained(source))
        yield ServedPolicy(recipe, folder, chat, hooks, stack)


def refused(folder: Path, address: str, says: str, *changes: str) -> None:
    """The first update does not come to pass, and one sentence says why."""
    with pytest.raises(ExpectedError, match=says) as caught, served(folder, address, *changes) as policy:
        policy.door._endpoint = policy.door._endpoint.model_copy(update={"max_retries": 0})
        policy.update(0)
    assert "\n" not in str(caught.value)
    assert not list(folder.glob("policy-*"))


TOKENS = {"index": 0, "text": "", "finish_reason": "length", "token_ids": [5], "logprobs": None}


@pytest.mark.parametrize(
    ("path", "reply", "says"),
    [
        ("/v1/models", NOT_FOUND, r"refused /v1/models: Not Found"),
        ("/v1/models", json_reply({"data": [{"id": "m"}]}), "is no vLLM server: correct generation.server"),
        ("/v1/models", Reply([b"<html>"]), "is no vLLM server"),
        ("/v1/models", failure(401, "Unauthorized"), "wants a key: set VLLM_API_KEY in the environment"),
        ("/weight_info", NOT_FOUND, "VLLM_SERVER_DEV_MODE=1"),
        ("/tokenize", json_reply({"tokens": [1, 2]}), "whose tokens are not those of pocket-meta: start it"),
        ("/collective_rpc", NOT_FOUND, "VLLM_SERVER_DEV_MODE=1"),
        (
            "/collective_rpc",
            failure(500, "Worker failed with error 'Repo id must be in the form'"),
            r"could not read the weights in .*Repo id must be.*under the same path \(generation.weights\)",
        ),
        ("/v1/completions", json_reply({"choices": [TOKENS]}), "gives no token ids with log-probabilities"),
        ("/v1/completions", failure(500, "engine is dead"), "engine is dead"),
    ],
    ids=str,
)
def test_what_is_wrong_with_a_server_is_said_before_the_first_step(tmp_path, server, path, reply, says):
    server.says[path] = reply
    refused(tmp_path, server.address, says)


def test_no_server_at_the_address(tmp_path, server):
    server.stop()
    refused(tmp_path, server.address, rf"the server at {server.address} does not answer \(.*\): start it")


def test_a_server_with_less_room_than_rows_may_have(tmp_path):
    says = "takes 1000 tokens, and data.max_length is 2048: start it with --max-model-len 2048"
    with PolicyServerDouble(pocket_weights("pocket-meta"), context=1000) as small:
        refused(tmp_path, small.address, says)


def test_a_server_of_another_model(tmp_path):
    with PolicyServerDouble(make_tiny_llama(tmp_path / "tiny")) as other:
        refused(tmp_path, other.address, "whose tokens are not those of pocket-meta")


def test_weights_that_arrive_in_part_are_found_out_although_the_server_had_them_already(tmp_path):
    with PolicyServerDouble(pocket_weights("pocket-meta"), stale_head=True) as stale:
        refused(tmp_path, stale.address, r"did not take up the weights.*embeddings are tied")


def test_log_probabilities_at_another_temperature_are_found_out(tmp_path, server, monkeypatch):
    import torch

    complete = server._complete

    def raw(request: dict[str, Any]) -> Reply:
        body = json.loads(complete(request).script[0])  # type: ignore[arg-type]
        ids, prompt = body["choices"][0]["token_ids"], request["prompt"]
        with torch.no_grad():
            logits = server.model(torch.tensor([[*prompt, *ids]])).logits[0, len(prompt) - 1 : -1]
        logs = logits.log_softmax(-1)[range(len(ids)), ids]
        body["choices"][0]["logprobs"]["token_logprobs"] = logs.tolist()
        return json_reply(body)

    monkeypatch.setattr(server, "_complete", raw)
    says = "start it with --logprobs-mode processed_logprobs"
    refused(tmp_path, server.address, says, "rollouts.temperature=8.0")


def test_a_server_that_was_started_again_has_lost_its_weights(tmp_path, server):
    with served(tmp_path, server.address) as policy:
        policy.update(0)
        policy.confirm()
        server.versions.append("default")
        with pytest.raises(ServerError, match=r"other weights than it was sent.*started again"):
            policy.confirm()


def test_prefixes_of_calls_that_are_not_the_trainings_keep_it_from_beginning(tmp_path, server, monkeypatch):
    monkeypatch.setattr("training.rollouts.server._IDLE_S", 0.0)
    server.says["/reset_prefix_cache"] = json_reply({"success": False})
    refused(tmp_path, server.address, "busy with calls that are not this training's")


def test_adapters_arrive_merged(tmp_path, server):
    import torch

    with served(tmp_path, server.address, "lora.enabled=true") as policy:
        trained = policy._hooks.trainer.model
        with torch.no_grad():
            for name, weight in trained.named_parameters():
                if ".lora_" in name:
                    weight.normal_(0.0, 0.2)
        before = server.model.state_dict()["model.layers.0.self_attn.q_proj.weight"].clone()
        assert policy.update(0) == pytest.approx(0.0, abs=1e-3)
        after = server.model.state_dict()["model.layers.0.self_attn.q_proj.weight"]
    assert not torch.allclose(before, after, atol=1e-2)


def test_weights_are_sent_as_often_as_asked(tmp_path, server):
    with served(tmp_path, server.address, "generation.every=2") as policy:
        gaps = [policy.update(step) for step in range(5)]
        assert [gap is None for gap in gaps] == [False, True, False, True, False]
        assert policy.door.gate.version == 4
    names = ["check", "step-000000", "step-000002", "step-000004"]
    assert [path.name for path in server.loaded] == names


def test_a_folder_that_cannot_be_made(tmp_path, server):
    (tmp_path / "file").write_text("")
    change = f"generation.weights={tmp_path / 'file'}"
    refused(tmp_path, server.address, r"generation.weights: .* cannot be written to", change)


def test_what_a_killed_trainer_left_is_removed_and_nothing_else(tmp_path, server):
    shared = tmp_path / "shared"
    names = ("policy-run-0123abcd", "policy-other-0123abcd", "mine")
    for name in names:
        (shared / name).mkdir(parents=True)
    (tmp_path / "run").mkdir()
    with served(tmp_path / "run", server.address, f"generation.weights={shared}") as policy:
        policy.update(0)
        there = {path.name for path in shared.iterdir()}
    assert names[0] not in there
    assert {path.name for path in shared.iterdir()} == set(names[1:])
    assert server.loaded[-1].parent.parent == shared


# -- calls and updates --------------------------------------------------------------------------------------


def until_held(gate: Gate) -> None:
    with gate._changed:
        gate._changed.wait_for(lambda: gate._is_held)


async def test_an_update_waits_for_calls_under_way_and_others_wait_for_it():
    gate = Gate()
    gate.open(3)
    assert await gate.enter() == 3
    held = threading.Thread(target=gate.hold)
    held.start()
    await asyncio.to_thread(until_held, gate)
    late = [asyncio.ensure_future(gate.enter()) for _ in range(3)]
    given_up = late.pop()
    await asyncio.sleep(0)
    given_up.cancel()
    assert held.is_alive(), "a call is under way"
    gate.leave()
    await asyncio.to_thread(held.join)
    assert not any(one.done() for one in late)
    gate.open(4)
    assert await asyncio.gather(*late) == [4, 4]
    assert gate.busy_s > 0


async def test_a_call_gets_the_room_that_the_servers_context_leaves(server):
    from engine.config import Endpoint
    from engine.models.base import Sampling
    from training.rollouts.door import PolicyDoor

    door = PolicyDoor("policy", "p", Endpoint(base_url=f"{server.address}/v1"), context=16)
    made = await door.ask([5] * 12, Sampling(temperature=1.0, max_tokens=600, seed=1))
    full = await door.ask([5] * 16, Sampling(temperature=1.0, max_tokens=600, seed=1))
    await door.aclose()
    assert len(server.calls) == 1
    assert server.calls[0][1]["max_tokens"] == 4
    assert len(made.ids) <= 4
    assert (full.ids, full.finish) == ([], "length")


# -- recipes and order --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (["rollouts.top_p=0.9"], "needs rollouts.top_p = 1"),
        (["generation.every=3"], "set it to 2 or less"),
        (["generation.every=2", "generation.max_staleness=0"], "set it to 1 or less"),
        (["generation.server=localhost:8000"], "must be an address such as http"),
        (["generation.server=http://me:secret@host:8000"], "set VLLM_API_KEY in the environment"),
        (["generation.max_staleness=-1"], "greater than or equal to 0"),
        (["generation.correct=none"], "'token' or 'sequence'"),
        (["generation.correct_max=0"], "greater than 0"),
    ],
)
def test_what_cannot_be_is_refused_in_the_recipe(changes, says):
    with pytest.raises(RecipeError, match=says):
        recipes.load("grpo-embedded", ["generation.backend=vllm-server", *changes])


def test_an_address_is_taken_with_and_without_its_version():
    for address in ("http://gpu:8000", "http://gpu:8000/", "http://gpu:8000/v1", "http://gpu:8000/v1/"):
        recipe = recipes.load("grpo-embedded", [f"generation.server={address}"])
        assert isinstance(recipe, GRPORecipe)
        assert recipe.generation.server == "http://gpu:8000"


def test_a_step_begins_early_where_staleness_leaves_room():
    for every, staleness, ahead in ((1, 0, False), (1, 1, True), (2, 1, False), (2, 2, True), (3, 5, True)):
        changes = (f"generation.every={every}", f"generation.max_staleness={staleness}")
        recipe = recipes.load("grpo-embedded", ["generation.backend=vllm-server", *changes])
        assert isinstance(recipe, GRPORecipe)
        assert recipe.generation.is_ahead is ahead


@pytest.mark.parametrize(("count", "queries"), [(5, 2), (7, 7), (3, 1), (2, 5), (9, 4)])
def test_steps_take_subjects_in_trls_order(count, queries):
    """That of an uninterrupted run, pass after pass, without those that do not fill a step."""
    from trl.trainer.utils import RepeatSampler

    from training.trainers.grpo import _numbers

    numbers = _numbers(count, queries)["number"]
    sampler = RepeatSampler(numbers, mini_repeat_count=3, batch_size=queries, repeat_count=2, seed=11)
    drawn = [numbers[n] for _ in range(3) for n in sampler]
    per_step = queries * 3 * 2
    steps = [drawn[n : n + queries * 3 : 3] for n in range(0, len(drawn), per_step)]
    assert [places(step, count, queries, 11) for step in range(len(steps))] == steps
