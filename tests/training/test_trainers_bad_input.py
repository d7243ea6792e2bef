"""What cannot be trained is said in one sentence, and leaves what was there."""

from __future__ import annotations

import errno
import itertools
import json
import os
import resource
import shutil
from pathlib import Path

import pytest

from sandbox.errors import ExpectedError, UnavailableError, UsageError
from tests.support import killed
from tests.support import training as support
from tests.support.missing import needs
from tests.support.tiny_llama import make_tiny_llama
from tests.support.training import train
from training import recipes
from training.trainers import __main__ as program
from training.trainers.checkpoints import clean, damaged, prune, replacing, seal
from training.trainers.run_directory import RunDirectory

needs("trl")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return support.small_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def rows(tmp_path_factory) -> Path:
    return support.sft_set(tmp_path_factory.mktemp("rows"))


def refused(folder: Path) -> str:
    """The one sentence that training in a directory ends with."""
    with pytest.raises(ExpectedError) as caught:
        train(RunDirectory.open(folder))
    sentence = str(caught.value)
    assert "\n" not in sentence and len(sentence) < 600
    assert support.progress(folder, "end")[-1]["status"] == "failed"
    assert support.progress(folder, "end")[-1]["error"] == sentence
    assert not list(folder.glob("checkpoints/*"))
    return sentence


def test_data_that_cannot_be_trained_on(tmp_path, model, rows):
    from datasets import Dataset

    def said(name: str, data: Path, *changes: str, preset: str = "sft-embedded") -> str:
        return refused(support.run_directory(tmp_path / name, preset, model, data, *changes))

    assert "is no data set" in said("none", tmp_path / "nowhere")
    assert "data.path is not set" in said("unset", rows, "data.path=''")
    assert "set data.max_length=" in said("long", rows, "data.max_length=20")
    assert "longer than data.max_length (20 tokens)" in json.dumps(support.progress(tmp_path / "long", "end"))
    assert "leaves no row" in said("aside", rows, "data.held_out=1.0")
    assert "no set of preference pairs" in said("pairs", rows, preset="dpo-embedded")
    Dataset.from_list(
        [{"prompt": [{"role": "user", "content": "x"}], "reasoning": "", "reply": " "}]
    ).save_to_disk(str(tmp_path / "empty"))
    assert "no valid rows" in said("empty-rows", tmp_path / "empty")
    Dataset.from_list([{"text": "x"}]).save_to_disk(str(tmp_path / "text"))
    assert "no set for supervised fine-tuning" in said("text-rows", tmp_path / "text")
    assert "no set of problems" in said("grpo", rows, "advantages.after=0", preset="grpo-embedded")
    broken = Path(shutil.copytree(rows, tmp_path / "broken"))
    next(broken.glob("*.arrow")).write_bytes(b"not arrow")
    assert "cannot be read" in said("broken-rows", broken)


def test_models_that_cannot_be_trained(tmp_path, model, rows):
    import torch

    def said(name: str, base: Path | str, *changes: str) -> str:
        folder = support.run_directory(
            tmp_path / name, "sft-embedded", model, rows, f"model.base={base}", *changes
        )
        return refused(folder)

    plain = make_tiny_llama(tmp_path / "plain")
    assert "has no pad token: set model.pad_token" in said("pad", f"hf:{plain}")
    assert "is no token of" in said("wrong-pad", f"hf:{plain}", "model.pad_token=<pad>")
    bare = make_tiny_llama(tmp_path / "bare", template=None)
    assert "has no chat template" in said("template", f"hf:{bare}")
    assert "cannot be read" in said("template-file", f"hf:{bare}", "model.chat_template=/nowhere.jinja")
    assert "can read: set it to 256 or less" in said("context", f"hf:{model}", "data.max_length=300")
    assert "there is no job" in said("job", "job:01hzzz")
    assert "no model with weights" in said("endpoint", "openai/gpt-4o")
    assert "holds no model" in said("folder", f"hf:{rows}")
    if not torch.cuda.is_available():
        assert "there is no GPU here" in said("gpu", f"hf:{model}", "hardware.device=cuda")


def test_a_tokenizer_is_completed_by_the_recipe(tmp_path, model, rows):
    bare = make_tiny_llama(tmp_path / "bare", template=None)
    (tmp_path / "own.jinja").write_text(
        "{% for m in messages %}{{ m.content }}{% endfor %}{% if add_generation_prompt %}|{% endif %}"
    )
    folder = support.run_directory(
        *(tmp_path / "run", "sft-embedded", bare, rows, "max_steps=1", f"model.pad_token={support.END}"),
        f"model.chat_template={tmp_path / 'own.jinja'}",
    )
    train(RunDirectory.open(folder))
    saved = folder / "checkpoints" / "step-000001"
    assert (saved / "chat_template.jinja").read_text() == (tmp_path / "own.jinja").read_text()


def test_a_directory_without_a_recipe_and_a_wrong_one(tmp_path, capsys, monkeypatch):
    def exit_code(folder: Path) -> int:
        monkeypatch.setattr("sys.argv", ["training.trainers", str(folder)])
        return program.main()

    assert exit_code(tmp_path) == UsageError.exit_code
    assert "no run directory" in capsys.readouterr().err
    (tmp_path / "recipe.toml").write_text("kind = 'sft'\nepoch = 2")
    assert exit_code(tmp_path) == UsageError.exit_code
    assert "did you mean 'epochs'" in capsys.readouterr().err
    (tmp_path / "recipe.toml").write_text(recipes.load("sft-embedded").to_toml())
    (tmp_path / "job.json").write_text("{")
    assert exit_code(tmp_path) == UsageError.exit_code
    assert "job.json: cannot be used" in capsys.readouterr().err


