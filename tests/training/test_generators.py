"""Where tokens come from: the weights in training, and a server that is sent token ids."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from engine.config import Endpoint
from engine.models.base import ModelError, Sampling
from tests.support.openai_server import OpenAIServer, Reply, failure
from tests.support.tiny_llama import make_tiny_llama
from training.rollouts.door import PolicyDoor
from training.rollouts.generators import EmbeddedGenerator, Generated

PROMPTS = [[5, 6, 7], [8], [9, 10, 11, 12, 13], [6, 6]] * 20  # more than are decoded at once
SEEDED = [Sampling(temperature=0.9, max_tokens=12, seed=n) for n in range(len(PROMPTS))]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = make_tiny_llama(tmp_path_factory.mktemp("tiny"))
    return AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)


def test_tokens_do_not_depend_on_who_is_asked_beside(model: Any) -> None:
    generator = EmbeddedGenerator(*model)
    together = generator.generate(PROMPTS, SEEDED)
    assert [one.ids for one in together] == [one.ids for one in generator.generate(PROMPTS, SEEDED)]
    for at in (0, 3, 41, 79):
        (alone,) = generator.generate([PROMPTS[at]], [SEEDED[at]])
        assert alone.ids == together[at].ids
        assert alone.logps == pytest.approx(together[at].logps, abs=1e-4)
    assert len({tuple(one.ids) for one in together}) > 60
    assert {one.finish for one in together} <= {"stop", "length"}
    assert all(0 < len(one.ids) <= 12 for one in together)
    assert all((one.ids[-1] == 0) == (one.finish == "stop") for one in together)


def test_log_probabilities_are_those_of_a_forward_pass(model: Any) -> None:
    import torch

    network, _ = model
    for temperature, top_p in ((0.7, None), (0.7, 0.5), (0.0, None), (0.0, 0.5)):
        asked = Sampling(temperature, top_p, 8, 1)
        (made,) = EmbeddedGenerator(*model).generate([[5, 6, 7]], [asked])
        with torch.no_grad():
            logits = network(torch.tensor([[5, 6, 7, *made.ids]])).logits[0, 2:-1].float()
        every = torch.log_softmax(logits / made.temperature, -1)
        mine = every.gather(-1, torch.tensor(made.ids).unsqueeze(1)).squeeze(1)
        assert made.logps == pytest.approx(mine.tolist(), abs=1e-4)
        assert made.temperature == (temperature or 1.0)


def test_the_weights_are_the_live_ones_and_their_mode_is_kept(model: Any) -> None:
    import copy

    import torch

    network, tokenizer = copy.deepcopy(model[0]), model[1]
    generator = EmbeddedGenerator(network, tokenizer)
    network.train()
    before = generator.generate([[5]], [Sampling(temperature=0.0, max_tokens=6)])
    assert network.training
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(torch.randn_like(weight) * 0.5)
    assert generator.generate([[5]], [Sampling(temperature=0.0, max_tokens=6)]) != before
    loss = network(torch.tensor([[5, 6]])).logits.sum()
    loss.backward()  # decoding leaves nothing behind that a backward pass trips over


def test_the_models_own_penalty_of_repetition_is_for_use_and_not_for_training(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = EmbeddedGenerator(*model).generate(PROMPTS[:3], SEEDED[:3])
    monkeypatch.setattr(model[0].generation_config, "repetition_penalty", 3.0)
    assert EmbeddedGenerator(*model).generate(PROMPTS[:3], SEEDED[:3]) == plain


def test_a_prompt_without_room_gives_no_token(model: Any) -> None:
    full = EmbeddedGenerator(*model).generate(
        [[5] * 256, [5]], [Sampling(max_tokens=2), Sampling(max_tokens=2)]
    )
    assert full[0] == Generated([], [], 1.0, "length")
    assert full[1].ids


def test_a_stop_string_ends_a_completion(model: Any) -> None:
    generator = EmbeddedGenerator(*model)
    (free,) = generator.generate([[5, 6, 7]], [Sampling(temperature=0.9, max_tokens=40, seed=2)])
    text = model[1].decode(free.ids, skip_special_tokens=True)
    stop = next(c for c in text[3:] if c.isascii() and c.isalnum())
    asked = Sampling(temperature=0.9, max_tokens=40, seed=2, stop=(stop,))
    (stopped,) = generator.generate([[5, 6, 7]], [asked])
    assert stopped.ids == free.ids[: len(stopped.ids)]
    assert len(stopped.ids) < len(free.ids)
    assert stopped.finish == "stop"


# -- the server ---------------------------------------------------------------------------------------------


def answer(ids: list[int], logps: list[float] | None = None, **fields: Any) -> Reply:
    choice = {
        "index": 0,
        "text": "whatever",
        "finish_reason": "stop",
        "token_ids": ids,
        "prompt_token_ids": None,
        "logprobs": {"token_logprobs": [-0.1] * len(ids) if logps is None else logps},
        **fields,
    }
    body = {"id": "c", "object": "text_completion", "created": 0, "model": "m", "choices": [choice]}
    return Reply([json.dumps(body).encode()], headers={"content-type": "application/json"})


def door(server: OpenAIServer, **settings: Any) -> PolicyDoor:
    return PolicyDoor("m", "policy", Endpoint(base_url=server.url, **settings))


async def test_a_server_is_sent_ids_and_gives_ids_back(tmp_path: Path) -> None:
    async with OpenAIServer(lambda _: answer([7, 8, 2], [-0.5, -1.5, 0.0])) as server:
        policy = door(server)
        sampling = Sampling(temperature=0.7, max_tokens=50, seed=3)
        made = await policy.ask([1, 2, 3], sampling)
        await policy.aclose()
    assert made == Generated([7, 8, 2], [-0.5, -1.5, 0.0], 0.7, "stop")
    (sent,) = server.requests
    assert server.targets == ["/v1/completions"]
    assert {name: sent[name] for name in ("prompt", "temperature", "max_tokens", "seed", "top_p")} == {
        "prompt": [1, 2, 3],
        "temperature": 0.7,
        "max_tokens": 50,
        "seed": 3,
        "top_p": 1.0,
    }
    assert sent["return_token_ids"] is True
    assert sent["logprobs"] == 0


async def test_nothing_is_left_to_the_servers_own_defaults() -> None:
    async with OpenAIServer(lambda _: answer([7], finish_reason="length")) as server:
        policy = door(server)
        made = await policy.ask([1], Sampling())
        await policy.aclose()
    assert (made.temperature, made.finish) == (1.0, "length")
    sent = server.requests[0]
    assert (sent["temperature"], sent["max_tokens"]) == (1.0, 4096)
    assert (sent["top_p"], sent["top_k"], sent["min_p"], sent["repetition_penalty"]) == (1.0, -1, 0.0, 1.0)


async def test_as_a_generator_it_asks_for_all_at_once() -> None:
    async with OpenAIServer(lambda request: answer([request["prompt"][0] + 100])) as server:
        prompts = [[n] for n in range(8)]
        made = await asyncio.to_thread(door(server).generate, prompts, [Sampling()] * 8)
    assert [one.ids for one in made] == [[n + 100] for n in range(8)]


async def test_a_prompt_that_is_too_long_is_a_reply_without_a_token() -> None:
    too_long = failure(400, "This model's maximum context length is 2048 tokens. However, you requested 3000")
    async with OpenAIServer(lambda _: too_long) as server:
        policy = door(server)
        assert (await policy.ask([1], Sampling())).ids == []
        await policy.aclose()


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (answer([7], token_ids=None), "gives no token ids with log-probabilities"),
        (answer([7], logprobs=None), "gives no token ids with log-probabilities"),
        (answer([7, 8], [-0.5]), "2 tokens and 1 log-probabilities"),
        (answer([-7]), "token_ids\\[0\\] must be a whole number"),
        (answer([7], [None]), "token_logprobs\\[0\\] must be a finite number"),  # type: ignore[list-item]
        (answer([7], prompt_token_ids=[9]), "asked other tokens than were sent"),
        (failure(401, "no such key"), "no such key"),
        (failure(404, "model m does not exist"), "does not exist"),
    ],
    ids=str,
)
async def test_what_is_no_completion_is_said(reply: Reply, says: str) -> None:
    async with OpenAIServer(lambda _: reply) as server:
        policy = door(server, max_retries=0)
        with pytest.raises(ModelError, match=says) as caught:
            await policy.ask([1], Sampling())
        await policy.aclose()
    assert "m at endpoint 'policy'" in str(caught.value)


async def test_no_server_is_said() -> None:
    async with OpenAIServer(lambda _: answer([7])) as server:
        policy = door(server, max_retries=0)
    with pytest.raises(ModelError, match="m at endpoint 'policy'"):
        await policy.ask([1], Sampling())
    await policy.aclose()
