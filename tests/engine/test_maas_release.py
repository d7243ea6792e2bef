"""MaAS as its release has it: graphs by benchmark, and controllers that were trained there."""

from __future__ import annotations

import json
import pickle
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.events import Notice, StepStarted
from engine.models.base import Message
from engine.problems import Problem
from engine.run.context import RunConfig
from engine.search import SearchError
from engine.tasks import Task
from engine.variants import options_of
from engine.variants.maas_controller import Architecture
from engine.variants.maas_encoders import encoder
from engine.variants.maas_import import released_texts, released_weights
from engine.variants.maas_render import first_instructions, render, verifies
from engine.variants.maas_supernet import MaASOptions, Supernet
from sandbox.pool import Pool
from tests.support.searches import PROBLEMS, Lab, adds
from tests.support.tiny_llama import make_tiny_llama

sandboxed = pytest.mark.asyncio(loop_scope="session")

WIDTH = 32  # of the tiny encoder's vectors
PROGRAM = "```python\ndef solve():\n    return 7\n```"
# Scored as a question, since scoring math takes an image that is not open here.
NUMBER = Problem("q", "How many?", kind="qa", answer="7")


def released(layers: int = 4, hidden: int = 32, width: int = WIDTH) -> dict[str, Any]:
    """A state dict in the release's layout."""
    import torch

    state: dict[str, Any] = {}
    for n in range(layers):
        for part, inputs in (("query", width), ("operator", width if n == 0 else 2 * width)):
            state[f"layers.{n}.{part}_encoder.weight"] = torch.randn(hidden, inputs)
            state[f"layers.{n}.{part}_encoder.bias"] = torch.randn(hidden)
    return state


def saved(folder: Path, state: Any) -> Path:
    import torch

    path = folder / "HumanEval_controller_sample4.pth"
    torch.save(state, path)
    return path


async def steps(
    sandbox: Pool, layers: Sequence[Sequence[str]], worker: Any, **options: Any
) -> list[StepStarted]:
    built = render(Architecture(tuple(map(tuple, layers))), "math", first_instructions("math"), **options)
    lab = Lab(sandbox, "", worker, config=RunConfig())
    (trial,) = await lab.evaluate("x", built, problems=[NUMBER])
    assert trial.error is None
    assert trial.answer == ("7" if options else "the answer")
    return [e for e in lab.trial_events if isinstance(e, StepStarted)]


def says(messages: Sequence[Message], _: object) -> str:
    return PROGRAM if "solve()" in messages[-1]["content"] else "the answer"


@sandboxed
async def test_math_begins_with_a_program_that_the_first_generator_reads(sandbox: Pool) -> None:
    done = await steps(sandbox, [["Generate"]], says)
    assert [s.operator for s in done] == ["programmer", "generate", "generate", "sc_ensemble"]
    assert done[1].inputs["input"] == "How many?\nCode output: 7"


@sandboxed
async def test_gsm8k_ends_with_a_program_whose_output_is_the_answer(sandbox: Pool) -> None:
    done = await steps(sandbox, [["Generate"]], says, verify=True)
    assert [s.operator for s in done] == ["generate", "programmer"]
    assert done[-1].inputs["analysis"] == "the answer"


@sandboxed
async def test_a_program_that_fails_leaves_the_answer(sandbox: Pool) -> None:
    built = render(Architecture((("Generate",),)), "math", first_instructions("math"), verify=True)
    lab = Lab(sandbox, "", "7", config=RunConfig())
    (trial,) = await lab.evaluate("x", built, problems=[NUMBER])
    assert (trial.answer, trial.score) == ("7", 1.0)


@sandboxed
async def test_a_programmer_in_a_layer_is_given_the_solution_so_far(sandbox: Pool) -> None:
    done = await steps(sandbox, [["Generate", "Programmer"]], says, verify=True)
    assert [s.operator for s in done[:3]] == ["generate", "programmer", "generate"]
    assert done[1].inputs["analysis"] == "the answer"


@sandboxed
async def test_a_test_in_a_layer_hands_on_its_solution_even_where_it_failed(sandbox: Pool) -> None:
    built = render(Architecture((("Generate", "Test", "SelfRefine"),)), "code", first_instructions("code"))
    versions = iter(range(100))
    lab = Lab(sandbox, "", lambda *_: f"```python\ndef one(x):\n    return {next(versions)}.5\n```")
    await lab.evaluate("x", built, problems=PROBLEMS[:1])
    done = [e for e in lab.trial_events if isinstance(e, StepStarted)]
    first, refined = done[1], next(e for e in done if e.operator == "self_refine")
    assert first.inputs["solution"] == "def one(x):\n    return 0.5"
    assert refined.inputs["solution"] != first.inputs["solution"]


def test_which_graph_a_problem_has() -> None:
    number = replace(NUMBER, kind="math", metadata={"benchmark": "gsm8k", "metric": "last-number"})
    assert verifies(number)
    assert not verifies(replace(number, metadata={"benchmark": "math"}))
    assert not verifies(replace(number, kind="qa"))


def test_weights_of_the_release_are_read_and_its_sentence_encoder_left_out(tmp_path: Path) -> None:
    import torch

    state = released() | {"text_encoder.embeddings.weight": torch.zeros(3, 3)}
    weights = released_weights(saved(tmp_path, state))
    assert len(weights) == 16
    assert torch.equal(weights["2.operator.weight"], state["layers.2.operator_encoder.weight"])


