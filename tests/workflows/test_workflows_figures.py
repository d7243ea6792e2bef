"""Workflows in the shapes of the paper's figures, own-written: what is diagnosed, what is repaired."""

from __future__ import annotations

import pytest

from engine.operators.sets import PAPER
from engine.workflows import Rejected, Workflow, build_workflow, lint, repair

PROMPTS = "\n".join(f"{name} = '{name.lower()}'" for name in ("PLAN", "WRITE", "JUDGE", "MEND", "WRITE_B"))

TESTED_LOOP = """
async def __call__(self, problem: str, test_cases: list):
    kept = []
    for _ in range(2):
        for turn in range(3):
            made = await self.custom_code_generate(problem=problem, instruction=prompt_custom.WRITE)
            verdict = await self.test(problem=problem, solution=made["response"], test_cases=test_cases)
            if verdict["result"]:
                kept.append(made["response"])
                break
            why = await self.custom(input=verdict["solution"], instruction=prompt_custom.JUDGE)
            prompt_custom.WRITE = f"{prompt_custom.WRITE}\\n{why['response']}"
    if not kept:
        kept.append(made["response"])
    best = await self.sc_ensemble(solutions=kept, problem=problem)
    return best["response"], self.llm.cost_manager.total_cost
"""

PLANNED = """
async def __call__(self, problem: str, test_cases: list):
    plan = await self.custom(input=problem, instruction=prompt_custom.PLAN)
    made = await self.custom_code_generate(
        problem=problem,
        entry_point=entry_point,
        instruction=f"{prompt_custom.WRITE}\\n{plan['response']}",
    )
    for turn in range(3):
        reply = await self.custom(input=f"{made['response']} {test_cases}", instruction=prompt_custom.JUDGE)
        if "failed" not in reply["response"].lower():
            return made["response"]
        made = await self.custom_code_generate(
            problem=problem, entry_point=entry_point, instruction=f"{prompt_custom.MEND} {turn}/{TURNS}"
        )
    return made["response"]
"""

ONE_MENDING = PLANNED.replace("/{TURNS}", "").replace(
    "problem=problem, entry_point=entry_point, instruction=f", "problem=problem, instruction=f"
)

CANDIDATES = """
async def __call__(self, problem: str, test_cases: list):
    ways = [prompt_custom.WRITE, prompt_custom.WRITE_B]
    texts = [
        (await self.custom_code_generate(
            problem=problem,
            instruction=way
        ))["response"] for way in ways
    ]
    best = (await self.custom(input="\\n---\\n".join(texts), instruction=prompt_custom.JUDGE))["response"]
    return best, self.llm.cost_manager.total_cost
"""

WITH_CONTEXT = """
async def __call__(self, problem: str, test_cases: list):
    made = (await self.custom_code_generate(
        problem=problem,
        instruction=prompt_custom.WRITE
    ))["response"]
    better = await self.custom_code_generate(
        problem=problem,
        instruction=prompt_custom.MEND,
        context=f"Draft:\\n{made}\\nTests:\\n{test_cases}"
    )
    return better["response"]
"""

TWO_HEADERS = """
    async def __call__(self, problem: str, test_cases: list):
        async def __call__(self, problem: str, test_cases: list):
        # plan first
        plan = await self.custom(input=problem, instruction=prompt_custom.PLAN)
        made = await self.custom_code_generate(
            problem=problem, entry_point=entry_point, instruction=plan["response"]
        )
        return f"# Solution\\n{made['response']}"
"""

NESTED = '''
class Workflow:
    async def __call__(self, problem, entry_point):
        """Solve it."""
        async def __call__(self, problem, entry_point):
            made = await self.custom(input=problem)
            return made["response"]
'''


def built(code: str) -> Workflow:
    workflow = build_workflow(code, PROMPTS, PAPER)
    assert isinstance(workflow, Workflow), workflow.diagnostics
    return workflow


def codes(workflow: Workflow | Rejected) -> set[str]:
    return {d.code for d in workflow.diagnostics}


def repairs(workflow: Workflow | Rejected) -> set[str]:
    return {r.code for r in workflow.repairs}


