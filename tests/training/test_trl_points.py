"""The private points of TRL that trainers stand on: a release that moves one fails here."""

from __future__ import annotations

import inspect
import math
import random
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tests.support import training as support
from tests.support.missing import needs
from training.trainers.trl_points import Checkpointing, TrainedRow, rows_trainer

needs("trl")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return support.small_model(tmp_path_factory.mktemp("model"))


def test_the_release_is_the_one_that_was_read():
    assert version("trl").startswith("1.16.")


@pytest.mark.parametrize(
    ("module", "owner", "name", "parameters"),
    [
        ("transformers", "Trainer", "_save_checkpoint", ["self", "model", "trial"]),
        ("transformers", "Trainer", "_load_from_checkpoint", ["self", "resume_from_checkpoint", "model"]),
        ("transformers", "Trainer", "create_scheduler", ["self", "num_training_steps", "optimizer"]),
        ("trl", "GRPOTrainer", "_generate_and_score_completions", ["self", "inputs"]),
        ("trl", "GRPOTrainer", "_compute_loss", ["self", "model", "inputs"]),
        (
            *("trl", "GRPOTrainer", "_generate_single_turn"),
            ["self", "prompt_ids", "images", "multimodal_fields", "num_generations", "has_tool_images"],
        ),
        ("trl", "DPOTrainer", "_compute_loss", ["self", "model", "inputs", "return_outputs"]),
        ("trl", "DPOTrainer", "compute_ref_log_probs", ["self", "model", "inputs"]),
        ("trl", "DPOTrainer", "_precompute_ref_logps", ["self", "dataset", "name", "batch_size"]),
        ("trl", "DPOTrainer", "_set_signature_columns_if_needed", ["self"]),
    ],
)
def test_a_point_is_where_it_was(module, owner, name, parameters):
    method = getattr(getattr(__import__(module), owner), name)
    assert list(inspect.signature(method).parameters) == parameters


@pytest.mark.parametrize("schedule", ["constant", "cosine", "linear"])
@pytest.mark.parametrize(("steps", "warm_up"), [(1, 0), (2, 1), (10, 0), (10, 1), (10, 4), (10, 9)])
def test_no_step_has_a_rate_of_zero(tmp_path, schedule, steps, warm_up):
    """Warm-up in equal parts to the full rate, then the curve, which is zero only after the last step."""
    import torch
    from transformers import Trainer, TrainingArguments

    class Bare(Checkpointing, Trainer):
        pass

    kind = {"constant": "constant_with_warmup"}.get(schedule, schedule)
    arguments: Any = {"warmup_steps": warm_up, "lr_scheduler_type": kind, "learning_rate": 2.0}
    trainer = Bare(
        torch.nn.Linear(1, 1), TrainingArguments(str(tmp_path), use_cpu=True, report_to=[], **arguments)
    )
    trainer.create_optimizer()
    scheduler = trainer.create_scheduler(steps)
    assert trainer.create_scheduler(steps) is scheduler
    rates = []
    for _ in range(steps):
        rates.append(scheduler.get_last_lr()[0])
        trainer.optimizer.step()
        scheduler.step()
    peak = max(warm_up, 1) - 1  # the first step at the full rate, from 0

    def share(step: int) -> float:
        if step <= peak:
            return (step + 1) / (peak + 1)
        gone = (step - peak) / (steps - peak)
        curves = {"constant": 1.0, "linear": 1 - gone, "cosine": 0.5 + 0.5 * math.cos(math.pi * gone)}
        return curves[schedule]

    assert rates == pytest.approx([2 * share(step) for step in range(steps)])
    assert min(rates) > 0


def test_what_is_only_named_in_the_source_is_still_there():
    from trl import DPOTrainer, GRPOTrainer

    source = inspect.getsource(GRPOTrainer)
    for words in (
        "self.vllm_generation.sync_weights()",
        "self._last_loaded_step",
        'pop("env_mask"',
        "self.eos_token_ids",
        'per_token_loss * inputs["importance_sampling_ratio"]',
        "if self.use_vllm and self.vllm_importance_sampling_correction",
    ):
        assert words in source
    source = inspect.getsource(DPOTrainer)
    for words in (
        "self._total_train_tokens",
        "self._metrics[mode]",
        '"ref_chosen_logps"',
        "precompute_ref_log_probs",
        "dataset._get_cache_file_path(",
    ):
        assert words in source


def made_rows(count: int, seed: int) -> list[TrainedRow]:
    """Rows of different lengths; the middle of each completion is what the policy was told."""
    draw, rows = random.Random(seed), []
    for _ in range(count):
        prompt = [draw.randrange(4, 250) for _ in range(draw.randrange(3, 20))]
        parts = [draw.randrange(2, 6) for _ in range(3)]
        mask = [1] * parts[0] + [0] * parts[1] + [1] * parts[2]
        advantages = [1.5] * parts[0] + [9.0] * parts[1] + [draw.uniform(-3, 0)] * parts[2]
        completion, logps = [draw.randrange(4, 250) for _ in mask], [-5.5] * len(mask)
        rows.append(TrainedRow(prompt, completion, advantages, mask, logps))
    return rows


