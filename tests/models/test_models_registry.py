"""Names to models, the list of names, and replay from recorded events."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.config import Settings
from engine.events import Event, ModelCallFinished, ModelCallStarted
from engine.models.base import Completion, Delta, Message, ModelError, Sampling
from engine.models.endpoint import EndpointModel
from engine.models.registry import UnknownModelError, available, open_model
from engine.models.replay import ReplayModel, recorded_calls

ASK: list[Message] = [{"role": "user", "content": "Hi"}]


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def settings(**endpoints: Mapping[str, Any]) -> Settings:
    return Settings.model_validate({"endpoints": endpoints})


LOCAL = {"base_url": "http://localhost:8000/v1", "models": ["Qwen/Qwen3-8B"]}


@pytest.mark.parametrize("name", ["local/Qwen/Qwen3-8B", "some-model", "Qwen3-8B"])
def test_endpoint_models_open_by_full_or_bare_name(name: str) -> None:
    model = open_model(name, settings(local=LOCAL))
    assert isinstance(model, EndpointModel)
    assert model.name == name


def test_bare_name_needs_an_endpoint_unless_one_lists_it() -> None:
    two = settings(a=LOCAL | {"models": ["alpha"]}, b=LOCAL | {"models": []})
    assert open_model("alpha", two).name == "alpha"
    with pytest.raises(UnknownModelError, match="as in a/other"):
        open_model("other", two)


@pytest.mark.parametrize(
    ("name", "near"), [("pocket-wroker", "pocket-worker"), ("locl/Qwen/Qwen3-8B", "local/Qwen/Qwen3-8B")]
)
def test_unknown_name_tells_the_nearest_and_the_list(name: str, near: str) -> None:
    with pytest.raises(UnknownModelError, match="flowreasoner models") as caught:
        open_model(name, settings(local=LOCAL))
    assert near in str(caught.value)
    assert caught.value.kind == "not-found"


@pytest.mark.parametrize("name", ["", "nonsense", "hf:", "openai/", "x/y", "a:b"])
def test_names_that_mean_nothing(name: str) -> None:
    with pytest.raises(UnknownModelError):
        open_model(name, settings())


def test_missing_key_names_the_variable() -> None:
    with pytest.raises(ModelError, match="OPENAI_API_KEY"):
        open_model("openai/gpt-4o-mini", settings())


def test_embedded_weights_are_found_beside_the_training_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.delitem(sys.modules, "training", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModelError, match="weights of pocket-meta are missing"):
        open_model("pocket-meta", settings())
    folder = tmp_path / "training" / "pocket" / "weights" / "meta"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").touch()
    assert open_model("pocket-meta", settings()).name == "pocket-meta"
    notes = {info.name: info.note for info in available(settings())}
    assert (notes["pocket-meta"], notes["pocket-worker"]) == ("", "its weights are missing")


def test_local_models_without_torch_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "torch" else found(name))
    with pytest.raises(ModelError, match=r"pip install 'flowreasoner\[local\]'"):
        open_model("hf:some/model", settings())


def test_available_lists_all_and_what_is_missing() -> None:
    infos = {info.name: info for info in available(settings(local=LOCAL))}
    assert list(infos)[:2] == ["pocket-worker", "pocket-meta"]
    assert infos["openai/MODEL"].note == "OPENAI_API_KEY is not set"
    assert (infos["local/Qwen/Qwen3-8B"].where, infos["local/Qwen/Qwen3-8B"].note) == (LOCAL["base_url"], "")


def test_the_registry_is_cheap_to_import() -> None:
    heavy = "torch transformers openai genai_prices pydantic asyncio"
    code = f"import sys, engine.models.registry; print([m for m in '{heavy}'.split() if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def call(
    number: int, text: str, *, asked: str = "Hi", error: str | None = None, **params: Any
) -> list[Event]:
    return [
        ModelCallStarted(
            call_id=str(number),
            role="worker",
            model="m",
            step_id=None,
            messages=({"role": "user", "content": asked},),
            params=params,
        ),
        ModelCallFinished(
            call_id=str(number),
            text=text,
            reasoning="since",
            finish="stop",
            tokens_in=3,
            tokens_out=4,
            cost_usd=0.5,
            ttft_ms=1.0,
            wall_ms=2.0,
            error=error,
        ),
    ]


async def test_replay_answers_in_order_of_occurrence() -> None:
    events = [*call(1, "one" * 20), *call(2, "two"), *call(3, "hot", temperature=1.0, stop=["x"])]
    model = ReplayModel("m", recorded_calls(events, role="worker", model="m"))
    items = [i async for i in model.stream(ASK, Sampling())]
    done = items[-1]
    assert done == Completion("one" * 20, "since", "stop", 3, 4, 0.5, ("replayed",))
    for channel, whole in (("text", "one" * 20), ("reasoning", "since")):
        assert "".join(i.text for i in items if isinstance(i, Delta) and i.channel == channel) == whole
    last = [i async for i in model.stream(ASK, Sampling(temperature=1.0, stop=("x",)))][-1]
    assert isinstance(last, Completion)
    assert last.text == "hot"
    last = [i async for i in model.stream(ASK, Sampling())][-1]
    assert isinstance(last, Completion)
    assert last.text == "two"
    with pytest.raises(ModelError, match="more often"):
        await anext(model.stream(ASK, Sampling()))
    with pytest.raises(ModelError, match="no recorded call asks 'Hi'"):
        await anext(model.stream(ASK, Sampling(seed=1)))


async def test_replay_repeats_recorded_failures_and_leaves_out_other_roles() -> None:
    events = call(1, "", error="endpoint down")
    model = ReplayModel("m", recorded_calls(events))
    with pytest.raises(ModelError, match="endpoint down"):
        await anext(model.stream(ASK, Sampling()))
    assert recorded_calls(events, role="meta") == []
    assert recorded_calls(events[:1]) == []


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("/nope", "/nope does not exist"),
        ("/nope/", "/nope does not exist"),
        ("./nope", "nope does not exist"),
        ("../nope", "../nope does not exist"),
        ("~/nope/model", "nope/model does not exist"),
        ("some/nested/folder", "some/nested/folder does not exist"),
        ("folder/", "folder does not exist"),
        (".", "holds no model"),
        ("EMPTY", "holds no model"),
        ("FILE", "is a file"),
    ],
)
def test_a_folder_that_is_not_there_is_told_before_anything_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "EMPTY").mkdir()
    (tmp_path / "FILE").write_text("x")
    with pytest.raises(ModelError, match="hf:") as caught:
        open_model(f"hf:{source}", settings())
    assert words in str(caught.value)
    assert caught.value.kind == "not-found"


@pytest.mark.parametrize("source", ["org/name", "name", "org/name.with-dots_1"])
def test_what_may_be_a_hub_id_is_left_to_the_hub(source: str) -> None:
    assert open_model(f"hf:{source}", settings()).name == f"hf:{source}"