@pytest.mark.parametrize(
    "content",
    [b"", b"no pickle", b"\x80\x04N.", pickle.dumps({"layers.0.query_encoder.weight": print})],
    ids=["empty", "text", "None", "a function"],
)
def test_a_file_that_is_no_controller_is_said_so(tmp_path: Path, content: bytes) -> None:
    import torch

    (tmp_path / "x.pth").write_bytes(content)
    with pytest.raises(SearchError, match=r"x\.pth: this is no controller of MaAS's release"):
        released_weights(tmp_path / "x.pth")
    with pytest.raises(SearchError, match="No such file"):
        released_weights(tmp_path / "none.pth")
    with pytest.raises(SearchError, match="holds no layers"):
        released_weights(saved(tmp_path, {"weight": torch.zeros(1)}))


class Hostile:
    """Unpickled, it writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_nothing_in_a_controller_s_file_is_executed(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    with pytest.raises(SearchError):
        released_weights(saved(tmp_path, {**released(), "x": Hostile(mark)}))
    assert not mark.exists()


@sandboxed
async def test_a_trained_controller_is_used_without_training(sandbox: Pool, tmp_path: Path) -> None:
    tiny = str(make_tiny_llama(tmp_path / "tiny"))
    file = str(saved(tmp_path, released()))

    def lab(**options: Any) -> Lab:
        return Lab(sandbox, "", adds, config=RunConfig(variant="maas", repeats=1, options=options))

    one = lab(controller=file, encoder=tiny)
    found = await one.search()
    assert not one.trials
    assert any("trained elsewhere" in e.text for e in one.events if isinstance(e, Notice))
    end = await lab(controller=file, encoder=tiny).solve(PROBLEMS[0], found)
    alone = await lab(controller=file, encoder=tiny).solve(PROBLEMS[0], None)
    assert end.workflow_id == alone.workflow_id is not None
    assert "give the folder" in await lab(controller=file).failing_search()
    message = await lab(controller=file, encoder=tiny, layers=3).failing_search()
    assert "was not trained with layers=3" in message
    told = [e.text for e in one.events if isinstance(e, Notice) and e.level == "warning"]
    assert any("operator.json is not in ../template" in text for text in told)
    empty = Lab(sandbox, "", adds, task=Task("t", "", "code", ()), config=RunConfig(variant="maas"))
    assert "no problems to train" in await empty.failing_search()


def described(folder: Path, text: str) -> Path:
    """A controller's file where the release keeps one, with these descriptions of its operators."""
    (folder / "train" / "template").mkdir(parents=True)
    (folder / "train" / "template" / "operator.json").write_text(text)
    (folder / "train" / "round_1").mkdir()
    return saved(folder / "train" / "round_1", released())


def test_a_controller_reads_the_descriptions_it_was_trained_with(tmp_path: Path) -> None:
    known = {"Test": {"description": "Runs it.", "interface": "test()"}, "Generate": {"interface": "g()"}}
    file = described(tmp_path, json.dumps(known))
    texts = released_texts(file, ["Generate", "SelfRefine", "Test", "EarlyStop"])
    assert texts == {
        "Generate": "0. Generate: No description available, with interface g().",
        "Test": "1. Test: Runs it., with interface test().",
        "SelfRefine": "2. SelfRefine: No description available, with interface No interface specified.",
        "EarlyStop": "3. EarlyStop: No description available, with interface No interface specified.",
    }
    (file.parent / "operator.json").write_text("{}")  # what the release has comes first
    assert released_texts(file, ["Test"]) == {"Test": "0. Test: Runs it., with interface test()."}
    assert released_texts(saved(tmp_path, {}), ["Test"]) is None


@pytest.mark.parametrize("text", ["", "[]", "{", '"x"', "\x00", "1" * (1 << 20) + "1"])
def test_descriptions_that_cannot_be_read_are_said_to_be(tmp_path: Path, text: str) -> None:
    file = described(tmp_path, text)
    with pytest.raises(SearchError, match=r"operator\.json: this is no operator\.json of MaAS's release"):
        released_texts(file, ["Test"])


def test_what_a_search_found_reads_the_same_texts(tmp_path: Path) -> None:
    tiny = str(make_tiny_llama(tmp_path / "tiny"))
    file = described(tmp_path, json.dumps({"Test": {"description": "Runs it."}}))
    options = options_of(MaASOptions, {"controller": str(file), "encoder": tiny})
    net = Supernet("code", options, 0)
    assert net.texts is not None and "Runs it." in net.texts["Test"]
    again = Supernet("code", options_of(MaASOptions, {}), 0, json.loads(json.dumps(net.found({}))))
    assert again.texts == net.texts
    assert [again.sample(PROBLEMS[0], n) for n in range(9)] == [net.sample(PROBLEMS[0], n) for n in range(9)]
    without = Supernet("code", options.model_copy(update={"controller": str(saved(tmp_path, released()))}), 0)
    assert without.texts is None


def test_a_sentence_encoder_cuts_texts_where_its_own_file_says(tmp_path: Path) -> None:
    said = {
        "long": {},
        "short": {"max_seq_length": 8, "do_lower_case": False},
        "odd": {"max_seq_length": "8"},
    }
    for name, config in said.items():
        folder = make_tiny_llama(tmp_path / name)
        (folder / "sentence_bert_config.json").write_text(json.dumps(config))
    read = {name: encoder(str(tmp_path / name)) for name in said}
    assert read["short"]("12345678 and more") == read["long"]("12345678") == read["short"]("12345678")
    assert read["odd"]("12345678 and more") == read["long"]("12345678 and more") != read["long"]("12345678")
