"""One checkpoint: the model to use, the state to resume from, and what was measured."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from training.recipes import ModelRecipe
from training.trainers.checkpoints import folder_of, fresh_of, prune, replacing, seal


def save(
    trainer: Any, recipe: ModelRecipe, run_folder: Path, merit: float | None, metrics: dict[str, Any]
) -> Path:
    """Write the checkpoint of the trainer's step and prune older ones. Every rank calls it.

    Returns the folder. Raises UnavailableError where the disk is full.
    """
    step = trainer.state.global_step
    final = folder_of(run_folder, step)
    # Gathering weights takes every rank; one of them writes, and only it renames the folder.
    state = trainer.accelerator.get_state_dict(trainer.model) if recipe.lora.enabled else None
    if not trainer.args.should_save:
        trainer.write_state(fresh_of(final))
        return final
    with replacing(final) as folder:
        trainer.write_state(folder)
        if state is not None:
            model = trainer.accelerator.unwrap_model(trainer.model)
            model.get_base_model().save_pretrained(folder, state_dict=merged(state, model))
        trainer.processing_class.save_pretrained(folder)
        values = {"step": step, "base": recipe.model.base, "merit": merit, "metrics": metrics}
        seal(folder, values | {"recipe": hashlib.sha256(recipe.to_toml().encode()).hexdigest()})
    prune(run_folder, recipe.checkpoints.keep, lambda manifest: manifest.get("merit"))
    return final


def merged(state: dict[str, Any], model: Any) -> dict[str, Any]:
    """The weights of a base with its adapters added: W + alpha / rank · B A, under the base's names.

    The live weights are not touched: adding and subtracting an adapter would not give back the same numbers.
    """
    import torch

    config = model.peft_config[model.active_adapter]
    scale = config.lora_alpha / config.r
    prefix = "base_model.model."
    out: dict[str, Any] = {}
    for name, value in state.items():
        if ".lora_" in name:
            continue
        plain = name.removeprefix(prefix).replace(".base_layer.", ".")
        if name.endswith(".base_layer.weight"):
            stem = name.removesuffix("base_layer.weight")
            a, b = (state[f"{stem}lora_{part}.{model.active_adapter}.weight"].float() for part in "AB")
            with torch.no_grad():
                out[plain] = (value.float() + scale * (b @ a)).to(value.dtype)
        else:
            out[plain] = value
    return out
