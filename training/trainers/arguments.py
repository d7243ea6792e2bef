"""What all kinds of recipe tell Transformers in the same way."""

from __future__ import annotations

from typing import Any

from training.recipes import ModelRecipe
from training.recipes.kinds import Trained


def common(recipe: ModelRecipe, output: str) -> dict[str, Any]:
    """Keyword arguments of any TRL configuration, so far as they follow from the recipe's shared parts."""
    optimizer, hardware = recipe.optimizer, recipe.hardware
    return {
        "output_dir": output,
        "seed": recipe.seed,
        "data_seed": recipe.seed,
        "learning_rate": optimizer.learning_rate,
        "lr_scheduler_type": {"constant": "constant_with_warmup"}.get(optimizer.schedule, optimizer.schedule),
        "weight_decay": optimizer.weight_decay,
        "max_grad_norm": optimizer.max_grad_norm,
        "gradient_checkpointing": recipe.model.checkpointing,
        "bf16": hardware.precision == "bfloat16",
        "use_cpu": hardware.device == "cpu",
        # The hooks decide when to log, to measure and to save.
        "logging_strategy": "no",
        "eval_strategy": "no",
        "save_strategy": "no",
        "logging_nan_inf_filter": False,
        "report_to": [],
        "disable_tqdm": True,
        "ddp_find_unused_parameters": False,  # every pass uses all
        "ddp_timeout": 7200,  # ranks wait while another one's rollouts run
        "dataloader_pin_memory": hardware.device == "cuda",
    }


def warm_up_steps(recipe: ModelRecipe, steps: int) -> int:
    """Steps until the full rate, which the last of them has."""
    return min(round(recipe.optimizer.warm_up * steps), steps - 1)


def accumulation(recipe: Trained) -> int:
    """Forward passes of one device before a step."""
    return recipe.batch.rows // (recipe.batch.rows_at_once * recipe.hardware.processes)
