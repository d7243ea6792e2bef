"""Experiments for the screens: in a store as they went, and as an engine says they stand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.experiments.contestants import specs_by_label
from engine.experiments.plan import Plan
from engine.experiments.standing import Standing
from engine.experiments.tally import VariantState
from tests.support.trials import FAIL, PASS, Ran, store_experiment

HOSTILE = "[red]x[/] \x1b[31m \u202e [@click=app.quit]y[/]"
FLOW = "flowreasoner,rounds=2"


def plan_of(name: str = "first") -> Plan:
    ids = tuple(f"p{n}" for n in range(8))
    return Plan(name, "b", None, None, 0, 1, 3, "meta", "worker", specs_by_label(["vanilla"]), ids, (), "d")


def filled(store: Path, runs: Sequence[Ran] | None = None) -> None:
    """The experiment `first`: two variants on four problems, all done; or vanilla, its trials as given."""
    if runs is not None:
        store_experiment(store, "first", {"vanilla": {f"p{n}": [ran] for n, ran in enumerate(runs)}})
        return
    wrong = Ran("error", error=f"worker: 401 {HOSTILE}")
    went = {"vanilla": (PASS, FAIL, PASS, wrong), FLOW: (PASS, PASS, PASS, FAIL)}
    trials = {label: {f"humaneval/{n}": [ran] for n, ran in enumerate(rans)} for label, rans in went.items()}
    store_experiment(store, "first", trials, benchmark="humaneval", split="aflow-1:4")


def standing(**more: Any) -> Standing:
    """`first` with two of eight trials done."""
    values: dict[str, Any] = {
        "experiment": "first",
        "benchmark": "humaneval",
        "status": "running",
        "done": 2,
        "total": 8,
        "running": 3,
        "concurrency": 8,
        "elapsed_s": 20.0,
        "eta_s": 65.0,
        "spent_usd": 0.0123,
        "unknown_calls": 0,
        "budget_usd": None,
        "variants": (
            VariantState("vanilla", 4, 1, 1, 1.0, 0, 0, None),
            VariantState(FLOW, 4, 1, 0, 0.0, 1, 0, None),
        ),
        "waits": ("3 for local/worker",),
        "failures": {},
    }
    return Standing(**(values | more))
