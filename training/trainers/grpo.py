"""GRPO on rollouts of the engine: FlowReasoner's rounds with process rewards.

Equation 3 is TRL's clipped surrogate, min(ratio A, clip(ratio) A): as printed, clipping comes before the sign
of the advantage, which would not bound a negative one. Equation 4 is `training.rollouts.advantages`.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.benchmarks import CATALOGUE
from engine.config import Settings
from engine.models.local.chat import Chat
from engine.problems import Problem
from engine.tasks import Task
from sandbox.backends import Prefer
from sandbox.errors import UsageError
from training.data.rows import open_data, problems_of
from training.recipes import GRPORecipe
from training.recipes.base import load_model, load_tokenizer, peft_config, source_of
from training.rollouts.generators import EmbeddedGenerator, Generator
from training.rollouts.gym_process import gym_of
from training.rollouts.meter import Meter
from training.rollouts.policy import Desk
from training.rollouts.rollouts import GymThread
from training.rollouts.shared_gym import SharedGym
from training.trainers.arguments import common, warm_up_steps
from training.trainers.collecting import Collector
from training.trainers.generation import AtServer, Generation, InProcess
from training.trainers.hooks import Hooks
from training.trainers.probe import probe_of
from training.trainers.served import ServedPolicy
from training.trainers.subjects import OperatorSets, refuse_reported, reported_problems
from training.trainers.trl_points import ColocatedGenerator, TrainedRow, rows_trainer


def make(
    recipe: GRPORecipe,
    run_folder: Path,
    settings: Settings,
    hooks: Hooks,
    stack: contextlib.ExitStack,
    *,
    prefer: Prefer | None = None,
    decoder: Callable[[Generator], Generator] = lambda generator: generator,
) -> Any:
    """The trainer of a recipe; its sandbox, worker and recorder close with `stack`.

    `prefer` is the sandbox's backend, by default the settings'. `decoder` may put something of its own
    around what decodes the policy. Raises ExpectedError: data, a model, the sandbox or hardware cannot be
    used.
    """
    tokenizer = load_tokenizer(recipe.model, settings)
    data = open_data(recipe.data.path)
    problems, probe = problems_of(data), probe_of(recipe)
    reported = reported_problems(recipe.data.reported, settings.data)
    refuse_reported(problems, reported | {problem.id for problem in probe})
    for_tasks = recipe.rollouts.variant == "metaflow"
    subjects = tasks_of(data, problems, recipe) if for_tasks else problems
    if len(problems) < recipe.rollouts.queries and not for_tasks:
        raise UsageError(
            f"the data set has {len(problems)} problems, and a step takes {recipe.rollouts.queries}: "
            "add problems, or set rollouts.queries lower"
        )
    operators = OperatorSets.of(recipe.rollouts, recipe.seed)
    served = _served(recipe, run_folder, tokenizer, hooks, stack)
    model = load_model(recipe, source_of(recipe.model, settings), tokenizer)
    collectors: list[Collector] = []  # the trainer needs it, and it needs the trainer's model

    def collect(inputs: Sequence[Mapping[str, Any]]) -> list[TrainedRow]:
        return collectors[0](inputs)

    trainer: Any = rows_trainer(collect, corrects=served is not None)(
        model=model,
        processing_class=tokenizer,
        args=_arguments(recipe, run_folder),
        train_dataset=_numbers(len(subjects), recipe.rollouts.queries),
        peft_config=peft_config(recipe),
        callbacks=[hooks],
    )
    chat = Chat(recipe.model.base, tokenizer)
    gym = stack.enter_context(_gym(recipe, run_folder, chat, prefer, settings))
    hooks.meter = stack.enter_context(Meter(gym))
    at_once = recipe.rollouts.at_once
    if served is None:
        generator = decoder(_generator(recipe, trainer, tokenizer))
        generation: Generation = InProcess(gym, generator, hooks.meter, at_once, Desk())
    else:
        generation = AtServer(gym, served, at_once, recipe.generation.is_ahead)
    collectors.append(Collector(recipe, run_folder.name, subjects, operators, generation, probe, chat, hooks))
    trainer.save = hooks.save
    trainer.args.warmup_steps = warm_up_steps(recipe, recipe.steps)
    hooks.trainer = trainer
    hooks.facts = {"rows": len(problems), "tokens": None}
    return trainer


def _gym(
    recipe: GRPORecipe, run_folder: Path, chat: Chat, prefer: Prefer | None, settings: Settings
) -> GymThread | SharedGym:
    """A thread of a trainer that is alone on a CPU, where it waits for its rollouts; else one process for all
    trainers of a machine, which keeps none of them from its GPU.
    """
    from accelerate.utils import gather_object

    worker, store = recipe.rollouts.worker, run_folder / "store.db"
    prefer = prefer or settings.sandbox.backend
    if recipe.hardware.processes == 1 and recipe.hardware.device == "cpu":
        return GymThread(gym_of(worker, store, prefer, settings))
    return SharedGym(worker, store, chat, prefer, lambda mine: gather_object([mine]))


def tasks_of(data: Any, problems: Sequence[Problem], recipe: GRPORecipe) -> list[Task]:
    """A task for each benchmark of the set, that a workflow is written for as a whole.

    Raises UsageError: one has too few problems to draw instances from.
    """
    names = data["benchmark"] if "benchmark" in data.column_names else [None] * len(problems)
    by_name: dict[str, list[Problem]] = {}
    for name, problem in zip(names, problems, strict=True):
        by_name.setdefault(name or problem.kind, []).append(problem)
    for name, found in by_name.items():
        if len(found) < recipe.rollouts.instances:
            raise UsageError(
                f"the task {name} has {len(found)} problems, and a workflow is run on "
                f"{recipe.rollouts.instances}: add problems, or set rollouts.instances lower"
            )
    return [_task(name, found) for name, found in by_name.items()]


def _task(name: str, problems: Sequence[Problem]) -> Task:
    known = CATALOGUE.get(name)
    about = known.about if known else "Problems as the examples show."
    return Task(name, f"{name}: {about}", problems[0].kind, tuple(problems))


def _numbers(count: int, at_least: int) -> Any:
    """A data set of subjects by their place: TRL wants a prompt, and does not look at it."""
    from datasets import Dataset

    numbers = list(range(count)) * math.ceil(at_least / count)
    return Dataset.from_dict({"prompt": [""] * len(numbers), "number": numbers})


def _arguments(recipe: GRPORecipe, run_folder: Path) -> Any:
    from trl.trainer.grpo_config import GRPOConfig

    rollouts = recipe.rollouts
    passes = rollouts.queries * rollouts.group // (recipe.candidates_at_once * recipe.hardware.processes)
    colocated = recipe.generation.backend == "vllm-colocate"
    vllm = {
        "use_vllm": True,
        "vllm_mode": "colocate",
        "vllm_gpu_memory_utilization": recipe.generation.memory,
    }
    return GRPOConfig(
        **common(recipe, str(run_folder)),
        **(vllm if colocated else {}),
        vllm_importance_sampling_mode=f"{recipe.generation.correct}_truncate",
        vllm_importance_sampling_clip_max=recipe.generation.correct_max,
        per_device_train_batch_size=recipe.candidates_at_once,
        steps_per_generation=passes,
        gradient_accumulation_steps=passes,
        num_generations=rollouts.group,
        max_completion_length=rollouts.max_tokens,
        max_steps=recipe.steps,
        temperature=rollouts.temperature,
        top_p=rollouts.top_p,
        beta=recipe.objective.kl,
        epsilon=recipe.objective.clip,
        loss_type="dapo",  # the mean over all tokens of the step, on all ranks
        scale_rewards="none",
    )


def _served(
    recipe: GRPORecipe, run_folder: Path, tokenizer: Any, hooks: Hooks, stack: contextlib.ExitStack
) -> ServedPolicy | None:
    """The policy's copy at a server, where the recipe has one. Raises ServerError and ModelError."""
    if recipe.generation.backend != "vllm-server":
        return None
    return ServedPolicy(recipe, run_folder, Chat(recipe.model.base, tokenizer), hooks, stack)


def _generator(recipe: GRPORecipe, trainer: Any, tokenizer: Any) -> Generator:
    if recipe.generation.backend == "vllm-colocate":
        return ColocatedGenerator(trainer)
    if recipe.hardware.sharding != "none":
        raise UsageError(
            "generation.backend=embedded needs whole weights on each GPU: "
            "set hardware.sharding=none, or generation.backend=vllm-server or vllm-colocate"
        )
    return EmbeddedGenerator(trainer.accelerator.unwrap_model(trainer.model), tokenizer)