def test_a_second_trainer_is_kept_out(tmp_path, model, rows):
    folder = support.run_directory(tmp_path / "run", "sft-embedded", model, rows, "max_steps=1")
    directory = RunDirectory.open(folder)
    with directory.held(), pytest.raises(UnavailableError, match=r"another trainer \(process \d+\) works"):
        train(RunDirectory.open(folder))
    assert not (folder / "progress.jsonl").exists()
    train(directory)


def test_out_of_memory_names_the_setting_to_change(tmp_path, model, rows, monkeypatch):
    import torch

    from training.trainers.trl_points import Checkpointing

    def fail(self, *args, **kwargs):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    monkeypatch.setattr(Checkpointing, "training_step", fail, raising=False)
    folder = support.run_directory(tmp_path / "many", "sft-embedded", model, rows, "batch.rows_at_once=4")
    assert "out of memory in step 1: halve batch.rows_at_once (now 4)" in refused(folder)
    folder = support.run_directory(tmp_path / "one", "sft-embedded", model, rows, "batch.rows_at_once=1")
    assert "set model.checkpointing=true" in refused(folder)


def test_a_full_disk_leaves_the_checkpoints_before_it(tmp_path, model, rows):
    """The system refuses to write more than a file of some size, as a quota does."""
    folder = support.run_directory(
        tmp_path / "run", "sft-embedded", model, rows, "epochs=2", "checkpoints.every=2", "checkpoints.keep=9"
    )
    train(RunDirectory.open(folder))
    kept = folder / "checkpoints" / "step-000002"
    for step in (4, 6):
        shutil.rmtree(folder / "checkpoints" / f"step-{step:06d}")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, hard))
    try:
        with pytest.raises(UnavailableError, match="the disk is full: step-000004 could not be written"):
            train(RunDirectory.open(folder))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [p.name for p in (folder / "checkpoints").iterdir()] == ["step-000002"]
    assert damaged(kept) == ""
    train(RunDirectory.open(folder))
    assert [line["step"] for line in support.progress(folder, "step")] == [1, 2, 3, 4, 5, 6]


def test_a_loss_that_is_no_number_ends_the_run(tmp_path, model, rows):
    folder = support.run_directory(
        *(tmp_path / "run", "sft-embedded", model, rows, "epochs=4", "optimizer.max_grad_norm=0.0"),
        *("optimizer.learning_rate=1e38", "optimizer.schedule=constant", "optimizer.warm_up=0.0"),
    )
    assert "start again with a lower optimizer.learning_rate" in refused(folder)
    assert support.progress(folder, "alert")[-1]["name"] == "nan"


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path):
    final = tmp_path / "step-000001"

    def write(text: str) -> None:
        with replacing(final) as folder:
            (folder / "model.safetensors").write_text(text)
            seal(folder, {"step": 1, "merit": None})

    write("one")
    assert damaged(final) == ""
    with pytest.raises(RuntimeError, match="half"), replacing(final) as folder:
        (folder / "model.safetensors").write_text("two")
        raise RuntimeError("half")
    assert (final / "model.safetensors").read_text() == "one"
    assert [p.name for p in tmp_path.iterdir()] == ["step-000001"]
    write("three")
    assert damaged(final) == ""
    (final / "model.safetensors").write_text("four")
    assert damaged(final) == "model.safetensors"


def test_a_trainer_killed_at_any_step_of_replacing_a_checkpoint_loses_none(tmp_path):
    """The one of before or the new one, whole, and nothing beside it."""
    seen = []
    for step in itertools.count():
        final = tmp_path / str(step) / "checkpoints" / "step-000001"
        killed.write(final, "before")
        was_killed = killed.write_until(final, "after", step)
        clean(final.parent.parent)
        assert damaged(final) == ""
        assert [p.name for p in final.parent.iterdir()] == ["step-000001"]
        seen.append((final / "model.safetensors").read_text())
        killed.write(final, "once more")
        assert (final / "model.safetensors").read_text() == "once more"
        if not was_killed:
            break
    changed = seen.index("after")
    assert seen == ["before"] * changed + ["after"] * (len(seen) - changed)
    assert changed >= 6
    assert len(seen) > changed + 1  # killed before the new one had its name, and after


@pytest.mark.parametrize("number", [1, 2])
def test_a_rename_that_fails_leaves_the_checkpoint_of_before(tmp_path, monkeypatch, number):
    """The first moves it aside, the second gives the new one its name."""
    final = tmp_path / "step-000001"
    killed.write(final, "before")
    renames = itertools.count(1)
    rename = Path.rename

    def refused(self: Path, target: Path) -> Path:
        if next(renames) == number:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(OSError, match="Input/output error"):
        killed.write(final, "after")
    assert damaged(final) == ""
    assert (final / "model.safetensors").read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["step-000001"]


def test_the_newest_and_the_best_are_kept(tmp_path):
    for step, merit in ((1, 0.5), (2, 0.9), (3, None), (4, 0.1), (5, 0.2)):
        with replacing(tmp_path / "checkpoints" / f"step-{step:06d}") as folder:
            seal(folder, {"step": step, "merit": merit})
    prune(tmp_path, 2, lambda manifest: manifest["merit"])
    assert sorted(p.name for p in (tmp_path / "checkpoints").iterdir()) == [
        "step-000002",
        "step-000004",
        "step-000005",
    ]
