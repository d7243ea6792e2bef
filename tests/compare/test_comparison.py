"""Comparisons of stored trials against numbers worked out by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from engine.scores.metrics import pass_at_k
from engine.scores.statistics import mean_intervals, pass_rate_interval, proportion_interval
from store.compare.comparison import Comparison, compare, to_json
from store.compare.sides import CompareError
from store.errors import StoreError
from store.reader import Reader
from tests.support.trials import CODE, FAIL, PASS, Ran, Step, store_experiment, store_run
from tui.compare.report import text

HOSTILE = "p\x1b[31m|[bold]`\u202e\n# x"


def compared(path: Path, *names: str) -> Comparison:
    with Reader(path) as reader:
        return compare(reader, names)


def store_pair(path: Path, a: str, b: str, **plan: object) -> None:
    """Two variants of an experiment `e` by problem: P passed, F failed, E error, I infra, - not tried."""
    kinds = {"P": PASS, "F": FAIL, "E": Ran("error", error="boom"), "I": Ran("infra"), "B": Ran("budget")}
    trials = {
        label: {f"p{n}": [kinds[letter]] for n, letter in enumerate(letters) if letter != "-"}
        for label, letters in (("a", a), ("b", b))
    }
    store_experiment(path, "e", trials, **plan)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def test_flips_mcnemar_and_wins_of_twelve_discordant_pairs(path: Path) -> None:
    # 10 gained, 2 lost, 5 both passed, 3 both failed: p = 2 * (1 + 12 + 66) / 4096
    store_pair(path, "F" * 10 + "P" * 2 + "P" * 5 + "F" * 3, "P" * 10 + "F" * 2 + "P" * 5 + "F" * 3)
    found = compared(path, "e")
    (one,) = found.pairs
    assert (one.gained, one.lost, one.wins, one.losses, one.ties, one.scored) == (10, 2, 10, 2, 8, 20)
    assert one.p_value == pytest.approx(158 / 4096)
    assert [(p.problem_id, p.outcome) for p in one.flips] == [
        *((f"p{n}", "gained") for n in range(10)),
        ("p10", "lost"),
        ("p11", "lost"),
    ]
    assert one.flips[0].runs == ("e-a-0-1", "e-b-0-1")
    delta = one.deltas["pass_rate"]
    assert delta.value == pytest.approx(0.4)
    assert delta.interval == mean_intervals([[1.0] * 10 + [-1.0] * 2 + [0.0] * 8])[0]
    assert [s.interval for s in found.summaries] == [proportion_interval(7, 20), proportion_interval(15, 20)]


def test_errors_and_budgets_are_failures_and_infra_is_nothing(path: Path) -> None:
    store_pair(path, "PPEBI", "PPPPP")
    first, second = compared(path, "e").summaries
    assert first.means["pass_rate"].value == pytest.approx(2 / 4)
    counts = first.counts
    assert (counts.done, counts.errors, counts.budget, counts.no_verdict, counts.planned) == (4, 1, 1, 1, 5)
    (one,) = compared(path, "e").pairs
    assert one.scored == 4 and one.only_other == (("", "p4"),)
    assert second.counts.no_verdict == 0
    told = compared(path, "e").warnings
    left = "A: 1 of 5 trials are still to do, 1 of them without a verdict"
    assert f"{left}; with them its pass rate is 40.0 % if all fail, 60.0 % if all pass" in told
    assert "B alone has a result for 1 of its problems: not paired" in told


def test_a_trial_that_is_running_has_no_verdict_yet(path: Path) -> None:
    trials = {"a": {"p": [PASS], "q": [Ran("running")]}, "b": {"p": [PASS], "q": [PASS]}}
    store_experiment(path, "e", trials)
    found = compared(path, "e")
    counts = found.summaries[0].counts
    assert (counts.done, counts.running, counts.no_verdict, counts.todo) == (1, 1, 0, 0)
    assert found.warnings[0].startswith("A: 1 of 2 trials are still to do, 1 of them running; with them")


def test_problems_of_one_side_only_are_in_no_paired_number(path: Path) -> None:
    store_pair(path, "PF--P", "-PPF-")
    (one,) = compared(path, "e").pairs
    assert [p.problem_id for p in one.problems] == ["p1"]
    assert one.only_baseline == (("", "p0"), ("", "p4"))
    assert one.only_other == (("", "p2"), ("", "p3"))
    assert one.deltas["pass_rate"].value == 1.0 and one.deltas["pass_rate"].interval is None


def test_nothing_in_common_all_errors_and_no_trial_at_all(path: Path) -> None:
    store_pair(path, "PP--", "--EE")
    found = compared(path, "e")
    assert "A and B have no problem with a result in common" in found.warnings
    assert found.pairs[0].p_value is None and not found.pairs[0].deltas
    assert found.summaries[1].means["pass_rate"].value == 0.0
    assert "no problem has a score on both sides" in text(found, every=True)
    store_experiment(path, "none", {"a": {}, "b": {}}, problems=["p0"])
    empty = compared(path, "none")
    assert [s.counts.todo for s in empty.summaries] == [1, 1]
    assert empty.summaries[0].interval is None
    assert "trials done" in text(empty, every=True, markdown=True)
    json.dumps(to_json(empty))


def test_a_side_that_was_not_scored_is_said_and_not_taken_for_failures(path: Path) -> None:
    answered = {f"p{n}": [Ran("answered")] for n in range(3)}
    store_experiment(path, "e", {"a": answered, "b": {f"p{n}": [PASS] for n in range(3)}})
    found = compared(path, "e")
    assert any("A was not scored" in warning for warning in found.warnings)
    assert "pass_rate" not in found.summaries[0].means
    (one,) = found.pairs
    assert (one.scored, one.wins, one.p_value) == (0, 0, None)
    assert {p.outcome for p in one.problems} == {"unscored"}
    assert "pass_rate" not in one.deltas and one.deltas["wall_ms"].problems == 3
    assert "not scored" in text(found, every=True)


def test_repeats_are_clusters_and_give_pass_at_k(path: Path) -> None:
    rates = {"p0": "PPF", "p1": "FFF", "p2": "PPP"}
    better = {"p0": "PPP", "p1": "FFP", "p2": "PPF"}
    store_experiment(
        path,
        "e",
        {
            label: {p: [PASS if c == "P" else FAIL for c in letters] for p, letters in side.items()}
            for label, side in (("a", rates), ("b", better))
        },
    )
    found = compared(path, "e")
    first = found.summaries[0]
    assert first.means["pass_rate"].value == pytest.approx(5 / 9)
    assert first.interval == pass_rate_interval([2, 0, 3], [3, 3, 3])
    by_hand = (pass_at_k(3, 2, 2) + pass_at_k(3, 0, 2) + pass_at_k(3, 3, 2)) / 3
    assert first.pass_at == pytest.approx({1: 5 / 9, 2: by_hand, 3: 2 / 3})
    (one,) = found.pairs
    assert [(p.problem_id, p.outcome, p.passed) for p in one.flips] == [
        ("p0", "gained", (2, 3)),
        ("p1", "gained", (0, 1)),
        ("p2", "lost", (3, 2)),
    ]
    assert one.flips[0].runs == ("e-a-0-3", "e-b-0-1")  # the repeat that failed, one that passed
    assert one.p_value == 1.0
    assert "2/3 passed" in text(found, every=False)


def test_meta_agent_and_workers_are_told_apart(path: Path) -> None:
    ran = Ran("passed", meta_usd=0.03, worker_usd=0.01, meta_ms=900.0, worker_ms=100.0)
    failed = Ran("failed", meta_usd=0.05, worker_usd=0.01, meta_ms=1900.0, worker_ms=100.0)
    plain = Ran("failed", worker_usd=0.01)
    store_experiment(path, "e", {"a": {"p0": [plain], "p1": [plain]}, "b": {"p0": [ran], "p1": [failed]}})
    found = compared(path, "e")
    means = found.summaries[1].means
    assert means["meta_cost_usd"].value == pytest.approx(0.04)
    assert means["worker_cost_usd"].value == pytest.approx(0.01)
    assert means["meta_latency_ms"].value == pytest.approx(1400.0, abs=1)
    assert means["wall_ms"].value == pytest.approx(1500.0)
    assert found.summaries[1].cost_per_pass == pytest.approx(0.1)  # the failed one is paid for as well
    assert found.summaries[0].cost_per_pass is None  # nothing passed
    assert found.pairs[0].deltas["meta_latency_ms"].value == pytest.approx(1400.0, abs=1)
    told = text(found, every=False)
    assert "time, meta share" in told and "93.3 %" in told


def test_an_unknown_price_is_left_out_and_said(path: Path) -> None:
    store_experiment(
        path,
        "e",
        {"a": {"p0": [Ran(worker_usd=None)], "p1": [Ran(worker_usd=0.5)]}, "b": {"p0": [PASS], "p1": [PASS]}},
    )
    found = compared(path, "e")
    assert found.summaries[0].means["cost_usd"] == (0.5, 1)
    assert found.summaries[0].cost_per_pass is None
    assert found.pairs[0].deltas["cost_usd"].problems == 1
    assert "$0.50 (1)" in text(found, every=False)


def test_val_to_test_drop_strictness_and_workflows(path: Path) -> None:
    rans = [
        Ran(
            "passed", val_score=1.0, strict=False, code=CODE, steps=(Step("Custom", "x"), Step("Custom", "y"))
        ),
        Ran("failed", val_score=0.8, code=CODE, steps=(Step("Test", "x"),)),
    ]
    side = {f"p{n}": [ran] for n, ran in enumerate(rans)}
    store_experiment(path, "e", {"a": side, "b": {"p0": [PASS], "p1": [FAIL]}})
    found = compared(path, "e")
    first = found.summaries[0]
    assert first.means["val_to_test_drop"].value == pytest.approx((0.0 + 0.8) / 2)
    assert (first.means["pass_rate"].value, first.means["strict_pass_rate"].value) == (0.5, 0.0)
    assert first.counts.repaired == 1 and first.workflows == 1
    assert first.operators == {"Custom": 1.0, "Test": 0.5}
    assert "val_to_test_drop" not in found.pairs[0].deltas  # one side has no val score
    assert any("a repaired workflow ran in 1 of 2 trials" in w for w in found.warnings)


def test_several_benchmarks_have_a_micro_and_a_macro_average(path: Path) -> None:
    for name, passes, total in (("he", 3, 4), ("mb", 1, 6)):
        trials = {
            label: {f"p{n}": [PASS if n < passes + shift else FAIL] for n in range(total)}
            for label, shift in (("a", 0), ("b", 1))
        }
        store_experiment(path, name, trials, benchmark=name)
    found = compared(path, "he:a+mb:a", "he:b+mb:b")
    first = found.summaries[0]
    assert first.means["pass_rate"].value == pytest.approx((4 * 0.75 + 6 * (1 / 6)) / 10)
    assert first.by_benchmark == pytest.approx({"he": 0.75, "mb": 1 / 6})
    assert first.macro == pytest.approx((0.75 + 1 / 6) / 2)
    (one,) = found.pairs
    assert one.scored == 10  # p0 of one benchmark is not p0 of the other
    assert [(p.benchmark, p.problem_id) for p in one.flips] == [("he", "p3"), ("mb", "p1")]
    assert "mb: p1" in text(found, every=False)


def test_what_is_not_like_for_like_is_said(path: Path) -> None:
    store_experiment(path, "x", {"a": {"p0": [PASS]}}, split="aflow-1:4", digest="1")
    store_experiment(path, "y", {"a": {"p0": [Ran(worker="w2", seed=9)]}}, benchmark="other", digest="2")
    told = "\n".join(compared(path, "x", "y").warnings)
    for words in (
        "the workers differ (A: w; B: w2): not like for like",
        "the benchmarks differ (A: bench; B: other)",
        "the splits differ (A: aflow-1:4; B: none)",
        "the seeds differ (A: 1; B: 9)",
        "the problems' content differs",
    ):
        assert words in told
    assert [key for key, _ in compared(path, "x", "y").settings(every=False)][:1] == ["benchmark"]


def test_the_cost_of_a_search_is_beside_its_trials(path: Path) -> None:
    store_pair(path, "PF", "PP")
    search = {"experiment": "e", "trial": json.dumps(["search", "b"]), "stage": "search"}
    tried = {"experiment": "e", "trial": json.dumps(["search", "b", "c1", "v0", 1]), "stage": "search"}
    store_run(path, "s1", Ran("answered", meta_usd=2.0, meta_ms=60_000.0, worker_ms=0.0), origin=search)
    store_run(path, "s2", Ran("failed", worker_usd=1.0), origin=tried)
    found = compared(path, "e")
    assert found.sides[0].parts[0].search is None
    used = found.sides[1].parts[0].search
    assert used is not None
    assert (used.runs, used.cost_usd, used.wall_ms) == (2, 3.0, 60_000.0)
    assert found.summaries[1].means["cost_usd"].value == 0.0
    assert "search, cost" in text(found, every=False)
    # Another experiment that used what was found says what that took.
    store_experiment(path, "f", {"a": {"p0": [PASS]}, "b": {"p0": [PASS]}}, found="e")
    assert compared(path, "f").sides[1].parts[0].search == used


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["e:a"], "name two to four"),
        (["e:a", "e:a"], "named twice"),
        (["e", "e:a"], "named twice"),
        (["e", "f"], "at most 4"),
        (["e:z", "e:a"], "e has no variant 'z'; it has a, b"),
        (["e+f", "e:a"], "e has several variants; say which"),
    ],
)
def test_what_cannot_be_compared_is_one_sentence(path: Path, names: list[str], told: str) -> None:
    store_pair(path, "P", "F")
    store_experiment(path, "f", {label: {"p0": [PASS]} for label in "abc"})
    with pytest.raises(CompareError, match=told.replace("+", r"\+")):
        compared(path, *names)


def test_unknown_names_and_an_empty_store(path: Path) -> None:
    with pytest.raises(StoreError, match="neither an experiment 'x'"):
        compared(path, "x", "y")
    store_pair(path, "P", "F")
    for name in ("nothing", HOSTILE, "\ud800", "", "no:a", "e-", "\ud800:a", "e:\ud800", "é+x"):
        with pytest.raises((StoreError, CompareError)):
            compared(path, name, "e:a")


def test_a_label_is_found_by_its_name_alone_where_that_is_clear(path: Path) -> None:
    store_experiment(path, "e", {"aflow,rounds=5": {"p0": [PASS]}, "vanilla": {"p0": [FAIL]}})
    found = compared(path, "e:aflow", "e:vanilla")
    assert [side.name for side in found.sides] == ["e:aflow,rounds=5", "e:vanilla"]


def test_hostile_names_cannot_leave_their_cells(path: Path) -> None:
    store_experiment(path, "e", {HOSTILE: {HOSTILE: [FAIL]}, "b": {HOSTILE: [PASS]}})
    found = compared(path, "e")
    plain, markdown = text(found, every=True), text(found, every=True, markdown=True)
    for out in (plain, markdown):
        assert "\x1b" not in out and "\u202e" not in out
    (row,) = [
        line for line in markdown.splitlines() if "gained" in line and "[bold" in line.replace("\\", "")
    ]
    assert row.startswith("| p") and "\\|\\[bold\\]\\`" in row
    assert json.loads(json.dumps(to_json(found)))["pairs"][0]["flips"] == [HOSTILE]


def test_four_sides_are_each_compared_with_the_first(path: Path) -> None:
    store_experiment(path, "e", {label: {"p0": [PASS], "p1": [FAIL]} for label in "abcd"})
    found = compared(path, "e")
    assert [(one.baseline, one.other) for one in found.pairs] == [("A", "B"), ("A", "C"), ("A", "D")]
    assert any("3 comparisons with the baseline" in warning for warning in found.warnings)
    assert all(one.p_value == 1.0 for one in found.pairs)


def test_every_field_of_the_json_is_in_the_docs(path: Path) -> None:
    store_pair(path, "PF", "FP")
    docs = (Path(__file__).parents[2] / "docs/compare.md").read_text()

    def keys(value: object) -> set[str]:
        if isinstance(value, dict):
            return set(value) | {key for inner in value.values() for key in keys(inner)}
        return {key for inner in value for key in keys(inner)} if isinstance(value, list) else set()

    data = to_json(compared(path, "e"))
    for side in data["sides"]:
        side["operators"] = side["pass_at"] = {}
    assert sorted(key for key in keys(data) if f"`{key}`" not in docs) == []


def test_sides_judged_in_different_modes_are_not_like_for_like(path: Path) -> None:
    near = replace(PASS, mode="in-process")
    trials = {"a": {"p0": [PASS], "p1": [PASS]}, "b": {"p0": [PASS], "p1": [near]}, "c": {"p0": [near]}}
    trials["d"] = trials["a"]
    store_experiment(path, "e", trials)
    found = compared(path, "e:a", "e:b", "e:c")
    assert dict(found.settings(every=True))["judged"] == ("split", "in-process, split", "in-process")
    different = "A: split; B: in-process, split; C: in-process"
    assert any(
        w.startswith("the tests were judged in different modes") and different in w for w in found.warnings
    )
    assert "tests were judged in one process, where cheats are detected and not prevented" in found.warnings
    alike = compared(path, "e:a", "e:d")
    assert not any("judged" in warning for warning in alike.warnings)
