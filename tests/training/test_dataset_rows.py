"""Which rows of which runs: rounds and traces, policies, what is left out and why."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.events import ModelCallStarted, WorkflowProposed
from tests.support.meta_runs import CODE, CODES, Wrote, meta_run, problem
from tests.training.conftest import Desk
from training.data import DataError


def rounds(rows: list[dict[str, Any]]) -> list[tuple[str, int]]:
    return [(row["run"], row["round"]) for row in rows]


def scored(*scores: float | None) -> list[Wrote]:
    return [Wrote(score, CODES[n]) for n, score in enumerate(scores)]


def test_a_round_is_what_was_sent_and_what_was_written(desk: Desk) -> None:
    events = meta_run("r", scored(0.5, 1.0))
    desk.put(events)
    rows, report = desk.build("sft")
    sent = [event for event in events if isinstance(event, ModelCallStarted)]
    assert [row["prompt"] for row in rows] == [list(event.messages) for event in sent]
    assert "Rounds so far" in rows[1]["prompt"][1]["content"]
    first = rows[0]
    assert (first["reasoning"], first["reply"]) == ("I think.", f"<graph>\n{CODE}\n</graph>")
    assert (first["run"], first["round"], first["problem"], first["reward"]) == ("r", 1, "p", 0.5)
    assert (first["meta_agent"], first["benchmark"]) == ("teacher", "bench")
    assert (report.rows, report.read, dict(report.dropped)) == (2, 1, {})


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({}, [1, 2, 3, 4, 5]),
        ({"keep": "best"}, [2]),  # 0.8 twice: the earlier, as the engine chooses
        ({"keep": "monotone"}, [1, 2]),
    ],
)
def test_which_rounds_of_a_run(desk: Desk, options: dict[str, Any], kept: list[int]) -> None:
    desk.put(meta_run("r", scored(0.2, 0.8, 0.5, 0.8, None)))
    rows, report = desk.build("sft", **options)
    assert rounds(rows) == [("r", n) for n in kept]
    assert sum(report.dropped.values()) == 5 - len(kept)
    assert report.dropped["not-scored"] == (1 if options else 0)


def test_monotone_starts_at_the_first_score_and_wants_more_each_time(desk: Desk) -> None:
    desk.put(meta_run("r", scored(None, 0.0, 0.0, 0.3, 0.1, 0.3, 1.0)))
    assert rounds(desk.build("sft", keep="monotone")[0]) == [("r", 2), ("r", 4), ("r", 7)]


def test_solved_is_of_val_and_takes_all_rounds_of_the_run(desk: Desk) -> None:
    desk.put(meta_run("no", scored(0.9)), meta_run("yes", scored(0.1, 1.0), of=problem("q"), at=2000.0))
    rows, report = desk.build("sft", solved=True)
    assert rounds(rows) == [("yes", 1), ("yes", 2)]
    assert report.dropped["not-solved"] == 1
    assert rounds(desk.build("sft", name="both", solved=True, keep="best")[0]) == [("yes", 2)]


def test_a_trace_is_all_that_was_written_then_the_best(desk: Desk) -> None:
    first = Wrote(0.9, CODES[1], reasoning="First thought.")
    second = Wrote(0.4, CODES[2], reasoning="Second thought.")
    desk.put(meta_run("r", [first, second]))
    (row,), _ = desk.build("sft", form="trace")
    assert "Write the first workflow." in row["prompt"][1]["content"]
    assert row["reasoning"] == (
        f"Round 1:\nFirst thought.\n{first.reply}\n\nRound 2:\nSecond thought.\n{second.reply}"
    )
    assert (row["reply"], row["reward"], row["round"]) == (first.reply, 0.9, 1)
    assert "pass rate" not in row["reasoning"]  # what it was told is not what it wrote


def test_a_trace_of_the_rounds_that_improved(desk: Desk) -> None:
    desk.put(meta_run("r", scored(0.5, 0.2, 0.7)))
    (row,), _ = desk.build("sft", form="trace", keep="monotone")
    assert row["reasoning"].count("Round ") == 2 and "Round 2:" not in row["reasoning"]


@pytest.mark.parametrize(
    ("wrote", "reason"),
    [
        (Wrote(0.5, flags=("truncated",)), "truncated-reply"),
        (Wrote(0.5, flags=("truncated", "default-limit")), "truncated-reply"),
        (Wrote(0.5, flags=("empty",), runs=False), "empty-reply"),
        (Wrote(0.5, flags=("empty", "only-reasoning"), runs=False), "empty-reply"),
        (Wrote(0.5, flags=("replayed",)), "replayed-reply"),
        (Wrote(0.5, failed="the connection was lost"), "failed-call"),
        (Wrote(None, runs=False), "cannot-run"),
        (Wrote(0.5, text="something else"), "other-reply"),
    ],
)
def test_replies_not_to_learn_from_are_left_out_and_counted(desk: Desk, wrote: Wrote, reason: str) -> None:
    desk.put(meta_run("r", [Wrote(0.9, CODES[3]), wrote]))
    rows, report = desk.build("sft")
    assert rounds(rows) == [("r", 1)]
    assert dict(report.dropped) == {reason: 1}


def test_estimated_tokens_and_unknown_endings_say_nothing_against_a_reply(desk: Desk) -> None:
    desk.put(meta_run("r", [Wrote(0.5, flags=("estimated-tokens", "unknown-finish"))]))
    assert len(desk.build("sft")[0]) == 1


def test_a_round_that_a_budget_ended_is_dropped(desk: Desk) -> None:
    desk.put(meta_run("r", scored(0.5, None), cut=True))
    rows, report = desk.build("sft")
    assert rounds(rows) == [("r", 1)] and dict(report.dropped) == {"unfinished-round": 1}


def test_a_run_in_progress_is_left_for_later(desk: Desk) -> None:
    desk.put(meta_run("r", scored(0.5)), meta_run("on", scored(0.5), of=problem("q"), ended=False))
    rows, report = desk.build("sft")
    assert rounds(rows) == [("r", 1)]
    assert (report.matched, report.read, report.dropped["running"]) == (2, 1, 1)


def test_strict_wants_workflows_as_they_were_written(desk: Desk) -> None:
    desk.put(meta_run("r", [Wrote(0.5, strict=False, text="a reply that was mended"), Wrote(0.6, CODES[1])]))
    assert rounds(desk.build("sft")[0]) == [("r", 1), ("r", 2)]
    rows, report = desk.build("sft", name="strict", strict=True)
    assert rounds(rows) == [("r", 2)] and dict(report.dropped) == {"repaired": 1}


SAME = [
    CODE,
    CODE.replace("code", "answer").replace("custom_answer", "custom_code"),  # a variable
    CODE.replace("        code =", '        """Solve it."""\n        code ='),  # a docstring
    CODE.replace('["response"]', '["other"]'),  # a text
    CODE.replace("entry_point):", "entry_point,):  # a comment\n"),  # layout
]
OTHER = [
    CODE.replace("custom_code_generate", "programmer"),  # an operator
    CODE.replace("entry_point=entry_point", "instruction=entry_point"),  # which parameter
    CODE.replace("        return", "        if code:\n            pass\n        return"),
]
TIMES = """class Workflow:
    async def __call__(self, problem):
        for _ in range(3):
            x = await self.custom(input=prompt_custom.A)
        return x["response"]"""


@pytest.mark.parametrize("code", SAME)
def test_names_texts_and_layout_do_not_make_another_workflow(desk: Desk, code: str) -> None:
    desk.put(meta_run("r", [Wrote(0.5), Wrote(0.5, code)]))
    rows, report = desk.build("sft")
    assert rounds(rows) == [("r", 1)] and dict(report.dropped) == {"duplicate": 1}


def test_numbers_and_prompts_do_not_either(desk: Desk) -> None:
    codes = [TIMES, TIMES.replace("3", "5"), TIMES.replace("prompt_custom.A", "prompt_custom.OTHER")]
    desk.put(meta_run("r", [Wrote(0.5, code) for code in codes]))
    assert len(desk.build("sft")[0]) == 1
    assert len(desk.build("sft", name="all", duplicates=True)[0]) == 3


@pytest.mark.parametrize("code", OTHER)
def test_what_is_done_makes_another_workflow(desk: Desk, code: str) -> None:
    desk.put(meta_run("r", [Wrote(0.5), Wrote(0.5, code)]))
    assert len(desk.build("sft")[0]) == 2


def test_of_duplicates_the_highest_score_stays_then_the_earliest(desk: Desk) -> None:
    desk.put(
        meta_run("a", [Wrote(0.2)]),
        meta_run("b", [Wrote(0.7)], at=2000.0),
        meta_run("c", [Wrote(0.7)], at=3000.0),
        meta_run("d", [Wrote(None)], at=4000.0),
    )
    assert rounds(desk.build("sft")[0]) == [("b", 1)]


def test_the_same_workflow_for_another_problem_or_operator_set_is_no_duplicate(desk: Desk) -> None:
    desk.put(
        meta_run("a", [Wrote(0.5)]),
        meta_run("b", [Wrote(0.5)], of=problem("q"), at=2000.0),
        meta_run("c", [Wrote(0.5)], config={"operators": "core4"}, at=3000.0),
    )
    assert len(desk.build("sft")[0]) == 3


def test_a_repair_turn_is_a_row_with_the_request_that_was_sent(desk: Desk) -> None:
    desk.put(meta_run("r", [[Wrote(runs=False, code="x"), Wrote(0.5)]]))
    (row,), report = desk.build("sft")
    assert [m["role"] for m in row["prompt"]] == ["system", "user", "assistant", "user"]
    assert row["reward"] == 0.5 and dict(report.dropped) == {"cannot-run": 1}


def test_a_search_is_scored_by_the_trials_of_its_workflows(desk: Desk) -> None:
    """MetaFlow's set: one workflow for a task, rewarded with the share of the task's problems it solved."""
    task = {"id": "search for metaflow", "prompt": "Write functions.", "kind": "open", "metadata": {}}
    origin = {"experiment": "e", "trial": "s", "stage": "search"}
    asked: list[Any] = [{"role": "user", "content": "Task: t. Write the workflow."}]
    search = meta_run("s", [Wrote(None, CODES[2])], of=task, asked=asked, origin=origin, variant="metaflow")
    proposed = next(e for e in search if isinstance(e, WorkflowProposed))
    desk.put(search)
    for n, score in enumerate((1.0, 1.0, 0.5, None)):
        origin |= {"trial": f"t{n}"}
        *trial, end = meta_run(f"t{n}", [], of=problem(f"p{n}"), at=2000.0 + n, origin=origin)
        desk.put([*trial, replace(end, score=score, workflow_id=proposed.workflow_id)])  # type: ignore[call-arg]
    (row,), report = desk.build("sft")
    assert (row["run"], row["problem"], row["prompt"]) == ("s", "search for metaflow", asked)
    assert row["reward"] == pytest.approx(2 / 3)  # binary, and a trial without a verdict counts neither way
    assert report.read == 5
    with pytest.raises(DataError, match="1 for-a-task"):
        desk.build("sft", name="trace", form="trace")


def test_a_rollout_for_a_task_is_scored_by_its_instances(desk: Desk) -> None:
    """RLVR: the workflow's run and its instances' are of one job."""
    task = {"id": "a workflow for t", "prompt": "Write functions.", "kind": "open", "metadata": {}}
    origin = {"job": "j", "step": 0, "group": "g", "candidate": 1}
    written = meta_run("w", [Wrote(None, CODES[2])], of=task, origin=origin, variant="metaflow")
    proposed = next(e for e in written if isinstance(e, WorkflowProposed))
    desk.put(written)
    outcomes = [("passed", 1.0), ("failed", 0.5), ("budget", None), ("error", None), ("infra", None)]
    for n, (status, score) in enumerate(outcomes):
        *trial, end = meta_run(f"i{n}", [], of=problem(f"p{n}"), at=2000.0 + n, origin=origin)
        ended: Any = {"status": status, "val_score": score, "workflow_id": proposed.workflow_id}
        desk.put([*trial, replace(end, **ended)])
    (row,), _ = desk.build("sft", "job:j")
    assert row["run"] == "w" and row["reward"] == pytest.approx(1 / 3)
    with pytest.raises(DataError, match="there are no runs"):
        desk.build("sft", name="others")  # rollouts are taken by their job only


def test_code_that_was_indented_in_the_reply_is_found_in_it(desk: Desk) -> None:
    text = "<graph>\n" + "\n".join(f"    {line}" for line in CODE.splitlines()) + "\n</graph>"
    desk.put(meta_run("r", [Wrote(0.5, text=text)]))
    assert desk.build("sft")[0][0]["reply"] == text


def test_texts_that_parquet_cannot_hold_are_made_to_fit(desk: Desk) -> None:
    desk.put(meta_run("r", [Wrote(0.5, reasoning="a\ud800b\0c")]))
    (row,), _ = desk.build("sft")
    assert row["reasoning"] == "a?b\ufffdc"
