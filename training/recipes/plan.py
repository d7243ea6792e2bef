"""What a recipe would take, before anything is trained: rows, steps, memory, time and disk."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import Any

from engine.config import Settings
from engine.config import load as load_settings
from engine.operators.own import load_set
from training.recipes.kinds import DPORecipe, GRPORecipe, ModelRecipe, Recipe, SFTRecipe, Trained
from training.recipes.launch import argv
from training.recipes.maas import MaASRecipe
from training.rollouts.server import command

_BYTES = {"float32": 4, "bfloat16": 2}
_A100 = 312e12  # dense bf16 FLOP/s, NVIDIA's data sheet
_USED = 0.4  # of it; what well-tuned dense training reaches


@dataclass(frozen=True)
class Estimate:
    """A number, its unit, and what it is based on."""

    value: float
    unit: str
    basis: str


@dataclass(frozen=True)
class Plan:
    """`argv` is the job's command. `rows`, `tokens` and `longest` are None without a data set, the latter two
    also with one of problems.

    With packing, `steps` is the least there can be. `memory` is of one device, `disk` of the run directory
    at its fullest.
    """

    recipe: Recipe
    argv: list[str]
    steps: int | None
    rows: int | None = None
    tokens: int | None = None
    longest: int | None = None
    estimates: dict[str, Estimate] = field(default_factory=dict)


def plan(recipe: Recipe, run_folder: str = "RUN_DIR", settings: Settings | None = None) -> Plan:
    """Read the data set and the base's configuration, and estimate.

    Loads no weights. Raises ExpectedError: the data set, the base or an operator set cannot be used as the
    recipe says.
    """
    settings = settings or load_settings()
    if isinstance(recipe, GRPORecipe):
        for name in filter(None, (*recipe.rollouts.operators, recipe.rollouts.held_out)):
            load_set(name)
    rows = tokens = longest = None
    if recipe.data.path:
        lengths = _lengths(recipe, settings)
        rows = len(lengths)
        if isinstance(recipe, Trained):  # of problems nobody knows yet what will be written
            tokens, longest = sum(lengths), max(lengths)
    at_once = rows
    if isinstance(recipe, SFTRecipe) and recipe.data.packing and tokens is not None:
        at_once = math.ceil(tokens / recipe.data.max_length)
    steps = _steps(recipe, at_once)
    if not isinstance(recipe, ModelRecipe):  # a controller's few weights are no matter
        return Plan(recipe, argv(run_folder), steps, rows, tokens, longest)
    model = _Shape.of(recipe, settings)
    estimates = {"memory": _memory(recipe, model, longest), "disk": _disk(recipe, model)}
    if steps is not None and tokens is not None and isinstance(recipe, Trained):
        passes = recipe.epochs if recipe.max_steps is None else steps * recipe.batch.rows / (rows or 1)
        estimates["time"] = _time(recipe, model, tokens * passes)
    if isinstance(recipe, GRPORecipe) and recipe.generation.backend == "vllm-server":
        estimates["weights"] = _sent(recipe, model, run_folder)
    return Plan(recipe, argv(run_folder), steps, rows, tokens, longest, estimates)


def _sent(recipe: GRPORecipe, model: _Shape, run_folder: str) -> Estimate:
    """The policy's weights on their way to its server."""
    given, size = recipe.generation, model.parameters * _BYTES[recipe.model.weights] / 1e9
    how = command(recipe.model.base.removeprefix("hf:"), recipe.data.max_length, given.server)
    steps = "each step" if given.every == 1 else f"each {given.every} steps"
    basis = (
        f"written to {given.weights or run_folder} for the server at {given.server} after {steps}; twice as "
        f"much disk while it reads them; start it with: {how}"
    )
    return Estimate(size, "GB", basis)


def _lengths(recipe: Recipe, settings: Settings) -> list[int]:
    from training.data.rows import open_data, pairs, problems_of, sft_rows
    from training.recipes.base import load_tokenizer

    data = open_data(recipe.data.path)
    if not isinstance(recipe, ModelRecipe):
        return [0] * len(problems_of(data))
    tokenizer = load_tokenizer(recipe.model, settings)
    if isinstance(recipe, SFTRecipe):
        return [len(row.ids) for row in sft_rows(data, tokenizer, recipe.data.max_length)]
    if isinstance(recipe, DPORecipe):
        return [
            len(pair["chosen_ids"]) + len(pair["rejected_ids"]) + 2 * len(pair["prompt_ids"])
            for pair in pairs(data, tokenizer, recipe.data.max_length)
        ]
    return [0] * len(problems_of(data))  # queries: how long their calls are is not known before


