"""Trainers in their run directories, on generated models: learning, losses, resuming, stopping."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
from pathlib import Path

import pytest

from engine.models.checkpoints import content_of
from tests.support import training as support
from tests.support.missing import needs
from tests.support.training import train
from training.data.rows import IGNORED, open_data, sft_rows
from training.trainers.checkpoints import damaged
from training.trainers.run_directory import RunDirectory

needs("trl")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return support.small_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def rows(tmp_path_factory) -> Path:
    return support.sft_set(tmp_path_factory.mktemp("rows"))


@pytest.fixture(scope="module")
def pairs(tmp_path_factory) -> Path:
    return support.dpo_set(tmp_path_factory.mktemp("pairs"), [(1.0, 0.0)] * 8)


def run(folder: Path) -> Path:
    train(RunDirectory.open(folder))
    return folder


def test_sft_gets_better_on_its_own_rows_and_leaves_a_model(tmp_path, model, rows, capsys):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = run(
        support.run_directory(
            tmp_path / "run", "sft-embedded", model, rows, "epochs=10", "optimizer.learning_rate=1e-2"
        )
    )
    losses = support.values(folder, "loss")
    assert losses[-1] < 0.5 * losses[0]
    assert support.values(folder, "learning_rate")[:2] == pytest.approx([0.5e-2, 1e-2])  # two steps warm up
    assert len(losses) == support.progress(folder, "start")[0]["total_steps"] == 30
    assert support.progress(folder, "end")[0]["status"] == "done"
    log = capsys.readouterr().out.splitlines()
    assert log[0].startswith("30 steps: rows 12, tokens ")
    assert log[1].startswith(f"step 1/30: loss {losses[0]:.4g}, ")
    assert log[-2:] == ["checkpoint 30: checkpoints/step-000030", "done"]
    last = folder / support.progress(folder, "checkpoint")[-1]["folder"]
    assert damaged(last) == ""
    assert content_of(last) == support.progress(folder, "checkpoint")[-1]["content"] != content_of(model)
    tokenizer = AutoTokenizer.from_pretrained(last)
    network = AutoModelForCausalLM.from_pretrained(last)
    found = sft_rows(open_data(str(rows)), tokenizer, 200)
    assert (
        sum(_nll(network, row.ids, row.labels) for row in found) / sum(r.learned for r in found)
        < 0.6 * losses[0]
    )


def test_the_loss_is_the_mean_over_labelled_tokens(tmp_path, model, rows):
    """Against one forward pass a row, without padding, packing or TRL."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    network, tokenizer = AutoModelForCausalLM.from_pretrained(model), AutoTokenizer.from_pretrained(model)
    found = sft_rows(open_data(str(rows)), tokenizer, 200)
    mean = sum(_nll(network, r.ids, r.labels) for r in found) / sum(r.learned for r in found)
    for name, changes in (("padded", ()), ("packed", ("data.packing=true",))):
        folder = support.run_directory(
            tmp_path / name,
            "sft-embedded",
            model,
            rows,
            "batch.rows=12",
            "batch.rows_at_once=12",
            "max_steps=1",
            *changes,
        )
        assert support.values(run(folder), "loss")[0] == pytest.approx(mean, abs=1e-5)


def test_nothing_but_the_answer_has_a_gradient(tmp_path, model, rows):
    """The gradient at each last hidden state is zero where the next token is prompt, feedback or padding."""
    from engine.config import Settings
    from training.trainers import sft
    from training.trainers.hooks import Hooks

    folder = support.run_directory(tmp_path / "run", "sft-embedded", model, rows)
    recipe = RunDirectory.open(folder).recipe
    trainer = sft.make(recipe, folder, Settings(), Hooks(recipe, folder, None))
    batch = trainer.data_collator([trainer.train_dataset[n] for n in range(6)])
    held = []
    trainer.model.model.register_forward_hook(
        lambda module, args, out: (out.last_hidden_state.retain_grad(), held.append(out.last_hidden_state))[0]
    )
    trainer.model.train()
    trainer.compute_loss(trainer.model, dict(batch)).backward()
    gradient = held[0].grad.abs().sum(-1)
    learned = batch["labels"][:, 1:] != IGNORED
    assert (gradient[:, :-1][~learned] == 0).all() and (gradient[:, -1] == 0).all()
    assert (gradient[:, :-1][learned] > 0).all()
    assert (~learned).any() and (batch["attention_mask"] == 0).any()


