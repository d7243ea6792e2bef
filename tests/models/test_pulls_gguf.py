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
from engine.models.registry import local_source
from tests.support.gguf_file import make_gguf
from tests.support.hub import Hub
from tui.cli import app


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