def _steps(recipe: Recipe, rows: int | None) -> int | None:
    if isinstance(recipe, GRPORecipe):
        return recipe.steps
    if isinstance(recipe, MaASRecipe):
        return None if rows is None else recipe.repetitions * math.ceil(rows / recipe.batch)
    if not isinstance(recipe, Trained) or (recipe.max_steps is None and rows is None):
        return None
    return recipe.max_steps or steps_of(recipe, rows or 0)


def steps_of(recipe: Trained, rows: int) -> int:
    """Optimiser steps over unpacked rows; the last, smaller batch of an epoch is a step too."""
    return recipe.max_steps or max(1, math.ceil(math.ceil(rows / recipe.batch.rows) * recipe.epochs))


@dataclass(frozen=True)
class _Shape:
    parameters: int
    layers: int
    width: int
    vocabulary: int

    @classmethod
    def of(cls, recipe: ModelRecipe, settings: Settings) -> _Shape:
        """From the base's configuration alone. Raises ModelError and UsageError."""
        import torch
        from transformers import AutoConfig, AutoModelForCausalLM

        from engine.models.base import ModelError
        from training.recipes.base import check_context, source_of

        source = source_of(recipe.model, settings)
        try:
            config: Any = AutoConfig.from_pretrained(source, trust_remote_code=False)
            with torch.device("meta"):
                model: Any = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
        except (OSError, ValueError) as error:
            line = (str(error).splitlines() or [""])[0][:300]
            raise ModelError(
                "not-found", f"{recipe.model.base}: cannot read its configuration: {line}"
            ) from None
        check_context(recipe, config)
        text = config.get_text_config()
        count = sum(parameter.numel() for parameter in model.parameters())
        return cls(count, text.num_hidden_layers, text.hidden_size, text.vocab_size)


def _memory(recipe: ModelRecipe, model: _Shape, longest: int | None) -> Estimate:
    weights = _BYTES[recipe.model.weights]
    trained = _adapter(recipe, model) if recipe.lora.enabled else model.parameters
    parts = recipe.hardware.processes if recipe.hardware.sharding != "none" else 1
    state = (model.parameters * weights + trained * 3 * weights) / parts
    tokens = recipe.at_once[1] * (longest or recipe.data.max_length)
    # A layer keeps its input where it is computed again, else about 16 tensors of its width
    # (Korthikanti et al., 2022).
    width = model.width * _BYTES[recipe.hardware.precision]
    activations = tokens * width * (model.layers + 16 if recipe.model.checkpointing else 16 * model.layers)
    basis = (
        f"{model.parameters / 1e6:,.1f} M parameters in {recipe.model.weights}, {trained / 1e6:,.1f} M "
        f"trained (gradient and two moments), divided by {parts}; activations of {tokens:,} tokens; kernels, "
        "caches and PyTorch itself not counted; arithmetic, not measured"
    )
    return Estimate((state + activations) / 1e9, "GB a device", basis)


def _adapter(recipe: ModelRecipe, model: _Shape) -> int:
    """About seven linear layers of the model's width in each layer."""
    return 7 * 2 * model.layers * model.width * recipe.lora.rank


def _disk(recipe: ModelRecipe, model: _Shape) -> Estimate:
    weights = _BYTES[recipe.model.weights]
    trained = _adapter(recipe, model) if recipe.lora.enabled else model.parameters
    kept = recipe.checkpoints.keep + 2  # the best, and the one that is being written
    basis = (
        f"{kept} checkpoints (the newest {recipe.checkpoints.keep}, the best, one being written), each with "
        "the weights and two moments of what is trained"
    )
    return Estimate(kept * weights * (model.parameters + 2 * trained) / 1e9, "GB", basis)


def _time(recipe: ModelRecipe, model: _Shape, tokens: float) -> Estimate:
    operations = (8 if recipe.model.checkpointing else 6) * model.parameters * tokens
    if recipe.hardware.device == "cpu":
        speed, basis = (
            _measured_speed() / 3,
            "a third of this machine's speed at matrix products, measured now",
        )
    else:
        speed = _USED * _A100 * recipe.hardware.processes
        basis = (
            f"{recipe.hardware.processes} × {_USED:.0%} of an A100's {_A100 / 1e12:.0f} TFLOP/s; not measured"
        )
    basis = f"{tokens:,.0f} tokens at {operations / tokens:,.0f} operations each; {basis}"
    return Estimate(operations / speed, "s", basis)


def _measured_speed() -> float:
    """FLOP/s of one core at products of small matrices."""
    import torch

    square = torch.rand(256, 256)
    began, count = time.thread_time(), 0
    while time.thread_time() - began < 0.1:
        torch.mm(square, square)
        count += 1
    return count * 2 * 256**3 / (time.thread_time() - began)
