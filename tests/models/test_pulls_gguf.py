"""A GGUF file over HTTP: converted once, measured, and answering."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from engine.config import Settings
from engine.models.base import Completion, Sampling
from engine.models.local import LocalModel
from engine.models.pulls import shelf
from engine.models.pulls.pull import Told, pull
from engine.models.registry import local_source
from tests.support.gguf_file import make_gguf
from tests.support.hub import Hub
from tui.cli import app

SETTINGS = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")
SILENT = "nothing with it says how to sample, so mine gives the same answer each time"


async def test_a_gguf_file_at_a_url_becomes_a_model_that_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_gguf(tmp_path / "small.gguf").read_bytes()
    monkeypatch.setenv("FLOWREASONER_STORE", str(tmp_path / "store.db"))
    models = tmp_path / "models"
    with Hub({"small.gguf": data}) as server:
        server.cut = {"small.gguf": len(data) // 2}
        pull = ["models", "pull", "small", "--from", f"{server.url}/plain/small.gguf?key=secret", "--json"]
        first = CliRunner().invoke(app, pull)
        assert isinstance(first.exception, Exception)
        assert "which goes on where this ended" in str(first.exception)
        assert "secret" not in str(first.exception)
        assert shelf.pulled_names(models) == []
        result = CliRunner().invoke(app, pull)
        assert result.exit_code == 0, (result.output, result.exception)
        assert server.asked[-1][2] == f"bytes={len(data) // 2}-"
    told = json.loads(result.stdout.splitlines()[-1])
    assert told["source"] == f"{server.url.rpartition(':')[0]}/plain/small.gguf"
    assert told["alone"] > 0 and told["eight"] > 0 and told["memory"] > 0
    assert SILENT.replace("mine", "small") in result.output
    assert not list((models / "small").glob("*.gguf"))
    source = local_source("small", Settings(store=tmp_path / "store.db"))
    assert source == str(models / "small")
    # Transformers casts it like any other: what was converted does not say that it is quantised.
    from transformers import AutoModelForCausalLM

    assert AutoModelForCausalLM.from_pretrained(source).float().dtype.itemsize == 4
    model = LocalModel("small", source)
    try:
        items = [i async for i in model.stream([{"role": "user", "content": "ab"}], Sampling(max_tokens=3))]
    finally:
        await model.aclose()
    assert isinstance(items[-1], Completion)
    assert items[-1].tokens_out <= 3
    listed = CliRunner().invoke(app, ["models"])
    assert "tokens/s alone" in next(line for line in listed.stdout.splitlines() if line.startswith("small "))


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (
            {"temp": 0.7, "top_p": 0.8, "top_k": 20, "min_p": 0.05, "penalty_repeat": 1.1},
            {"do_sample": True, **dict(zip(SETTINGS, (0.7, 0.8, 20, 0.05, 1.1), strict=True))},
        ),
        ({"temp": 0.0, "top_k": 20}, {}),
    ],
)
def test_how_makers_sample_is_taken_from_a_file_and_its_absence_is_told(
    tmp_path: Path, said: dict[str, float], kept: dict[str, float]
) -> None:
    heard: list[str] = []
    file = make_gguf(tmp_path / "mine.gguf", **said)
    folder = pull("mine", tmp_path / "models", Told(heard.append, lambda _have, _all: None), place=str(file))
    found = json.loads((folder / "generation_config.json").read_text("utf-8"))
    assert {key: found[key] for key in found.keys() & {"do_sample", *SETTINGS}} == pytest.approx(kept)
    assert any(sentence.startswith(SILENT) for sentence in heard) is not bool(kept)
    (folder / "generation_config.json").unlink()
    other = pull(
        "other", tmp_path / "models", Told(heard.append, lambda _have, _all: None), place=str(folder)
    )
    assert heard[-1].endswith(f"its makers' generation_config.json, copied into {other}, changes that")


def test_what_was_added_to_the_vocabulary_is_named_beside_it(tmp_path: Path) -> None:
    """So that no load has to read all of the vocabulary a second time."""
    file = make_gguf(tmp_path / "mine.gguf")
    folder = pull(
        "mine", tmp_path / "models", Told(lambda _: None, lambda _have, _all: None), place=str(file)
    )
    named = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))["added_tokens_decoder"]
    added = json.loads((folder / "tokenizer.json").read_text("utf-8"))["added_tokens"]
    assert named == {str(token.pop("id")): token for token in added} != {}