def test_after_kill_9_a_run_goes_on_as_if_nothing_had_been(tmp_path, model, rows):
    """With adapters, dropout, packing and held-out rows, so that there is much to bring back."""
    changes = (
        *("epochs=4", "checkpoints.every=3", "data.held_out=0.3", "batch.rows=2", "batch.rows_at_once=1"),
        *("lora.enabled=true", "data.packing=true", "data.max_length=60"),
    )
    whole = run(support.run_directory(tmp_path / "whole", "sft-embedded", model, rows, *changes))
    broken = support.run_directory(tmp_path / "broken", "sft-embedded", model, rows, *changes)
    assert support.killed_after(broken, "step", 5) == -signal.SIGKILL
    (broken / "checkpoints" / ".step-000006.tmp").mkdir()  # as if it had been writing one
    with (broken / "progress.jsonl").open("ab") as file:
        file.write(b'{"kind": "st')
    (broken / "job.json").write_text(json.dumps({"attempt": 2}))
    run(broken)
    lines = support.progress(broken, "step")
    assert [(line["step"], line["attempt"]) for line in lines][2:5] == [(3, 1), (4, 2), (5, 2)]
    same_numbers(whole, broken)
    assert not list((broken / "checkpoints").glob(".*"))
    ends = [RunDirectory.open(folder).newest_checkpoint() for folder in (whole, broken)]
    assert content_of(ends[0]) == content_of(ends[1])


@pytest.mark.parametrize("preset", ["sft-embedded", "dpo-embedded"])
def test_a_run_that_lost_its_last_checkpoints_ends_the_same(tmp_path, model, rows, pairs, preset):
    data = rows if preset.startswith("sft") else pairs
    changes = ("epochs=2", "checkpoints.every=1", "checkpoints.keep=9", "optimizer.learning_rate=1e-3")
    folder = run(support.run_directory(tmp_path / "whole", preset, model, data, *changes))
    shutil.copytree(folder, tmp_path / "again")
    for step in (2, 3, 4, 5, 6):
        shutil.rmtree(tmp_path / "again" / "checkpoints" / f"step-{step:06d}", ignore_errors=True)
    same_numbers(folder, run(tmp_path / "again"))


def same_numbers(one: Path, other: Path) -> None:
    for name in ("loss", "val_loss", "grad_norm", "learning_rate"):
        expected = [line["values"].get(name) for line in support.progress(one, "step")]
        found = [line["values"].get(name) for line in support.progress(other, "step")]
        assert found == pytest.approx(expected, abs=1e-6), name


def test_term_ends_a_run_with_a_checkpoint_and_resuming_ends_it_as_planned(
    tmp_path, model, rows, monkeypatch
):
    from training.trainers.hooks import Hooks

    folder = support.run_directory(tmp_path / "run", "sft-embedded", model, rows, "epochs=3", "batch.rows=4")
    tell = Hooks.tell

    def told(self, kind, **values):
        tell(self, kind, **values)
        if kind == "step" and values["step"] == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(Hooks, "tell", told)
    run(folder)
    assert support.progress(folder, "end")[0]["status"] == "stopped"
    stopped = [line["step"] for line in support.progress(folder, "step")]
    assert stopped == [1, 2, 3]  # the step after the signal is finished
    assert support.progress(folder, "checkpoint")[-1]["step"] == 3
    assert signal.getsignal(signal.SIGTERM) == before
    monkeypatch.undo()
    run(folder)
    assert [line["step"] for line in support.progress(folder, "step")] == list(range(1, 10))
    assert json.loads((folder / "progress.jsonl").read_text().splitlines()[-1])["status"] == "done"


@pytest.mark.parametrize("name", ["score", "weighted"])
def test_score_dpo_at_scores_one_and_zero_is_dpo(tmp_path, model, pairs, name):
    losses = {}
    for loss in (name, "dpo"):
        folder = support.run_directory(
            tmp_path / loss,
            "dpo-embedded",
            model,
            pairs,
            f"preference.loss={loss}",
            "optimizer.learning_rate=1e-3",
        )
        losses[loss] = support.values(run(folder), "loss")
    assert losses[name] == pytest.approx(losses["dpo"], abs=1e-6)
    assert losses["dpo"][0] == pytest.approx(math.log(2), abs=1e-5)
    assert losses["dpo"][1] < losses["dpo"][0]


