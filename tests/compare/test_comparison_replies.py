"""What meta-agents replied: shares of workflows that can run and are the same again, and of thinking."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from engine.experiments.keys import TrialKey, search_key
from engine.workflows.skeleton import same_share, skeleton
from store.compare.comparison import Comparison, compare, to_json
from store.compare.replies import Share
from store.reader import Reader
from tests.store.samples import as_rows
from tests.support.trials import CODE, FAIL, PASS, Ran, Reply, store_experiment, store_run
from tui.compare.paper import paper_table
from tui.compare.report import text

RENAMED = CODE.replace("problem", "task")
OTHER = CODE.replace("return await", "x = await") + "        return x\n"


def replied(*replies: Reply, status: str = "passed") -> Ran:
    return Ran(status, replies=replies)


def compared(path: Path, *names: str) -> Comparison:
    with Reader(path) as reader:
        return compare(reader, names)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def test_replies_are_counted_over_the_whole_side_and_not_trial_by_trial(path: Path) -> None:
    trials = {
        "p": [replied(Reply(), Reply(runs=False), Reply(RENAMED, turn="repair", as_written=False))],
        "q": [replied(Reply(OTHER, reasoning="Two steps."), status="failed")],
        "r": [replied(Reply(turn=None, reasoning=" \n\t"), status="error")],
    }
    store_experiment(path, "e", {"a": trials, "b": {"p": [PASS], "q": [FAIL], "r": [PASS]}})
    first, second = compared(path, "e").summaries
    assert first.shares == {
        "valid_share": Share(3 / 4, 4),
        "as_written_share": Share(2 / 4, 4),
        "same_workflow_share": Share(1 - 2 / 3, 3),
        "empty_thinking_share": Share(4 / 5, 5),
    }
    assert second.shares == {}


def test_the_last_trials_of_a_side_stand_for_all(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("store.compare.replies.TRIALS_READ", 2)
    trials = {name: [replied(Reply(runs=name == "a"))] for name in "abcd"}
    store_experiment(path, "e", {"a": trials, "b": {"a": [PASS]}})
    assert compared(path, "e").summaries[0].shares["valid_share"] == Share(0.0, 2)


def test_a_side_without_a_meta_agent_has_the_empty_mark_everywhere(path: Path) -> None:
    store_experiment(path, "e", {"a": {"p": [PASS]}, "b": {"p": [replied(Reply())]}})
    found = compared(path, "e")
    told = text(found, every=False).splitlines()
    assert [line.split() for line in told if line.startswith(("valid workflows", "empty thinking"))] == [
        ["valid", "workflows", "–", "100.0", "%", "(1)"],
        ["empty", "thinking", "–", "100.0", "%", "(1)"],
    ]
    a, b = (side["shares"] for side in to_json(found)["sides"])
    assert a == {} and b["same_workflow_share"] == {"value": 0.0, "known": 1}
    head, _, row_a, row_b, *_ = paper_table(found, "markdown").splitlines()
    assert head.endswith("| Valid workflows | Valid as written | Same workflow again | Empty thinking |")
    assert row_a.endswith("| – | – | – | – |") and row_b.endswith("| 0.0 % (1) | 100.0 % (1) |")
    latex = paper_table(found, "latex")
    assert r"\begin{tabular}{lrrrrrrrrrrrr}" in latex and r"& 0.0 \% (1) & 100.0 \% (1) \\" in latex


def test_without_meta_agents_there_is_no_such_line(path: Path) -> None:
    store_experiment(path, "e", {"a": {"p": [PASS]}, "b": {"p": [FAIL]}})
    found = compared(path, "e")
    assert "valid" not in text(found, every=True) and "Valid" not in paper_table(found, "markdown")


def test_only_trials_that_count_are_looked_at(path: Path) -> None:
    one = Reply()
    rans = [
        replied(one, status=status) for status in ("running", "infra", "cancelled", "interrupted", "budget")
    ]
    trials = {f"p{n}": [ran] for n, ran in enumerate(rans)}
    store_experiment(path, "e", {"a": trials, "b": trials})
    assert compared(path, "e").summaries[0].shares["valid_share"] == Share(1.0, 1)


def _store_search(path: Path, name: str, label: str, attempts: Sequence[tuple[Reply, ...]]) -> None:
    for number, replies in enumerate(attempts):
        origin = {"experiment": name, "trial": search_key(label), "stage": "search"}
        status = "answered" if number == len(attempts) - 1 else "interrupted"
        run_id = f"{name}-{label}-search-{number}"
        store_run(path, run_id, Ran(status, replies=replies), origin=origin, at=1.7e9 + number)


def test_a_task_s_workflows_are_those_of_its_search_once_however_often_it_was_resumed(path: Path) -> None:
    store_experiment(path, "e", {"metaflow": {"p": [replace(PASS, code=CODE)]}, "vanilla": {"p": [PASS]}})
    began = (Reply(reasoning="First."), Reply(RENAMED))
    resumed = (*(replace(reply, journalled=True) for reply in began), Reply(OTHER))
    _store_search(path, "e", "metaflow", [began, resumed])
    # What a candidate's trial asked is no reply about the task.
    key = str(TrialKey("metaflow", "p", 1, "candidate-1"))
    store_run(
        path, "c", replied(Reply(runs=False)), origin={"experiment": "e", "trial": key, "stage": "search"}
    )
    expected = {
        "valid_share": Share(1.0, 3),
        "as_written_share": Share(1.0, 3),
        "same_workflow_share": Share(1 - 2 / 3, 3),
        "empty_thinking_share": Share(2 / 3, 3),
    }
    assert compared(path, "e").summaries[0].shares == expected
    # Where what it found is used again, these are the workflows that it was found among.
    store_experiment(path, "f", {"metaflow": {"p": [PASS]}, "vanilla": {"p": [PASS]}}, found="e")
    assert compared(path, "f").summaries[0].shares == expected


def test_sides_of_several_experiments_and_runs_are_counted_together(path: Path) -> None:
    for name, reply in (("e", Reply()), ("f", Reply(RENAMED))):
        store_experiment(path, name, {"a": {"p": [replied(reply)]}, "b": {"p": [PASS]}}, benchmark=name)
    joined = compared(path, "e:a+f:a", "e:b+f:b").summaries[0].shares
    assert joined["same_workflow_share"] == Share(0.5, 2)
    runs = compared(path, "e-a-0-1", "f-a-0-1").summaries
    assert [summary.shares["same_workflow_share"] for summary in runs] == [Share(0.0, 1)] * 2


def test_reasoning_that_is_long_or_no_unicode_is_reasoning_and_damage_is_left_out(path: Path) -> None:
    odd = (Reply(reasoning="x" * 5000), Reply(reasoning="\ud800"), Reply(reasoning="\u00a0x"), Reply())
    store_experiment(path, "e", {"a": {"p": [replied(*odd)]}, "b": {"p": [PASS]}})
    assert compared(path, "e").summaries[0].shares["empty_thinking_share"] == Share(0.25, 4)
    with sqlite3.connect(path) as db:
        as_rows(db)
        changed = "UPDATE events SET payload = 'cut' WHERE kind = ? AND seq = (SELECT max(seq) FROM events e2"
        where = " WHERE e2.run_id = events.run_id AND e2.kind = events.kind) AND run_id = 'e-a-0-1'"
        db.execute(changed + where, ("workflow_proposed",))
    shares = compared(path, "e").summaries[0].shares
    assert shares["valid_share"] == Share(1.0, 3)


def test_the_share_of_workflows_that_are_the_same_again() -> None:
    assert same_share([]) is None and same_share(["a"]) == 0.0
    assert same_share([skeleton(CODE), skeleton(RENAMED), skeleton(OTHER), skeleton(CODE)]) == 0.5
