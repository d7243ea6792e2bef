"""Valid workflows: no findings, no repairs, the same bytes, and an identity that ignores formatting."""

from __future__ import annotations

import ast

import pytest

from engine.operators.sets import PAPER
from engine.workflows import Workflow, build_workflow, complexity, lint, repair, workflow_id
from tests.workflows.workflow_samples import GOOD, PROMPTS

cases = pytest.mark.parametrize("code", GOOD.values(), ids=GOOD.keys())


@cases
def test_no_findings(code: str) -> None:
    assert lint(code, PROMPTS, PAPER) == []


@cases
def test_repair_leaves_it_alone(code: str) -> None:
    result = repair(code, PROMPTS, PAPER)
    assert (result.code, result.prompts, result.repairs) == (code, PROMPTS, ())


@cases
def test_it_builds_strictly(code: str) -> None:
    built = build_workflow(code, PROMPTS, PAPER)
    assert isinstance(built, Workflow)
    assert built.strict_ok
    assert built.graph.nodes
    assert built.complexity == complexity(code) > 1


@cases
def test_a_completion_and_a_file_are_the_same_workflow(code: str) -> None:
    tagged = f"<modification>new</modification>\n<graph>{code}</graph>\n<prompt>{PROMPTS}</prompt>"
    completion = f"<think>hm</think>{tagged}"
    from_completion = build_workflow(completion, "", PAPER)
    from_file = build_workflow(code, PROMPTS, PAPER)
    assert isinstance(from_completion, Workflow) and isinstance(from_file, Workflow)
    assert from_completion.id == from_file.id
    assert from_completion.modification == "new"


@cases
def test_identity_ignores_comments_and_formatting(code: str) -> None:
    rewritten = ast.unparse(ast.parse(code)).replace(":\n", ":  # why\n\n")
    assert workflow_id(rewritten, PROMPTS + "\n# more\n", "paper") == workflow_id(code, PROMPTS, "paper")


def test_identity_sees_code_prompts_and_operator_set() -> None:
    code = GOOD["single call"]
    ids = {
        workflow_id(code, PROMPTS, "paper"),
        workflow_id(code.replace("made", "done"), PROMPTS, "paper"),
        workflow_id(code, PROMPTS.replace("Solve", "Do"), "paper"),
        workflow_id(code, PROMPTS, "other"),
        workflow_id("x = None", "", "paper"),
        workflow_id("x = 0", "", "paper"),
    }
    assert len(ids) == 6


def test_complexity_counts_what_it_says() -> None:
    assert complexity("class Workflow:\n    pass") == 1
    assert complexity("x = [y for y in z if y and not y]") == 1 + 1 + 1 + 1
    assert complexity("class W(") == 0
    assert complexity(GOOD["test and revise loop"]) == 1 + 3 + 1 + 1