def test_bare_method_is_a_format_not_a_repair() -> None:
    workflow = built(CANDIDATES)
    assert workflow.strict_ok and not workflow.repairs
    assert [(n.attribute, n.in_loop) for n in workflow.graph.nodes] == [
        ("custom_code_generate", True),
        ("custom", False),
    ]


def test_tests_with_extra_arguments_and_overwritten_prompts() -> None:
    workflow = built(TESTED_LOOP)
    assert workflow.strict_ok
    assert codes(workflow) == {"prompt-mutation"}


def test_undefined_limit_of_a_branch_is_a_warning_before_anything_runs() -> None:
    workflow = built(PLANNED)
    (limit,) = [d for d in workflow.diagnostics if "TURNS" in d.message]
    assert (limit.code, limit.severity, limit.line) == ("undefined-name", "warning", 14)
    assert "string-verdict" in codes(workflow)
    assert "entry-point" in repairs(workflow)


def test_entry_point_is_bound() -> None:
    workflow = built(ONE_MENDING)
    assert not workflow.strict_ok
    assert "undefined-name" in codes(workflow)
    assert repairs(workflow) == {"entry-point"}
    assert "test_cases: list, entry_point=None):" in workflow.code


def test_context_is_appended_to_the_problem() -> None:
    workflow = built(WITH_CONTEXT)
    assert not workflow.strict_ok
    assert codes(workflow) == {"unknown-argument"}
    assert repairs(workflow) == {"unknown-argument"}
    assert 'problem="\\n\\n".join([problem, str(f"Draft' in workflow.code
    assert "context=" not in workflow.code
    assert workflow.code.count("\n") == workflow.source.count("\n")


@pytest.mark.parametrize("code", [TWO_HEADERS, NESTED], ids=["not indented", "nested"])
def test_second_header_is_unwrapped(code: str) -> None:
    workflow = built(code)
    assert not workflow.strict_ok
    assert "nested-call" in repairs(workflow)
    assert workflow.code.count("def __call__") == 1


def test_lost_value_is_left_to_the_author() -> None:
    code = TESTED_LOOP.replace("    kept = []", "    tries =\n    kept = []")
    rejected = build_workflow(code, PROMPTS, PAPER)
    assert isinstance(rejected, Rejected)
    (syntax,) = rejected.diagnostics
    assert (syntax.code, syntax.line) == ("graph-syntax", 3)
    assert "tries =" in syntax.message
    assert rejected.repairs == ()


TYPESET = r"""
101
        async def __call__(self, problem: str, test_cases: list):
102
            \ensuremath{\text{\#}} 1. Write it
            made = await self.custom code generate(
103
                problem=problem,
     5
                instruction=f"{prompt_custom.WRITE}\n{
                     problem} and
                     more'
104
            # 2. Mend it
            better = await self.custom_code_generate(problem=problem, entry point=None,
                instruction=prompt_custom.WRITE B)
105
            return better['response']
106
"""


def test_copying_artefacts_are_undone() -> None:
    workflow = built(TYPESET)
    expected = {"margin-numbers", "latex-escape", "broken-string", "spaced-name", "lost-bracket"}
    assert repairs(workflow) == expected
    assert 'instruction=f"{prompt_custom.WRITE}\\n{problem} and more")' in workflow.code
    assert "# 1. Write it" in workflow.code
    assert "entry_point=None" in workflow.code and "prompt_custom.WRITE_B" in workflow.code
    assert workflow.code.count("\n") == workflow.source.count("\n")


@pytest.mark.parametrize(
    "code", [TESTED_LOOP, PLANNED, ONE_MENDING, CANDIDATES, WITH_CONTEXT, TWO_HEADERS, NESTED, TYPESET]
)
def test_repairing_twice_changes_nothing_more(code: str) -> None:
    result = build_workflow(code, PROMPTS, PAPER)
    again = repair(repair(result.code, PROMPTS, PAPER).code, PROMPTS, PAPER)
    assert again.repairs == ()
    if isinstance(result, Workflow):
        assert again.code == result.code
        assert not [d for d in lint(result.code, PROMPTS, PAPER) if d.severity == "error"]
