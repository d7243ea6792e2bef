"""Paths that begin with the home folder of a user nobody knows: one sentence, wherever they are given."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from engine.benchmarks.files import existing_file
from engine.config import Settings
from engine.models.base import ModelError
from engine.models.registry import local_source
from engine.paths import expanded
from engine.search import SearchError
from engine.variants import UnknownVariantError
from engine.variants.maas_checkpoint import read_controller
from engine.variants.own import from_file
from sandbox.errors import ExpectedError, UsageError
from training import recipes
from training.data.rows import open_data
from training.jobs.remote.hosts import environment
from training.recipes.base import load_tokenizer
from tui.service.experiments.prepare import prepare
from tui.service.jobs.launch import Launch
from tui.service.requests import NewExperiment

NOBODYS = "~nobody-has-this-name/x/y"


def test_a_home_is_expanded(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert expanded("~/x") == expanded(Path("~/x")) == Path("/home/me/x")
    assert expanded("~root").is_absolute()
    assert expanded("x/~y") == Path("x/~y")
    assert existing_file(NOBODYS) is None


@pytest.mark.parametrize(
    ("use", "kind"),
    [
        (lambda settings: local_source(f"hf:{NOBODYS}", settings), ModelError),
        (lambda _: from_file(f"{NOBODYS}.py"), UnknownVariantError),
        (lambda _: Settings(store=Path(NOBODYS)).store_path(), UsageError),
        (lambda _: Settings(store=Path(NOBODYS)).jobs_path(), UsageError),
        (lambda _: read_controller(NOBODYS), SearchError),
        (lambda _: recipes.load(NOBODYS), UsageError),
        (lambda _: open_data(NOBODYS), UsageError),
        (lambda _: Launch(recipe="sft-embedded", data=NOBODYS).resolved(), UsageError),
        (
            lambda settings: prepare(settings, settings.store_path(), NewExperiment(benchmark=NOBODYS)),
            UsageError,
        ),
        (
            lambda settings: prepare(
                settings, settings.store_path(), NewExperiment(benchmark="humaneval", data=Path(NOBODYS))
            ),
            UsageError,
        ),
        (
            lambda settings: load_tokenizer(
                recipes.load("sft-embedded", [f"model.chat_template={NOBODYS}"]).model, settings
            ),
            UsageError,
        ),
    ],
)
def test_an_unknown_users_home_is_one_sentence(tmp_path, use, kind):
    with pytest.raises(kind, match="no home folder ~nobody-has-this-name; write the path in full") as caught:
        use(Settings(store=tmp_path / "store.db"))
    assert isinstance(caught.value, ExpectedError | SearchError)


async def test_a_host_whose_wheels_are_there_cannot_be_used():
    host = SimpleNamespace(environment=None, wheels=Path(NOBODYS))
    with pytest.raises(ExpectedError, match=r"hosts\.far\.wheels: ~nobody"):
        await environment(cast("Any", SimpleNamespace(name="far", host=host)), "train", print)
