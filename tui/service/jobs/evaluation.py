"""A checkpoint against its base: the variants of an experiment that compares them, and which one did."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.errors import ExpectedError

if TYPE_CHECKING:
    from store.experiment_reader import ExperimentRow


def model_name(job_id: str, step: int) -> str:
    """The checkpoint as a model's name: `job:ID@STEP`."""
    return f"job:{job_id}@{step}"


def contestants(run_dir: Path, step: int, base: str) -> tuple[str, str]:
    """The base and the checkpoint as variants of an experiment, the base first.

    `run_dir` is the job's folder; its recipe says which variant, "flowreasoner" where it cannot be read. A
    controller of MaAS has no base; it is compared with the worker alone.
    """
    variant = _variant(run_dir)
    if variant == "maas":
        return "vanilla", f"maas,controller={model_name(run_dir.name, step)}"
    return f"{variant},meta_agent={base}", f"{variant},meta_agent={model_name(run_dir.name, step)}"


def compared_in(experiments: Sequence[ExperimentRow], job_id: str, step: int) -> str | None:
    """The name of the first of `experiments` that has the checkpoint and something to compare it with."""
    name = model_name(job_id, step)
    wanted = {f"meta_agent={name}", f"controller={name}"}
    for row in experiments:
        labels = [state.label.split(",") for state in row.variants]
        if len(labels) > 1 and any(wanted.intersection(parts) for parts in labels):
            return row.name
    return None


def experiments_of(experiments: Sequence[ExperimentRow], job_id: str) -> list[str]:
    """The names of those that have a checkpoint of the job, by whatever step, among their variants."""
    model = f"job:{job_id}"

    def names_it(label: str) -> bool:
        values = (part.partition("=") for part in label.split(","))
        return any(k in ("meta_agent", "controller") and v.partition("@")[0] == model for k, _, v in values)

    return [row.name for row in experiments if any(names_it(state.label) for state in row.variants)]


def _variant(run_dir: Path) -> str:
    """The variant that the job trains for."""
    from training.recipes import load

    try:
        recipe = load(str(run_dir / "recipe.toml"))
    except ExpectedError:
        return "flowreasoner"
    if recipe.kind == "maas":
        return "maas"
    return getattr(getattr(recipe, "rollouts", None), "variant", "flowreasoner")
