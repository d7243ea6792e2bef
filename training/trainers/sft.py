"""Supervised fine-tuning (Equation 2) on rows that are tokens with labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.config import Settings
from training.data.rows import Row, held_out, open_data, sft_rows
from training.recipes import SFTRecipe
from training.recipes.base import load_model, load_tokenizer, peft_config, source_of
from training.recipes.plan import steps_of
from training.trainers.arguments import accumulation, common, warm_up_steps
from training.trainers.hooks import Hooks
from training.trainers.trl_points import Checkpointing


def make(recipe: SFTRecipe, run_folder: Path, settings: Settings, hooks: Hooks) -> Any:
    """The trainer of a recipe. Raises ExpectedError: data, model or hardware cannot be used."""
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    class Trainer(Checkpointing, SFTTrainer):
        pass

    tokenizer = load_tokenizer(recipe.model, settings)
    rows = sft_rows(open_data(recipe.data.path), tokenizer, recipe.data.max_length)
    train, aside = held_out(rows, recipe.data.held_out, recipe.seed)
    model = load_model(recipe, source_of(recipe.model, settings), tokenizer)
    arguments = SFTConfig(
        **common(recipe, str(run_folder)),
        per_device_train_batch_size=recipe.batch.rows_at_once,
        per_device_eval_batch_size=recipe.batch.rows_at_once,
        gradient_accumulation_steps=accumulation(recipe),
        num_train_epochs=recipe.epochs,
        max_steps=recipe.max_steps or -1,
        max_length=recipe.data.max_length,  # no row is longer: nothing is cut
        packing=recipe.data.packing,
    )
    trainer: Any = Trainer(
        model=model,
        processing_class=tokenizer,
        args=arguments,
        train_dataset=dataset(train),
        eval_dataset=dataset(aside) if aside else None,
        peft_config=peft_config(recipe),
        callbacks=[hooks],
    )
    trainer.save = hooks.save
    # How many rows there are is known once they are packed.
    steps = steps_of(recipe, len(trainer.train_dataset))
    trainer.args.warmup_steps = warm_up_steps(recipe, steps)
    hooks.trainer = trainer
    hooks.facts = {"rows": len(train), "tokens": sum(len(row.ids) for row in train)}
    return trainer


def dataset(rows: Sequence[Row]) -> Any:
    """Rows as TRL takes them when nothing is left to prepare."""
    from datasets import Dataset

    return Dataset.from_dict(
        {"input_ids": [list(row.ids) for row in rows], "labels": [list(row.labels) for row in rows]}
    )
