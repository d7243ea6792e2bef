"""An estimate of what an experiment will take, from what earlier runs took."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from store.costs import RunCost
    from tui.service.experiments.prepare import PreparedExperiment


def estimate(store: Path, experiment: PreparedExperiment) -> list[dict[str, Any]]:
    """What each variant's remaining trials may take, one dictionary per variant.

    Means of earlier runs, or where there are none the upper bounds of the variant (`is_bound`). Keys:
    `label`, `runs`, `earlier_runs`, `search` (None, "estimated" or "unknown"), and for each role
    `ROLE_calls`, `ROLE_tokens_in` and `ROLE_tokens_out`; `cost_usd`. None is unknown. `leaks` are sentences
    about problems that the variant has seen (`store.leaks`). Raises StoreError.
    """
    from store.reader import Reader

    with Reader(store) as reader:
        attempts = {} if experiment.is_new else reader.experiments.attempts(experiment.plan.name)
        return [_estimate(reader, experiment, label, attempts) for label in experiment.plan.variants]


def _estimate(
    reader: Any, experiment: PreparedExperiment, label: str, attempts: dict[str, Any]
) -> dict[str, Any]:
    contestant, plan = experiment.contestants[label], experiment.plan
    todo = [k for k in plan.trials() if k.label == label]
    runs = sum(1 for k in todo if (a := attempts.get(str(k))) is None or not a.is_done)
    mean: RunCost | None = reader.costs.of_runs(
        variant=contestant.config.variant,
        meta_agent=contestant.meta_agent,
        worker=contestant.worker,
        config=contestant.config.to_json(),
        problems=plan.problems,
    )
    row: dict[str, Any] = {"label": label, "runs": runs, "earlier_runs": mean.runs if mean else 0}
    row["leaks"] = list(experiment.leaks.get(label, ()))
    search = contestant.variant.search is not None and label not in experiment.found
    first = reader.costs.of_searches(label, contestant.meta_agent, contestant.worker) if search else None
    row["search"] = None if not search else "estimated" if first else "unknown"
    if mean is not None:
        for role in ("meta", "worker"):
            each, once = asdict(getattr(mean, role)), asdict(getattr(first, role)) if first else {}
            for key in ("calls", "tokens_in", "tokens_out"):
                row[f"{role}_{key}"] = round(each[key] * runs + once.get(key, 0))
        once_usd = first.cost_usd if first else None if search else 0.0
        row["cost_usd"] = (
            None if mean.cost_usd is None or once_usd is None else mean.cost_usd * runs + once_usd
        )
        row["is_bound"] = False
        return row
    bound = contestant.variant.most_calls
    meta, worker = bound(contestant.config) if bound else (None, None)
    most = contestant.config.budget.model_calls
    for role, calls in (("meta", meta), ("worker", worker)):
        limit = most if calls is None else calls if most is None else min(calls, most)
        row[f"{role}_calls"] = None if limit is None else limit * runs
        row[f"{role}_tokens_in"] = row[f"{role}_tokens_out"] = 0 if limit == 0 else None
    row["cost_usd"] = None
    row["is_bound"] = True
    return row
