"""Score-DPO: preference pairs whose scores weigh in the loss (ScoreFlow, Wang et al., 2025, Section 3.3)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.config import Settings
from sandbox.errors import UsageError
from training.data.rows import open_data, pairs
from training.recipes import DPORecipe
from training.recipes.base import load_model, load_tokenizer, peft_config, source_of
from training.recipes.plan import steps_of
from training.trainers.arguments import accumulation, common, warm_up_steps
from training.trainers.hooks import Hooks
from training.trainers.trl_points import PAIR_COLUMNS, PairLoss, preference_collator, preference_trainer


def make(recipe: DPORecipe, run_folder: Path, settings: Settings, hooks: Hooks) -> Any:
    """The trainer of a recipe. Raises ExpectedError: data, model or hardware cannot be used."""
    from datasets import Dataset
    from trl.trainer.dpo_config import DPOConfig

    tokenizer = load_tokenizer(recipe.model, settings)
    found = pairs(open_data(recipe.data.path), tokenizer, recipe.data.max_length)
    if recipe.preference.loss != "dpo" and any(found[0][name] is None for name in PAIR_COLUMNS):
        raise UsageError(
            f"preference.loss is {recipe.preference.loss!r} and the pairs have no {', '.join(PAIR_COLUMNS)}: "
            "build the set again, or set preference.loss=dpo"
        )
    model = load_model(recipe, source_of(recipe.model, settings), tokenizer)
    beta = recipe.preference.beta
    trainer: Any = preference_trainer(loss_of(recipe.preference.loss, beta))(
        model=model,
        processing_class=tokenizer,
        args=DPOConfig(
            **common(recipe, str(run_folder)),
            per_device_train_batch_size=recipe.batch.rows_at_once,
            gradient_accumulation_steps=accumulation(recipe),
            num_train_epochs=recipe.epochs,
            max_steps=recipe.max_steps or -1,
            max_length=None,  # longer rows were refused: nothing is cut
            beta=beta,
            precompute_ref_log_probs=True,  # once for each row, and no second model in memory
        ),
        train_dataset=Dataset.from_list(
            [{column: value for column, value in row.items() if value is not None} for row in found]
        ),
        data_collator=preference_collator(tokenizer.pad_token_id),
        peft_config=peft_config(recipe),
        callbacks=[hooks],
    )
    trainer.save = hooks.save
    trainer.args.warmup_steps = warm_up_steps(recipe, steps_of(recipe, len(found)))
    hooks.trainer = trainer
    parts = ("prompt_ids", "chosen_ids", "prompt_ids", "rejected_ids")
    hooks.facts = {"rows": len(found), "tokens": sum(len(row[part]) for row in found for part in parts)}
    return trainer


def loss_of(name: str, beta: float) -> PairLoss:
    """The loss of each pair, a (pairs,) tensor, by its name in recipes.

    `score`: -log sigma(beta (s_w r_w - (1 - s_l) r_l)); `weighted`: weight · -log sigma(beta (r_w - r_l));
    `dpo`: the same without the weight. With s_w = 1 and s_l = 0, or a weight of 1, all three are equal.
    """
    from torch.nn.functional import logsigmoid

    def score(chosen: Any, rejected: Any, columns: Mapping[str, Any]) -> Any:
        s_w, s_l = columns["score_chosen"], columns["score_rejected"]
        return -logsigmoid(beta * (s_w * chosen - (1 - s_l) * rejected))

    def weighted(chosen: Any, rejected: Any, columns: Mapping[str, Any]) -> Any:
        return columns["weight"] * -logsigmoid(beta * (chosen - rejected))

    def plain(chosen: Any, rejected: Any, columns: Mapping[str, Any]) -> Any:
        return -logsigmoid(beta * (chosen - rejected))

    return {"score": score, "weighted": weighted, "dpo": plain}[name]
