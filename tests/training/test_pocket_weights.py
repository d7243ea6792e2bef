"""The weights in the package: they load as any Transformers folder does, and do what their card says."""

import json
import os
import random
from pathlib import Path

import pytest

from engine.benchmarks import load_benchmark
from engine.benchmarks.pocket import EXAMPLE_ID
from engine.operators.sets import PAPER
from engine.problems import Problem
from engine.prompts import propose_messages
from engine.workflows import Workflow, build_workflow
from tests.support.missing import needs
from training.pocket import meta, model, worker
from training.pocket.generate import generate

needs("torch", "transformers")


POCKET = Path(model.__file__).parent
LESSONS = 16 if os.environ.get("FLOWREASONER_LONG") else 8
EASY = {
    "Write a function `f(xs)` that takes a list of integers `xs`. It should keep the even numbers, "
    "then add up the numbers. Return the result.": "def f(xs):\n    xs = [x for x in xs if x % 2 == 0]\n"
    "    return sum(xs)",
    "Given a list of words `words`, write `solve(words)` that must reverse each word.": "def solve(words):\n"
    "    return [w[::-1] for w in words]",
    "Implement `g(text)`. Given the text `text`, count the vowels, and return what you get.": "def g(text):\n"
    '    return sum(ch in "aeiouAEIOU" for ch in text)',
}


@pytest.fixture(scope="module")
def worker_model():
    return model.load(model.WEIGHTS / "worker")


@pytest.fixture(scope="module")
def meta_model():
    return model.load(model.WEIGHTS / "meta")


def test_the_worker_writes_easy_functions_word_for_word(worker_model):
    """The expected text is in the generator's one style, so nothing has to run here."""
    names = [code.removeprefix("def ").partition("(")[0] for code in EASY.values()]
    asked = [worker.user(worker.generate_prompt(q, n, "")) for q, n in zip(EASY, names, strict=True)]
    replies = generate(*worker_model, asked, temperature=0, new_tokens=120)
    assert [worker.read(r) for r in replies] == list(EASY.values())


def test_the_meta_agent_writes_workflows_that_can_run(meta_model):
    import torch

    torch.manual_seed(0)
    rng = random.Random("test")
    asked = [meta.lesson(rng, "held-out").messages for _ in range(LESSONS)]
    shape = model.META
    replies = generate(*meta_model, asked, temperature=shape.temperature, new_tokens=shape.new_tokens)
    assert sum(meta.strictly_valid(r) for r in replies) >= LESSONS - 1


def test_the_meta_agent_copes_with_a_query_unlike_its_own(meta_model):
    stub = 'def longest(strings: list[str]) -> str:\n    """Return the longest string.\n    """\n'
    problem = Problem("x", stub, "longest", "code")
    [reply] = generate(*meta_model, [propose_messages(problem, PAPER, [])], temperature=0, new_tokens=600)
    assert reply.startswith("<think>")
    assert isinstance(build_workflow(reply, "", PAPER), Workflow)


@pytest.mark.parametrize(("name", "limit_mb"), [("worker", 5), ("meta", 4)])
def test_weights_are_small_half_precision_and_complete(name, limit_mb):
    from safetensors import safe_open

    folder = model.WEIGHTS / name
    assert (folder / "model.safetensors").stat().st_size < limit_mb << 20
    with safe_open(folder / "model.safetensors", framework="pt") as file:
        assert {file.get_slice(key).get_dtype() for key in file.keys()} == {"F16"}  # noqa: SIM118
    defaults = json.loads((folder / "generation_config.json").read_text())
    assert defaults["do_sample"] is True
    assert {"eos_token_id", "max_new_tokens", "temperature"} <= set(defaults)


def test_the_card_reports_the_measured_numbers():
    measured = json.loads((POCKET / "measured.json").read_text())
    card = (POCKET / "CARD.md").read_text()
    for row in measured["worker"]["rows"]:
        assert row["name"] in card
        assert f"{row['passed']:.1f} ± {row['error']:.1f}" in card
    share, error = measured["meta"]["valid"]
    assert f"{share:.1f} ± {error:.1f}" in card
    assert share >= 97


def test_the_shipped_problems_are_problems():
    problems = load_benchmark("pocket")
    assert len(problems) >= 40
    assert {p.metadata["benchmark"] for p in problems} == {"pocket"}
    assert problems[0].id == EXAMPLE_ID
