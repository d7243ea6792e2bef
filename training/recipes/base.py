"""The model and tokenizer of a recipe, ready to train."""

from __future__ import annotations

import os
from typing import Any

from engine.config import Settings
from engine.models.base import ModelError
from engine.models.registry import local_source
from engine.paths import expanded
from sandbox.errors import UnavailableError, UsageError
from training.data.students import read_tokenizer
from training.recipes.kinds import ModelRecipe, Recipe
from training.recipes.sections import Model


def source_of(model: Model, settings: Settings) -> str:
    """The folder or hub ID of the base.

    Raises UsageError where the base has no weights to train, ModelError where its checkpoint is not there.
    """
    source = local_source(model.base, settings)
    if source is None:
        raise UsageError(
            f"model.base: {model.base!r} is no model with weights: "
            "name pocket-meta, hf:FOLDER, hf:ID or job:ID[@STEP]"
        )
    return source


def load_tokenizer(model: Model, settings: Settings) -> Any:
    """The base's tokenizer, with a chat template and a token to pad with.

    Raises:
        UsageError: it has none, and the recipe gives none.
        ModelError: it cannot be loaded.
    """
    try:
        tokenizer = read_tokenizer(source_of(model, settings))
    except ModelError as error:
        named = "" if str(error).startswith(model.base) else f"{model.base}: "
        raise ModelError(error.kind, f"{named}{error}") from None
    if model.chat_template is not None:
        tokenizer.chat_template = _template(model.chat_template)
    if not tokenizer.chat_template:
        raise UsageError(
            f"{model.base}: its tokenizer has no chat template: "
            "take an instruct model, or set model.chat_template"
        )
    if model.pad_token is not None:
        if model.pad_token not in tokenizer.get_vocab():
            raise UsageError(
                f"model.pad_token: {model.pad_token!r} is no token of {model.base}: name one of its own"
            )
        tokenizer.pad_token = model.pad_token
    if tokenizer.pad_token_id is None:
        raise UsageError(
            f"{model.base}: its tokenizer has no pad token: set model.pad_token to one of its tokens, "
            "such as an unused special one"
        )
    return tokenizer


def load_model(recipe: ModelRecipe, source: str, tokenizer: Any) -> Any:
    """The base in the recipe's type and attention, from a folder or hub ID.

    Raises ModelError and UsageError.
    """
    import torch
    from transformers import AutoModelForCausalLM

    try:
        model: Any = AutoModelForCausalLM.from_pretrained(
            source,
            dtype=getattr(torch, recipe.model.weights),
            attn_implementation=recipe.model.attention,
            trust_remote_code=False,
        )
    except ImportError as error:
        raise UsageError(f"model.attention: {_first_line(error)}: set it to sdpa") from None
    except (OSError, ValueError) as error:
        raise ModelError(
            "not-found", f"{recipe.model.base}: cannot load {source}: {_first_line(error)}"
        ) from None
    check_context(recipe, model.config)
    model.config.pad_token_id = model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model


def check_context(recipe: ModelRecipe, config: Any) -> None:
    """Raises UsageError where rows may be longer than the base, by its configuration, can read."""
    context = getattr(config.get_text_config(), "max_position_embeddings", None)
    if context is not None and recipe.data.max_length > context:
        raise UsageError(
            f"data.max_length ({recipe.data.max_length}) is more than the {context} tokens that "
            f"{recipe.model.base} can read: set it to {context} or less"
        )


def peft_config(recipe: ModelRecipe) -> Any:
    """The adapters to train, or None for all weights."""
    if not recipe.lora.enabled:
        return None
    from peft import LoraConfig

    lora = recipe.lora
    return LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.targets[0] if lora.targets == ["all-linear"] else lora.targets,
        task_type="CAUSAL_LM",
    )


def check_device(recipe: Recipe) -> None:
    """Raises UnavailableError: the recipe asks for GPUs that are not there."""
    import torch

    if recipe.hardware.device != "cuda":
        return
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    # Of several machines, each has some of the processes.
    if there < int(os.environ.get("LOCAL_WORLD_SIZE", recipe.hardware.processes)):
        count = "no GPU" if there == 0 else f"only {there}"
        raise UnavailableError(
            f"the recipe asks for {recipe.hardware.processes} GPU(s) and there is {count} here: run it on "
            "another host (--on HOST), or set hardware.device=cpu and hardware.precision=float32"
        )


def _template(path: str) -> str:
    try:
        return expanded(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"model.chat_template: {path} cannot be read: {error}") from None


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
