"""A checkpoint against its base: the variants of an experiment that compares them, and which one did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


def compared_in(
    experiments: Sequence[ExperimentRow], job_id: str, step: int, base: str, made: Mapping[int, float]
) -> list[str]:
    """The names of the experiments that compare the checkpoint with its base: the newest that has both, else
    one with the checkpoint and one with `base` on the same problems, the base's first; none where there are
    none.

    `made` has the time at which each checkpoint was complete, by step, in Unix seconds: a variant that names
    the job without a step had the newest of its time.
    """
    with_it = [row for row in experiments if _uses(row, job_id, step, made)]
    for row in with_it:
        if len(row.variants) > 1:
            return [row.name]
    for row in with_it:
        wanted = {
            (base, rest) for model, rest in _contestants(row) if model.partition("@")[0] == f"job:{job_id}"
        }
        for other in experiments:
            same = other.plan["digest"] == row.plan["digest"] and other.name != row.name
            if same and wanted.intersection(_contestants(other)):
                return [other.name, row.name]
    return []


def _uses(row: ExperimentRow, job_id: str, step: int, made: Mapping[int, float]) -> bool:
    """Whether one of its variants uses the checkpoint."""
    newest = max((s for s, time in made.items() if time <= row.started_at), default=None)
    names = {model_name(job_id, step)} | ({f"job:{job_id}"} if newest == step else set())
    return any(model in names for model, _ in _contestants(row))


def _contestants(row: ExperimentRow) -> list[tuple[str, str]]:
    """What each variant uses, its meta-agent or controller, and the rest of it."""
    found: list[tuple[str, str]] = []
    for spec in row.plan["variants"].values():
        parts = spec.split(",")
        models = [p for p in parts if p.partition("=")[0] in ("meta_agent", "controller")]
        model = models[0].partition("=")[2] if models else row.plan["meta_agent"]
        found.append((model, ",".join(sorted(set(parts) - set(models)))))
    return found


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
