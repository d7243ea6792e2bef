"""Variants compared as ways of working: operators, ways, what turned a verdict, and flips tried again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine.events import EvaluationFinished, WorkflowStarted
from engine.scores.statistics import difference_interval
from store.compare.comparison import compare
from store.compare.parting import Blame, read_parting
from store.compare.ways import Ways, read_ways, to_json, way_text
from store.db import open_writer, write
from store.projections import add
from store.reader import Reader
from tests.support.stores import begin_store
from tests.support.trials import CODE, FAIL, PASS, Ran, Step, run_events, store_experiment, store_run
from tui.compare.report import text

DRAFT = Step("Custom", "draft", "k1", {"input": "p"}, prompt="Solve p.", wall_ms=100.0, usd=0.01)
OTHER = Step("Custom", "other draft", "k2", {"input": "p"}, prompt="Solve p.", wall_ms=100.0, usd=0.01)
TEST = Step("Test", {"result": True}, "k3", {"solution": "draft"}, wall_ms=300.0)
ELSE = CODE.replace("custom", "other")
GOOD = Ran("passed", code=CODE, steps=(DRAFT, TEST), answer="def f(): return 1")
BAD = Ran("failed", code=CODE, steps=(OTHER, TEST), answer="def f(): return 2")


def ran(**changes: object) -> Ran:
    return replace(BAD, **changes)  # type: ignore[arg-type]


PARTINGS: list[tuple[str, Ran, Ran, Blame, int | None]] = [
    ("the same prompt, another reply", BAD, GOOD, "reply", 0),
    ("another worker answers the same prompt", ran(worker="v"), GOOD, "worker", 0),
    ("another workflow calls another operator", ran(code=ELSE, steps=(DRAFT,)), GOOD, "workflow", 1),
    (
        "the meta-agent wrote another workflow to the same question",
        ran(code=ELSE, steps=(DRAFT,), meta_ms=5.0),
        Ran("passed", code=CODE, steps=(DRAFT, TEST), meta_ms=5.0),
        "meta-reply",
        1,
    ),
    (
        "the meta-agent was asked something else",
        ran(code=ELSE, steps=(DRAFT,), meta_ms=5.0, question="other"),
        Ran("passed", code=CODE, steps=(DRAFT, TEST), meta_ms=5.0),
        "workflow",
        1,
    ),
    (
        "the same code gave something else",
        ran(steps=(DRAFT, Step("Test", {"result": False}, "k3", {"solution": "draft"}))),
        GOOD,
        "sandbox",
        1,
    ),
    (
        "the same workflow called it with something else",
        ran(steps=(DRAFT, Step("Test", {"result": True}, "k4", {"solution": "x"}))),
        GOOD,
        "inputs",
        1,
    ),
    (
        "the operator asks its model something else",
        ran(steps=(Step("Custom", "x", "k1", {"input": "p"}, prompt="Do p."), TEST)),
        GOOD,
        "operator",
        0,
    ),
    (
        "a draw of its own parts nothing",
        ran(steps=(replace(DRAFT, key="k7"), TEST), answer=GOOD.answer),
        GOOD,
        "verdict",
        None,
    ),
    ("the same steps, another answer", ran(steps=(DRAFT, TEST)), GOOD, "answer", None),
    ("other tests judged the same answer", ran(steps=(DRAFT, TEST), answer=GOOD.answer), GOOD, "tests", None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("what", "first", "second", "blame", "index"), PARTINGS, ids=[p[0] for p in PARTINGS]
)
def test_where_two_runs_part(
    tmp_path: Path, what: str, first: Ran, second: Ran, blame: Blame, index: int | None
) -> None:
    path = tmp_path / "store.db"
    tests = ["assert f() == 2"] if blame == "tests" else None
    store_run(path, "a", first, tests=tests)
    store_run(path, "b", second)
    with Reader(path) as reader:
        found = read_parting(reader, "a", "b")
        other_way = read_parting(reader, "b", "a")
    assert (found.blame, found.step and found.step.step.index) == (blame, index)
    assert (other_way.blame, [e.run_id for e in other_way.endings]) == (blame, ["b", "a"])


def test_a_step_from_the_record_is_blamed_by_the_calls_of_the_run_that_made_it(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    served = replace(GOOD, steps=(replace(DRAFT, prompt=""), TEST))
    store_run(path, "bad", BAD)
    store_run(path, "good", GOOD)
    store_run(path, "fork", served, origin={"parent": "good"})
    store_run(path, "fork of the fork", served, origin={"parent": "fork"})
    store_run(path, "own ancestor", served, origin={"parent": "own ancestor"})
    with Reader(path) as reader:
        assert read_parting(reader, "bad", "fork").blame == "reply"
        assert read_parting(reader, "fork of the fork", "bad").blame == "reply"
        assert read_parting(reader, "bad", "own ancestor").blame == "sandbox"


def test_runs_that_came_out_alike_are_compared_in_the_same_repeat(tmp_path: Path) -> None:
    """Not the failed repeat of one with the passed one of the other, as if that had gone better."""
    path = tmp_path / "store.db"
    begin_store(path)
    db = open_writer(path)
    with write(db):
        for run_id in ("a", "b"):
            events = list(run_events(run_id, ran(steps=())))
            more = [
                replace(e, execution_id="e2", repeat=2, **({"score": 1.0} if passes else {}))
                for e in events
                if (passes := isinstance(e, EvaluationFinished)) or isinstance(e, WorkflowStarted)
            ]
            both = [*events[:-1], *more, events[-1]]
            add(db, [replace(e, seq=seq) for seq, e in enumerate(both)])
    db.close()
    with Reader(path) as reader:
        found = read_parting(reader, "a", "b")
    assert found.blame == "nothing"
    assert [end.execution for end in found.endings] == [("test", 1, 1), ("test", 1, 1)]


def test_a_run_that_never_came_to_its_end_and_another_problem(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store_run(path, "a", GOOD)
    store_run(path, "b", GOOD, problem="q")
    store_run(path, "c", ran(round=4, steps=(DRAFT, TEST)))
    with Reader(path) as reader:
        assert read_parting(reader, "a", "b").blame == "problem"
        assert read_parting(reader, "a", "a").blame == "nothing"
        # The chosen workflow may be of any round.
        assert read_parting(reader, "a", "c").blame == "answer"
        assert not compare(reader, ["a", "c"]).runs[0].differing


def ways_of(path: Path, *names: str, most: int | None = None) -> Ways:
    with Reader(path) as reader:
        return read_ways(reader, compare(reader, names), most=most)


def test_what_operators_took_and_which_way_became_which(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    short = Ran("failed", code=ELSE, steps=(DRAFT,), meta_ms=50.0, meta_usd=0.5)
    store_experiment(path, "e", {
        "long": {"p": [GOOD], "q": [GOOD], "r": [BAD]},
        "short": {"p": [short], "q": [PASS], "r": [GOOD]},
    })  # fmt: skip
    ways = ways_of(path, "e")
    used = {one.name: one.sides for one in ways.operators}
    assert ways.trials == (3, 3)
    custom, test, meta = used["Custom"], used["Test"], used["meta-agent"]
    assert custom[0] is not None and (custom[0].calls, custom[0].runs) == (3, 3)
    assert custom[0].cost_usd == pytest.approx(0.03) and custom[0].wall_ms == 300.0
    assert test[1] is not None and test[1].calls == 1
    assert meta[0] is None and meta[1] is not None and meta[1].cost_usd == 0.5
    (pair,) = ways.pairs
    shifts = {s.ways: (s.problems, s.gained, s.lost) for s in pair.shifts}
    assert shifts == {
        ("Custom → Test", "Custom"): (1, 0, 1),
        ("Custom → Test", "no workflow"): (1, 0, 0),
        ("Custom → Test", "Custom → Test"): (1, 1, 0),
    }
    assert {f.problem.problem_id: f.parting.blame for f in pair.flips} == {"p": "workflow", "r": "reply"}
    assert len(ways_of(path, "e", most=1).pairs[0].flips) == 1
    data = to_json(ways)
    assert data["pairs"][0]["blames"] == {"workflow": 1, "reply": 1}


def test_an_unknown_price_is_not_free(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    unknown = Ran(code=CODE, steps=(Step("Custom", "x", usd=None),))
    store_experiment(path, "e", {"a": {"p": [unknown]}, "b": {"p": [GOOD]}})
    used = {one.name: one.sides for one in ways_of(path, "e").operators}["Custom"]
    assert used[0] is not None and used[0].cost_usd is None


def test_reruns_tell_luck_from_effect(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store_experiment(path, "e", {"a": {"p": [FAIL], "q": [FAIL]}, "b": {"p": [PASS], "q": [PASS]}})
    again = {"a": {"p": [FAIL] * 8, "q": [PASS, FAIL]}, "b": {"p": [PASS] * 8, "q": [PASS, FAIL]}}
    store_experiment(path, "e-flips", again, again="e")
    flips = {f.problem.problem_id: f.again for f in ways_of(path, "e").pairs[0].flips}
    p, q = flips["p"], flips["q"]
    assert p is not None and (p.passed, p.trials, p.difference) == ((0, 8), (8, 8), 1.0)
    assert p.is_told_apart and q is not None and not q.is_told_apart and q.difference == 0
    with Reader(path) as reader:
        comparison = compare(reader, ["e"])
        told = text(comparison, every=False, ways=read_ways(reader, comparison))
    assert "effect 0/8 → 8/8 [+54, +100]" in told and "luck? 1/2 → 1/2 [−57, +57]" in told


def test_the_interval_of_a_difference() -> None:
    # Newcombe (1998), table II, example (a): 56/70 − 48/80.
    interval = difference_interval((48, 56), (80, 70))
    assert interval is not None
    assert (round(interval.low, 4), round(interval.high, 4)) == (0.0524, 0.3339)
    assert difference_interval((0, 1), (0, 1)) is None
    with pytest.raises(ValueError, match="0 ≤ passed ≤ total"):
        difference_interval((2, 1), (1, 1))


def test_calls_in_a_row_are_told_together() -> None:
    assert way_text(["A", "A", "B", "A"]) == "A ×2 → B → A"
    assert way_text([]) == "no operator"
