"""Two runs beside each other: workflow diff and aligned steps."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from store.compare.comparison import Comparison, compare, to_json
from store.compare.traces import ComparedStep, align, workflow_diff
from store.reader import Reader
from tests.support.trials import CODE, Ran, store_run
from tests.support.trials import Step as Made
from tui.compare.report import text

A, B = "01AAA", "01BBB"


def steps(*made: tuple[str, str, object], where: tuple[str, int, int] = ("test", 1, 1)) -> list[ComparedStep]:
    """Steps of one execution: operator, key, output."""
    return [
        ComparedStep(where, i, operator, i + 1, key, "ok", {}, output, None, 1.0)
        for i, (operator, key, output) in enumerate(made)
    ]


def kinds(first: list[ComparedStep], second: list[ComparedStep]) -> list[tuple[str, int | None, int | None]]:
    return [(one.kind, *(s.index if s else None for s in one.steps)) for one in align(first, second)]


def test_steps_are_aligned_by_key_then_by_operator() -> None:
    first = steps(("Generate", "k1", "x"), ("Test", "k2", True), ("Revise", "k3", "y"))
    second = steps(
        ("Generate", "k1", "x"), ("Review", "k9", "r"), ("Test", "k8", True), ("Revise", "k3", "z")
    )
    assert kinds(first, second) == [
        ("same", 0, 0),
        ("only_other", None, 1),
        ("inputs", 1, 2),
        ("output", 2, 3),
    ]


def test_executions_are_matched_by_why_they_ran() -> None:
    first = [*steps(("A", "1", 1), where=("val", 1, 1)), *steps(("A", "1", 1))]
    assert kinds(first, steps(("A", "1", 1))) == [("only_baseline", 0, None), ("same", 0, 0)]


def test_nothing_lines_up_with_nothing() -> None:
    assert kinds([], []) == []
    assert kinds(steps(("A", "1", 1)), []) == [("only_baseline", 0, None)]
    assert kinds(steps(("A", "1", 1)), steps(("B", "2", 1))) == [
        ("only_baseline", 0, None),
        ("only_other", None, 0),
    ]


def test_no_step_is_lost_however_long_the_traces() -> None:
    rng = random.Random(5)
    for size in (40, 3_000):
        sides = [steps(*((rng.choice("ABC"), str(rng.randint(0, 20)), n) for n in range(size))) for _ in "ab"]
        began = time.process_time()
        found = list(align(*sides))
        assert time.process_time() - began < 10
        for side in (0, 1):
            assert [one.steps[side].index for one in found if one.steps[side]] == list(range(size))  # type: ignore[union-attr]


def test_a_diff_is_whole_and_nothing_for_the_same() -> None:
    lines = [f"line {n}" for n in range(50)]
    found = workflow_diff("\n".join(lines), "\n".join([*lines[:-1], "other"]))
    assert all(f" line {n}" in found for n in range(49))
    assert "-line 49" in found and "+other" in found
    assert workflow_diff("x", "x") == ""


@pytest.fixture
def compared(tmp_path: Path) -> Comparison:
    path = tmp_path / "store.db"
    first = Ran("passed", code=CODE, steps=(Made("Custom", "same"), Made("Test", {"result": True}, "t1")))
    second = Ran(
        "failed",
        worker="w2",
        code=CODE.replace("custom", "test"),
        steps=(Made("Custom", "same"), Made("Test", {"result": "[red]\x1b[2Jno"}, "t2", {"q": "```"})),
    )
    store_run(path, A, first, problem="p")
    store_run(path, B, second, problem="p")
    with Reader(path) as reader:
        return compare(reader, ["01A", B])


def test_runs_are_compared_step_by_step(compared: Comparison) -> None:
    assert compared.are_runs
    (runs,) = compared.runs
    assert runs.run_ids == (A, B)
    assert (
        "-        return await self.custom(" in runs.diff and "+        return await self.test(" in runs.diff
    )
    assert [one.kind for one in runs.steps] == ["same", "inputs"]
    assert to_json(compared)["runs"][0]["steps"][1]["steps"][1]["output"] == {"result": "[red]\x1b[2Jno"}


def test_the_report_of_runs_shows_differences_or_everything(compared: Comparison) -> None:
    short, whole = text(compared, every=False), text(compared, every=True)
    assert "Steps, A and B: 1 of 2 differ" in short
    assert "Custom" not in short.partition("Steps, A")[2] and "Custom" in whole.partition("Steps, A")[2]
    assert "B against A on p: passed → failed" in short
    assert "worker  w  w2" in short and "\x1b" not in whole
    assert "[red]" in short


def test_a_fence_in_a_workflow_does_not_end_the_markdown(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store_run(path, A, Ran(code='P = """\n```\nx\n````\n"""'))
    store_run(path, B, Ran(code="pass"))
    with Reader(path) as reader:
        out = text(compare(reader, [A, B]), every=False, markdown=True)
    assert "\n`````diff\n" in out and out.count("\n`````") == 2
