"""kill -9 with a local model: of its own process during a run, and of the experiment that uses it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from engine.events import ModelDelta
from store.errors import StoreError
from store.reader import Reader
from tests.cli.conftest import Shell
from tests.cli.test_bench import COUNT, check_ledger, problems
from tests.support.jobs import until
from tests.support.model_processes import in_use, of_their_own, serving
from tests.support.tiny_llama import make_tiny_llama

__all__ = ["problems"]  # a fixture
pytestmark = pytest.mark.usefixtures("light_sandbox")


@pytest.fixture
def runtime(shell: Shell) -> Generator[Path]:
    with of_their_own() as folder:
        shell.env["XDG_RUNTIME_DIR"] = str(folder)
        yield folder


def make_model(folder: Path, *, tokens: int) -> str:
    """A model whose answers all have so many tokens, because it never ends one, and its name."""
    import torch
    from transformers import LlamaForCausalLM

    make_tiny_llama(folder, context=1 << 15)
    model: Any = LlamaForCausalLM.from_pretrained(folder)
    model.config.tie_word_embeddings = False
    with torch.no_grad():
        # One number of a token's state is positive and stays as it is; the end is unlikely where it is.
        model.model.embed_tokens.weight[:, 0] = 3
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight[0] = 0
            layer.mlp.down_proj.weight[0] = 0
        model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.clone())
        model.lm_head.weight[:, 0] = 0
        model.lm_head.weight[0] = 0
        model.lm_head.weight[0, 0] = -1000
    model.save_pretrained(folder)
    set_tokens(folder, tokens)
    return f"hf:{folder}"


def set_tokens(folder: Path, tokens: int) -> None:
    # Drawn at random, so that it is no repetition.
    generation = {"do_sample": True, "temperature": 1.0, "max_new_tokens": tokens, "eos_token_id": 0}
    (folder / "generation_config.json").write_text(json.dumps(generation))


def first_of(problems: Path) -> str:
    """The first problem of a file, for `run`."""
    with problems.open() as lines:
        return f"{problems}#{json.loads(next(lines))['id']}"


async def test_a_kill_of_a_model_costs_its_run_and_one_of_an_experiment_loads_nothing_again(
    shell: Shell, runtime: Path, problems: Path
) -> None:
    folder = shell.home / "model"
    name = make_model(folder, tokens=30_000)  # a minute's work
    running = await shell.start("run", first_of(problems), "--variant", "vanilla", "--worker", name, "--json")
    assert running.stdout is not None
    async for line in running.stdout:
        if json.loads(line)["kind"] == "model_delta":
            break
    [killed] = serving(runtime)
    os.kill(killed, signal.SIGKILL)
    out, err = await asyncio.wait_for(running.communicate(), 300)
    assert (running.returncode, err) == (3, b"")  # no verdict: it is no wrong answer
    last = json.loads(out.splitlines()[-1])
    assert last["status"] == "infra"
    assert name in last["error"] and "was killed" in last["error"] and "memory ran out" in last["error"]

    set_tokens(folder, 8)
    bench = await shell.start("bench", str(problems), "--name", "e", "--variant", "vanilla", "--worker", name)
    await until(lambda: bool(serving(runtime)))
    [loaded] = serving(runtime)
    with in_use(runtime):
        bench.kill()
        await bench.wait()
        result = await shell("bench", "--resume", "e", "--json")
        assert result.code == 0, result.err
        assert serving(runtime) == [loaded]
    assert check_ledger(shell, COUNT)["failed"] == COUNT


def is_answering(shell: Shell) -> bool:
    """Whether a part of an answer is in the store."""
    with suppress(StoreError), Reader(shell.store) as reader:  # it may not be there yet
        runs = reader.runs().rows
        return any(isinstance(event, ModelDelta) for run in runs for event in reader.events(run.id))
    return False


async def test_trials_whose_model_was_killed_are_no_failures_and_are_tried_again(
    shell: Shell, runtime: Path, problems: Path
) -> None:
    folder = shell.home / "model"
    name = make_model(folder, tokens=30_000)  # a minute's work
    options = ("--name", "e", "--variant", "vanilla", "--executions", "1", "--concurrency", "2", "--json")
    bench = await shell.start("bench", str(problems), *options, "--worker", name)
    await until(lambda: is_answering(shell))
    [serves] = serving(runtime)
    os.kill(serves, signal.SIGSTOP)
    set_tokens(folder, 8)  # for the process that the next call starts
    os.kill(serves, signal.SIGKILL)
    out, err = await asyncio.wait_for(bench.communicate(), 600)
    assert (bench.returncode, err) == (3, b"")
    *trials, last = map(json.loads, out.splitlines())
    (state,) = last["variants"]
    lost = [trial for trial in trials if trial["status"] == "infra"]
    assert 1 <= len(lost) == state["infra"] <= 2 and state["done"] == COUNT - len(lost)
    assert all("was killed" in trial["error"] and trial["score"] is None for trial in lost)

    again = await shell("bench", "--resume", "e", "--json")
    assert again.code == 0, again.err
    assert check_ledger(shell, COUNT) == {"failed": COUNT, "infra": len(lost)}
