"""A cost that is not known is `?` in every table, and never a dash, a word or nothing."""

from __future__ import annotations

from pathlib import Path

from store.compare.comparison import compare
from store.reader import Reader
from tests.support.trials import FAIL, PASS, Ran, store_experiment, store_run
from tui.compare.cells import lines
from tui.compare.paper import paper_table
from tui.format import known_cost
from tui.reports.experiments import estimate_cells, estimate_total
from tui.screens.experiments.rows import experiment_row

UNPRICED = Ran(worker_usd=None)
COSTS = ("cost", "cost per pass", "cost, meta-agent", "cost, workers", "search, cost")


def cost_lines(path: Path) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    with Reader(path) as reader:
        found = compare(reader, ["e"])
    return {line.title: (line.values, line.deltas) for line in lines(found) if line.title in COSTS}


def test_a_comparison_of_a_side_without_prices(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store_experiment(path, "e", {"a": {"p": [UNPRICED], "q": [UNPRICED]}, "b": {"p": [PASS], "q": [FAIL]}})
    origin = {"experiment": "e", "trial": '["search", "a"]', "stage": "search"}
    store_run(path, "search", UNPRICED, origin=origin)
    assert cost_lines(path) == {
        "cost": (("?", "$0"), ("?",)),
        "cost per pass": (("?", "$0"), ()),
        "cost, meta-agent": (("$0", "$0"), ("±$0",)),
        "cost, workers": (("?", "$0"), ("?",)),
        "search, cost": (("?", "–"), ()),
    }
    with Reader(path) as reader:
        row = paper_table(compare(reader, ["e"]), "markdown").splitlines()[2]
        assert row.split("|")[8].strip() == "?"
        assert experiment_row(reader.experiments.named("e"), None).cells[6][0] == "?"


def test_where_no_price_is_known_the_lines_stay_and_where_nothing_ran_there_is_a_dash(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store_experiment(path, "e", {"a": {"p": [UNPRICED]}, "b": {"p": [UNPRICED]}})
    assert cost_lines(path)["cost"] == (("?", "?"), ("?",))
    store_experiment(tmp_path / "two.db", "e", {"a": {"p": [UNPRICED]}, "b": {}})
    assert cost_lines(tmp_path / "two.db")["cost"] == (("?", "–"), ("–",))
    store_experiment(
        tmp_path / "three.db", "e", {"a": {"p": [FAIL]}, "b": {"p": [Ran("failed", worker_usd=0.5)]}}
    )
    # Nothing passed: there is no such cost, whatever is known of the prices.
    assert cost_lines(tmp_path / "three.db")["cost per pass"] == (("–", "–"), ())


def test_an_estimate_and_what_is_spent_so_far() -> None:
    row = {"label": "v", "runs": 3, "is_bound": True, "search": None, "earlier_runs": 0, "cost_usd": None}
    row |= {
        f"{role}_{what}": None for role in ("meta", "worker") for what in ("calls", "tokens_in", "tokens_out")
    }
    assert estimate_cells(row)[4:7] == ("?", "?", "?")
    assert estimate_total([row]) == "3 runs, estimated cost ?"
    assert known_cost(0.02, is_all=True) == "$0.0200" and known_cost(0.02, is_all=False) == "$0.0200+"
    assert known_cost(0.0, is_all=True) == "$0" and known_cost(0.0, is_all=False) == "?"
