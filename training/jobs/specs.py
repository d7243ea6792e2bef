"""What to run for a recipe."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from engine.paths import expanded
from training.jobs.directory import RUN_DIR, JobError, JobSpec, ours

if TYPE_CHECKING:
    from engine.host_config import Host
    from training.recipes.kinds import ModelRecipe, Recipe


_PACKAGES = ("torch", "transformers", "datasets", "trl", "peft")
TRAINER = ours("training.trainers", RUN_DIR)


def training_spec(
    recipe: Recipe,
    name: str,
    *,
    gpus: tuple[int, ...] | None = None,
    host: Host | None = None,
    jobs: Path | None = None,
    parent: str | None = None,
) -> JobSpec:
    """The job that trains what `recipe` says; on `host` if it is to run elsewhere.

    `gpus` are those to take; by default as many as the recipe has processes. `jobs` is the folder of jobs
    that a base of `job:ID` is looked for in.

    Raises:
        JobError: packages or the data set are missing, there are fewer GPUs than processes, or a Ray cluster
            is to divide the model.
        UsageError: the base is no model with weights.
        ModelError: the base names a folder or a checkpoint that is not there.
    """
    from training.recipes.kinds import ModelRecipe, Trained  # a recipe's parts take a while to load
    from training.recipes.maas import MaASRecipe

    if host is None and (lacking := [name for name in _PACKAGES if find_spec(name) is None]):
        raise JobError(f"training needs {', '.join(lacking)}: pip install 'flowreasoner[train]'")
    if isinstance(recipe, Trained | MaASRecipe) and not expanded(recipe.data.path or "/no/data").is_dir():
        missing = f"{recipe.data.path} is no folder" if recipe.data.path else "the recipe names no data set"
        raise JobError(f"{missing}: make one with `flowreasoner dataset build`, and name it with --data DIR")
    if host is not None and host.is_ray and recipe.hardware.sharding != "none":
        raise JobError(
            f"a Ray cluster cannot divide a model (hardware.sharding={recipe.hardware.sharding}): set it to "
            "none, with lora.enabled=true for a large model, or train on one host"
        )
    if host is None and isinstance(recipe, ModelRecipe):
        from engine.config import load
        from training.recipes.base import source_of

        source_of(recipe.model, load())  # refused here, no job is left that failed for it
    sends: list[Path] = []
    if host is not None:  # what it reads here is to be there, too
        places = [recipe.data.path]
        if isinstance(recipe, ModelRecipe):
            recipe = _with_folder(recipe, jobs)
            places += [recipe.model.base.partition("hf:")[2], recipe.model.chat_template or ""]
        sends = [Path(place) for place in places if place and expanded(place).exists()]
    return JobSpec(
        recipe.kind,
        name,
        TRAINER,
        gpus=gpus_for(recipe, gpus, host),
        parent=parent,
        dataset=recipe.data.path or None,
        base=recipe.model.base if isinstance(recipe, ModelRecipe) else None,
        recipe=recipe.to_toml(),
        ranks=recipe.hardware.processes,
        on_gpus=recipe.hardware.device == "cuda",
        sends=tuple(sends),
    )


def _with_folder(recipe: ModelRecipe, jobs: Path | None) -> ModelRecipe:
    """The recipe with the folder of a base that is a checkpoint. Raises ModelError: it is not there."""
    base = recipe.model.base
    if not base.startswith("job:") or jobs is None:
        return recipe
    from engine.models.checkpoints import check_is_model, checkpoint_folder

    update = {"base": f"hf:{check_is_model(base, checkpoint_folder(base, jobs))}"}
    return recipe.model_copy(update={"model": recipe.model.model_copy(update=update)})


def gpus_for(recipe: Recipe, asked: tuple[int, ...] | None, host: Host | None) -> tuple[int, ...]:
    """The numbers of the GPUs a job takes: none on a CPU, else those asked for, the host's, or the first.
    A Ray cluster chooses by itself.

    Raises JobError where there are fewer than the recipe has processes.
    """
    if host is not None and host.is_ray:
        return asked or ()  # which are refused
    if recipe.hardware.device != "cuda":
        return ()
    count = recipe.hardware.processes
    available = asked if asked is not None else tuple(host.gpus) if host is not None and host.gpus else None
    if available is None:
        return tuple(range(count))
    if len(available) < count:
        raise JobError(
            f"the recipe has hardware.processes = {count}, one for each GPU, {len(available)} are named: "
            "name more with --gpus, or set fewer processes"
        )
    return available[:count]