def test_dpo_is_that_of_trl(tmp_path, model, pairs):
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import DPOConfig, DPOTrainer

    folder = support.run_directory(
        tmp_path / "ours",
        "dpo-embedded",
        model,
        pairs,
        "optimizer.learning_rate=1e-3",
        "optimizer.schedule=constant",
    )
    run(folder)
    told = [
        {
            "prompt": row["prompt"],
            "chosen": [{"role": "assistant", "content": row["chosen"]["reply"] + support.END}],
            "rejected": [{"role": "assistant", "content": row["rejected"]["reply"] + support.END}],
        }
        for row in open_data(str(pairs))
    ]
    arguments = DPOConfig(
        output_dir=str(tmp_path / "trl"),
        per_device_train_batch_size=2,
        gradient_accumulation_steps=2,
        num_train_epochs=1,
        learning_rate=1e-3,
        lr_scheduler_type="constant",
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        report_to=[],
        logging_steps=1,
        seed=0,
        data_seed=0,
        save_strategy="no",
        disable_tqdm=True,
    )
    tokenizer = AutoTokenizer.from_pretrained(model)
    trainer = DPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(model), processing_class=tokenizer, args=arguments,
        train_dataset=Dataset.from_list(told),
    )  # fmt: skip
    trainer.train()
    theirs = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert support.values(folder, "loss") == pytest.approx(theirs, abs=1e-6)


def test_the_losses_of_pairs_are_scoreflows():
    import torch

    from engine.variants.scoreflow_pairs import score_dpo_loss
    from training.trainers.dpo import loss_of

    r_w, r_l, s_w, s_l = [0.3, -2.0, 5.0], [0.1, 1.0, -4.0], [1.0, 0.7, 0.4], [0.0, 0.6, 0.1]
    columns = {
        "score_chosen": torch.tensor(s_w),
        "score_rejected": torch.tensor(s_l),
        "weight": torch.tensor([2.0, 0.5, 0]),
    }
    chosen, rejected = torch.tensor(r_w), torch.tensor(r_l)
    assert loss_of("score", 0.1)(chosen, rejected, columns).mean().item() == pytest.approx(
        score_dpo_loss(r_w, r_l, s_w, s_l, beta=0.1), abs=1e-6
    )
    plain = [math.log1p(math.exp(-0.1 * (w - r))) for w, r in zip(r_w, r_l, strict=True)]
    assert loss_of("weighted", 0.1)(chosen, rejected, columns).tolist() == pytest.approx(
        [2 * plain[0], 0.5 * plain[1], 0.0], abs=1e-6
    )


def _nll(network, ids, labels) -> float:
    import torch

    with torch.no_grad():
        logs = network(torch.tensor([ids])).logits[0].log_softmax(-1)
    return -sum(float(logs[n, label]) for n, label in enumerate(labels[1:]) if label != IGNORED)


def test_a_step_that_outlasts_the_grace_is_given_up_where_nothing_changes(tmp_path):
    from training import recipes
    from training.trainers.hooks import Hooks, StoppedError

    def stopped(step_seconds: float) -> bool:
        hooks = Hooks(recipes.load("grpo-embedded"), tmp_path, None, grace_s=30.0)
        hooks.on_step_begin(None, None, None)  # type: ignore[arg-type]
        hooks.step_seconds = step_seconds
        with hooks.listening():
            os.kill(os.getpid(), signal.SIGTERM)  # outside of rollouts: never in the middle of a change
            try:
                with hooks.can_leave():
                    os.kill(os.getpid(), signal.SIGTERM)
            except StoppedError:
                return True
        assert hooks.stopping
        return False

    assert stopped(100.0)
    assert not stopped(5.0)


def test_a_reward_that_rises_without_the_score_on_test_is_noticed(tmp_path):
    from training.trainers.probe import HackingWatch

    watch = HackingWatch(tmp_path / "progress.jsonl")
    assert watch.add(0.50, 0.40) is None
    assert watch.add(0.52, 0.30) is None  # the reward has hardly risen
    assert watch.add(0.70, 0.45) is None  # both have
    assert "from 0.500 to 0.700" in (watch.add(0.70, 0.40) or "")
    line = {"kind": "step", "values": {"probe_test_mean": 0.4, "probe_reward_mean": 0.5}}
    (tmp_path / "progress.jsonl").write_text('{"kind": "start"}\n' + json.dumps(line) + "\n")
    assert HackingWatch(tmp_path / "progress.jsonl").add(0.8, 0.1) is not None
