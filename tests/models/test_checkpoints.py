"""Checkpoints of training jobs as models by name, and what tells weights apart."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from engine.config import Settings
from engine.models.base import Completion, Message, ModelError, Sampling
from engine.models.checkpoints import content_hash, content_of, file_hash
from engine.models.local import LocalModel
from engine.models.process import ProcessModel
from engine.models.registry import available, local_source, open_model
from tests.support.missing import needs
from tests.support.tiny_llama import make_tiny_llama
from training.jobs.serving import serving_spec

needs("torch")


@pytest.fixture
def settings(tmp_path) -> Settings:
    """A job with two complete checkpoints and one that is being written."""
    job = tmp_path / "jobs" / "01k0job"
    for step in (5, 40):
        folder = job / "checkpoints" / f"step-{step:06d}"
        folder.mkdir(parents=True)
        make_tiny_llama(folder, seed=step)
        (folder / "checkpoint.json").write_text(json.dumps({"step": step, "content": f"content of {step}"}))
    (job / "checkpoints" / ".step-000060.tmp").mkdir()
    shutil.copytree(job / "checkpoints" / "step-000040", job / "checkpoints" / "step-000080")
    (job / "checkpoints" / "step-000080" / "checkpoint.json").unlink()
    (tmp_path / "jobs" / "01k0new").mkdir()
    return Settings(store=tmp_path / "store.db", endpoints={})


def folder_name(name: str, settings: Settings) -> str:
    source = local_source(name, settings)
    assert source is not None
    return Path(source).name


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("job:01k0job", "step-000040"),
        ("job:01k0job@40", "step-000040"),
        ("job:01k0job@5", "step-000005"),
        ("job:01k0job@000005", "step-000005"),
    ],
)
def test_a_checkpoint_goes_by_its_job_and_step(settings, name, folder):
    assert folder_name(name, settings) == folder
    assert open_model(name, settings).name == name


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("job:01k0jab", "did you mean job:01k0job?"),
        ("job:01k0new", "no complete checkpoint yet"),
        ("job:01k0job@80", "there is no checkpoint of step '80': there are 5, 40"),
        ("job:01k0job@6", "there are 5, 40"),
        ("job:01k0job@", "there are 5, 40"),
        ("job:01k0job@-5", "there are 5, 40"),
        ("job:../jobs/01k0job", "there is no job"),
        ("job:.", "there is no job"),
        ("job:", "unknown model"),
        ("job", "unknown model"),
    ],
)
def test_what_is_no_checkpoint_is_said(settings, name, words):
    with pytest.raises(ModelError) as caught:
        open_model(name, settings)
    assert words in str(caught.value)


@pytest.mark.parametrize("name", ["job:01k0ctl", "job:01k0ctl@4", "hf:{folder}"])
def test_a_controller_is_no_model_and_its_use_is_said(settings, name):
    folder = settings.jobs_path() / "01k0ctl" / "checkpoints" / "step-000004"
    folder.mkdir(parents=True)
    for file in ("checkpoint.json", "controller.json"):
        (folder / file).write_text("{}")
    name = name.format(folder=folder)
    used = name.removeprefix("hf:")
    with pytest.raises(ModelError, match="is a controller of MaAS") as caught:
        open_model(name, settings)
    assert f"use it with --variant maas,controller={used}" in str(caught.value)
    for served in (name, used):
        with pytest.raises(ModelError, match=f"variant maas,controller={re.escape(used)}"):
            serving_spec(served, "name", 8000, None, host=None, jobs=settings.jobs_path())
    assert name not in [info.name for info in available(settings)]


def test_jobs_with_a_checkpoint_are_listed(settings):
    found = [(info.name, info.kind, info.note) for info in available(settings) if info.kind == "checkpoint"]
    assert found == [("job:01k0job", "checkpoint", "")]
    assert not [i for i in available(Settings(store=settings.jobs_path() / "x.db")) if i.kind == "checkpoint"]


async def test_a_checkpoint_answers(settings):
    name = "job:01k0job@5"
    assert isinstance(open_model(name, settings), ProcessModel)  # which is tested on its own
    model = LocalModel(name, local_source(name, settings) or "", device="cpu")
    asked: list[Message] = [{"role": "user", "content": "hi"}]
    items = [item async for item in model.stream(asked, Sampling(temperature=0.0, max_tokens=3))]
    await model.aclose()
    assert isinstance(items[-1], Completion) and items[-1].tokens_out == 3


def test_equal_weights_have_one_hash_and_others_another(tmp_path, settings):
    one, same = make_tiny_llama(tmp_path / "one"), make_tiny_llama(tmp_path / "same")
    other = make_tiny_llama(tmp_path / "other", seed=1)
    assert content_of(one) == content_of(same) != content_of(other)
    assert content_of(one) == content_hash({"model.safetensors": file_hash(one / "model.safetensors")})
    assert content_of(tmp_path) == content_of(tmp_path / "nowhere") == ""
    shutil.copy(other / "model.safetensors", same / "model.safetensors")
    assert content_of(same) == content_of(other)
    # A checkpoint's is what was written down when it was made.
    assert content_of(settings.jobs_path() / "01k0job" / "checkpoints" / "step-000005") == "content of 5"
