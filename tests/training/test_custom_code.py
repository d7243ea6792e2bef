"""The folder of a model that brings its own Python code: it is refused, and its code never runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.config import Settings
from engine.models.local.weights import Weights
from engine.search import SearchError
from engine.variants.maas_encoders import encoder
from sandbox.errors import ExpectedError
from training import recipes
from training.data import students
from training.pocket import model as pocket
from training.recipes import base


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model whose code leaves the file `ran`. Transformers may ask whether to run it: the answer is yes."""
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    place = tmp_path / "model"
    place.mkdir()
    code = f"open({str(tmp_path / 'ran')!r}, 'w').close()\nraise SystemExit('the code of the model ran')\n"
    (place / "code_of_model.py").write_text(code)
    classes = {"AutoConfig": "C", "AutoModel": "M", "AutoModelForCausalLM": "M"}
    config = {
        "model_type": "its-own",
        "auto_map": {name: f"code_of_model.{kind}" for name, kind in classes.items()},
    }
    (place / "config.json").write_text(json.dumps(config))
    tokenizer = {"auto_map": {"AutoTokenizer": ["code_of_model.T", None]}, "tokenizer_class": "T"}
    (place / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    return place


@pytest.mark.parametrize(
    "load",
    [
        lambda place: recipes.plan(
            recipes.load("grpo-embedded", [f"model.base=hf:{place}"]), "RUN", Settings(store=place / "s.db")
        ),
        lambda place: base.load_tokenizer(
            recipes.load("sft-embedded", [f"model.base=hf:{place}"]).model, Settings(store=place / "s.db")
        ),
        lambda place: students.load_tokenizer(str(place), Settings(store=place / "s.db")),
        lambda place: Weights.load(f"hf:{place}", str(place), "cpu"),
        lambda place: encoder(str(place)),
    ],
    ids=["plan", "base", "student", "worker", "encoder"],
)
def test_code_of_a_model_is_never_run(load, folder):
    with pytest.raises((ExpectedError, SearchError)) as caught:
        load(folder)
    assert not (folder.parent / "ran").exists()
    assert str(folder) in str(caught.value) and "\n" not in str(caught.value)


def test_nor_by_the_lessons_of_the_small_model(folder):
    with pytest.raises(ValueError, match="custom code"):
        pocket.load(folder)
    assert not (folder.parent / "ran").exists()