def trainer_of(
    model: Path,
    folder: Path,
    rows: list[TrainedRow],
    beta: float = 0.0,
    *,
    corrects: bool = False,
    **more: Any,
) -> Any:
    from datasets import Dataset
    from trl import GRPOConfig

    arguments = GRPOConfig(
        output_dir=str(folder),
        use_cpu=True,
        bf16=False,
        report_to=[],
        save_strategy="no",
        per_device_train_batch_size=2,
        gradient_accumulation_steps=2,
        steps_per_generation=2,
        num_generations=4,
        max_steps=1,
        beta=beta,
        loss_type="dapo",
        temperature=0.8,
        logging_steps=1,
        disable_tqdm=True,
        gradient_checkpointing=False,
        max_grad_norm=0.0,
        **more,
    )
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return rows_trainer(lambda inputs: rows, corrects=corrects)(
        model=AutoModelForCausalLM.from_pretrained(model),
        processing_class=AutoTokenizer.from_pretrained(model),
        args=arguments,
        train_dataset=Dataset.from_dict({"prompt": ["", ""], "number": [0, 1]}),
    )


@pytest.mark.parametrize("count", [1, 4, 7])
def test_the_loss_of_rows_is_that_of_plain_python(tmp_path, model, count):
    """Also where their number does not divide: rows that fill up count for nothing."""
    rows = made_rows(count, count)
    trainer = trainer_of(model, tmp_path, rows)
    trainer.train()
    loss = next(entry["loss"] for entry in trainer.state.log_history if "loss" in entry)
    weighed = sum(a * m for row in rows for a, m in zip(row.advantages, row.mask, strict=True))
    tokens = sum(sum(row.mask) for row in rows)
    assert loss == pytest.approx(-weighed / tokens, abs=1e-5)


def test_no_rows_at_all_change_nothing(tmp_path, model):
    import torch

    trainer = trainer_of(model, tmp_path, [])
    before = {name: value.clone() for name, value in trainer.model.named_parameters()}
    trainer.train()
    assert all(torch.equal(before[name], value) for name, value in trainer.model.named_parameters())


def test_the_gradient_is_that_of_the_advantages_and_zero_elsewhere(tmp_path, model):
    """-sum A log pi at the sampling temperature, by one plain forward pass for each row."""
    import torch

    rows = made_rows(3, 5)
    trainer = trainer_of(model, tmp_path, rows)
    found: dict[str, Any] = {}

    def keep(optimizer: Any, *args: Any) -> None:
        found.update(
            {name: p.grad.clone() for name, p in trainer.model.named_parameters() if p.grad is not None}
        )

    from transformers import AutoModelForCausalLM

    trainer.create_optimizer()
    trainer.optimizer.register_step_pre_hook(keep)
    trainer.train()
    plain = AutoModelForCausalLM.from_pretrained(model)
    tokens = sum(sum(row.mask) for row in rows)
    for row in rows:
        ids = torch.tensor([[*row.prompt, *row.completion]])
        logs = (plain(ids).logits[0, len(row.prompt) - 1 : -1] / 0.8).log_softmax(-1)
        chosen = logs[range(len(row.completion)), list(row.completion)]
        weights = torch.tensor([a * m for a, m in zip(row.advantages, row.mask, strict=True)])
        (-(chosen * weights).sum() / tokens).backward()
    for name, parameter in plain.named_parameters():
        assert torch.allclose(found[name], parameter.grad, atol=1e-4, rtol=1e-3), name


@pytest.mark.parametrize("level", ["token", "sequence"])
def test_what_another_policy_sampled_is_weighed_by_the_ratio_cut_at_its_most(tmp_path, model, level):
    """-sum min(pi / mu, cap) A, at the sampling temperature, over the tokens that the policy wrote."""
    import torch

    more = {
        "vllm_importance_sampling_mode": f"{level}_truncate",
        "vllm_importance_sampling_clip_max": 1.5,
    }
    from transformers import AutoModelForCausalLM

    plain, draw = AutoModelForCausalLM.from_pretrained(model), random.Random(3)
    rows, weighed, cut = [], 0.0, 0
    for row in made_rows(4, 9):
        ids = torch.tensor([[*row.prompt, *row.completion]])
        with torch.no_grad():
            logs = (plain(ids).logits[0, len(row.prompt) - 1 : -1] / 0.8).log_softmax(-1)
        mine = logs[range(len(row.completion)), list(row.completion)]
        mask = torch.tensor(row.mask)
        gaps = torch.tensor([draw.uniform(-0.7, 0.7) for _ in row.mask])
        rows.append(replace(row, logps=(mine - gaps).tolist()))
        ratios = (gaps if level == "token" else (gaps * mask).sum().expand(len(mask))).exp()
        cut += int((ratios * mask > 1.5).sum())
        weighed += float((ratios.clamp(max=1.5) * torch.tensor(row.advantages) * mask).sum())
    trainer = trainer_of(model, tmp_path, rows, corrects=True, **more)
    trainer.train()
    tokens = sum(sum(row.mask) for row in rows)
    loss = next(entry["loss"] for entry in trainer.state.log_history if "loss" in entry)
    assert loss == pytest.approx(-weighed / tokens, rel=1e-4)
    assert 0 < cut < tokens, "the sample should have ratios that are cut, and others"


def test_per_rollout_is_a_mean_of_means():
    from training.trainers.collecting import per_rollout

    rollouts = [made_rows(1, 1), made_rows(3, 2), [TrainedRow([1], [2, 3], [4.0, 4.0], [0, 0], [0.0, 0.0])]]
    tokens = sum(sum(row.mask) for rows in rollouts for row in rows)
    weighed = [per_rollout(rows, tokens, 2) for rows in rollouts]

    def total(rows: list[TrainedRow]) -> float:
        return sum(a * m for row in rows for a, m in zip(row.advantages, row.mask, strict=True))

    means = [total(rows) / sum(sum(row.mask) for row in rows) for rows in rollouts[:2]]
    assert sum(map(total, weighed)) / tokens == pytest.approx(sum(means) / 2)
