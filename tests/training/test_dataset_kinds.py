"""Preference pairs, repairs and problems out of stored runs."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from engine.diagnostics import Diagnostic
from engine.events import WorkflowProposed
from engine.problems import parse_problem
from engine.prompts import repair_messages
from engine.variants.proposal import diagnosis_of
from tests.support.meta_runs import CODE, CODES, Wrote, meta_run, problem
from tests.training.conftest import Desk
from training.data import DataError


def firsts(*scores: float | None, of: dict[str, Any] | None = None, at: float = 1000.0) -> list[list[Any]]:
    """Runs of one round each, whose workflows differ."""
    return [
        meta_run(f"{(of or {'id': 'r'})['id']}{n}", [Wrote(score, CODES[n])], of=of, at=at + 10 * n)
        for n, score in enumerate(scores)
    ]


def pairs(rows: list[dict[str, Any]]) -> Counter[tuple[str, str]]:
    return Counter((row["run_chosen"], row["run_rejected"]) for row in rows)


def test_every_pair_of_two_scores_for_one_prompt_once(desk: Desk) -> None:
    desk.put(*firsts(0.0, 0.5, 1.0, 0.5), *firsts(1.0, 1.0, of=problem("q"), at=5000.0))
    rows, report = desk.build("dpo", pairs=0)
    assert pairs(rows) == Counter(
        [("r1", "r0"), ("r2", "r0"), ("r3", "r0"), ("r2", "r1"), ("r2", "r3")]
    )  # none of equals, none across problems, none in q
    row = next(r for r in rows if (r["run_chosen"], r["run_rejected"]) == ("r2", "r1"))
    assert (row["score_chosen"], row["score_rejected"], row["weight"]) == (1.0, 0.5, 0.125)
    assert row["chosen"]["reply"] == f"<graph>\n{CODES[2]}\n</graph>"
    assert row["rejected"] == {"reasoning": "I think.", "reply": f"<graph>\n{CODES[1]}\n</graph>"}
    assert row["prompt"][1]["content"].startswith("Query:\nWrite f for p.")
    assert report.candidates == 6


def test_pairs_are_drawn_as_the_cube_of_the_difference(desk: Desk) -> None:
    desk.put(*firsts(0.0, 0.5, 1.0))
    rows, _ = desk.build("dpo", pairs=4000)
    drawn = pairs(rows)
    assert sum(drawn.values()) == 4000
    # weights 1, 1/8, 1/8: expected 3200, 400, 400; four standard deviations are at most 102
    assert abs(drawn["r2", "r0"] - 3200) < 102
    assert abs(drawn["r1", "r0"] - 400) < 76 and abs(drawn["r2", "r1"] - 400) < 76


def test_prompts_are_drawn_from_by_the_weight_of_their_pairs(desk: Desk) -> None:
    desk.put(*firsts(0.0, 1.0), *firsts(0.0, 0.5, of=problem("q"), at=5000.0))
    drawn = pairs(desk.build("dpo", pairs=900)[0])
    assert abs(drawn["r1", "r0"] - 800) < 38 and drawn["r1", "r0"] + drawn["q1", "q0"] == 900


def test_the_seed_decides_the_draw(desk: Desk) -> None:
    desk.put(*firsts(0.0, 0.4, 0.7, 1.0))
    one, again, other = (
        [(r["run_chosen"], r["run_rejected"]) for r in desk.build("dpo", name=n, pairs=50, seed=seed)[0]]
        for n, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert one == again != other


def test_later_rounds_pair_only_where_their_history_is_the_same(desk: Desk) -> None:
    """The second rounds' prompts differ, since the first rounds' workflows do."""
    desk.put(
        meta_run("a", [Wrote(0.2, CODES[1]), Wrote(0.9, CODES[2])]),
        meta_run("b", [Wrote(0.4, CODES[3]), Wrote(0.1, CODES[4])], at=2000.0),
    )
    (row,), _ = desk.build("dpo", pairs=0)
    assert (row["run_chosen"], row["run_rejected"], row["score_chosen"]) == ("b", "a", 0.4)


def test_what_cannot_run_or_has_no_score_is_in_no_pair(desk: Desk) -> None:
    desk.put(*firsts(1.0, None), meta_run("bad", [Wrote(runs=False)], at=2000.0))
    with pytest.raises(DataError, match=r"no two replies .* differ in score.*1 not-scored"):
        desk.build("dpo")


def test_a_repair_turn_as_it_was(desk: Desk) -> None:
    events = meta_run("r", [[Wrote(runs=False, code="bad = 1"), Wrote(0.5)]])
    desk.put(events)
    (row,), _ = desk.build("repair")
    assert row["mended_by"] == "turn" and row["mending_run"] == "r"
    assert "bad = 1" in row["prompt"][2]["content"]
    assert "line 3: the name x is not defined; define it" in row["prompt"][3]["content"]
    assert (row["reply"], row["reward"]) == (f"<graph>\n{CODE}\n</graph>", 0.5)


def test_a_rejected_round_is_mended_by_the_next_that_runs(desk: Desk) -> None:
    rejected = [Wrote(runs=False, code="bad = 1"), Wrote(runs=False, code="bad = 2")]
    events = meta_run("r", [rejected, Wrote(0.3, CODES[1]), Wrote(0.9, CODES[2])])
    desk.put(events)
    rows, _ = desk.build("repair", duplicates=True)
    assert [(row["mended_by"], row["round"], row["reward"]) for row in rows] == [("later", 1, 0.3)] * 2
    proposed = [event for event in events if isinstance(event, WorkflowProposed)]
    for row, event in zip(rows, proposed, strict=False):
        diagnosis = diagnosis_of([Diagnostic(**d) for d in event.diagnostics])
        first = rows[0]["prompt"][:2]
        assert row["prompt"] == repair_messages(first, f"<graph>\n{event.code}\n</graph>", diagnosis)


def test_a_failure_that_was_picked_is_mended_by_the_best_run_of_its_problem(desk: Desk) -> None:
    from store.annotations import annotate

    desk.put(
        meta_run("failed", [[Wrote(runs=False, code="bad = 1")]]),
        meta_run("good", [Wrote(0.4, CODES[1]), Wrote(0.8, CODES[2])], at=2000.0, meta_agent="better"),
        meta_run("fair", [Wrote(0.5, CODES[3])], at=3000.0),
        meta_run("elsewhere", [Wrote(1.0, CODES[4])], of=problem("q"), at=4000.0),
        meta_run("otherwise", [Wrote(1.0, CODES[5])], at=5000.0, config={"operators": "core4"}),
    )
    annotate(desk.settings.store_path(), ["failed"], "training-set", "picked")
    (row,), report = desk.build("repair", "picked")
    assert (row["mended_by"], row["run"], row["mending_run"]) == ("other", "failed", "good")
    assert (row["reply"], row["reward"]) == (f"<graph>\n{CODES[2]}\n</graph>", 0.8)
    assert row["meta_agent"] == "better" and report.read == 1


def test_what_nothing_mends_is_counted(desk: Desk) -> None:
    desk.put(
        meta_run("a", [[Wrote(runs=False, code="bad = 1")]]),
        meta_run(
            "b", [[Wrote(runs=False, code="", text=" ", flags=("empty",)), Wrote(0.5)]], of=problem("q")
        ),
        meta_run("c", [[Wrote(runs=False, code="y", flags=("truncated",)), Wrote(0.5)]], of=problem("s")),
    )
    with pytest.raises(DataError, match="2 nothing-to-mend, 1 never-mended"):
        desk.build("repair")


def test_problems_hold_what_a_rollout_may_use_and_nothing_else(desk: Desk) -> None:
    whole = problem(
        "p",
        metadata={
            "benchmark": "bench",
            "reference": "def f(x): return x + 1",
            "prelude": "import os",
            "my": 1,
        },
        answer="a secret",
    )
    desk.put(meta_run("r", [[Wrote(runs=False)]], of=whole), meta_run("again", [Wrote(1.0)], of=whole))
    (row,), report = desk.build("grpo")
    told = json.loads(row["problem"])
    assert told["tests"] == {"visible": ["assert f(1) == 2"], "val": ["assert f(20) == 21"]}
    assert told["metadata"] == {"benchmark": "bench", "prelude": "import os"}
    assert told["answer"] is None
    assert "301" not in row["problem"] and "secret" not in row["problem"]
    assert (row["id"], row["benchmark"], row["reward_by"]) == ("p", "bench", "val")
    assert parse_problem(told, "row").tests.test == ()
    assert dict(report.dropped) == {"duplicate": 1}


@pytest.mark.parametrize(
    ("changes", "by"),
    [
        ({"tests": {"visible": ["assert f(1) == 2"], "test": ["assert f(2) == 3"]}}, "visible"),
        ({"tests": {}, "kind": "math", "answer": "12", "entry_point": None}, "answer"),
        ({"tests": {}, "kind": "qa", "answer": "Paris", "entry_point": None}, "answer"),
        ({"tests": {"test": ["assert f(2) == 3"]}}, None),
        ({"tests": {}, "kind": "open", "entry_point": None}, None),
        ({"tests": {}, "kind": "math", "entry_point": None}, None),
    ],
)
def test_what_a_reward_is_computed_on(desk: Desk, changes: dict[str, Any], by: str | None) -> None:
    desk.put(meta_run("r", [], of=problem("p", **changes)))
    if by is None:
        with pytest.raises(
            DataError, match="no problem in them has something to reward; left out were 1 no-re"
        ):
            desk.build("grpo")
        return
    (row,), _ = desk.build("grpo")
    assert row["reward_by"] == by
    assert json.loads(row["problem"])["answer"] == (changes.get("answer") if by == "answer" else None)


@pytest.mark.parametrize(
    ("kind", "options", "told"),
    [
        ("dpo", {"form": "trace"}, "--form goes with sft, not with dpo"),
        ("grpo", {"strict": True}, "--strict goes with sft and dpo and repair, not with grpo"),
        ("sft", {"pairs": 5}, "--pairs goes with dpo, not with sft"),
        ("sft", {"max_tokens": 5}, "name it with --tokenizer"),
    ],
)
def test_an_option_that_says_nothing_for_a_kind_is_refused(
    desk: Desk, kind: Any, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(DataError, match=told):
        desk.build(kind, **options)
