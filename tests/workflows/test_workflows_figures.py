"""Workflows in the shapes of the paper's figures, own-written: what is diagnosed, what is repaired."""

from __future__ import annotations

import textwrap

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
    assert syntax.message == "the value of tries is lost: nothing stands after the ="
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


# What else pages and readers of pages do to the lines of CANDIDATES, PLANNED and their like.
FIGURE = """
async def __call__(self, problem: str, test_cases: list):
    plan = await self.custom(
        input=problem,
        instruction=prompt_custom.PLAN
    )
    made = {"response": ""}
    for turn in range(3):
        made = await self.custom_code_generate(
            problem=problem + plan["response"],
            instruction=f"Mind the tests:\\n{test_cases}"
        )
    return made["response"], self.llm.cost_manager.total_cost
""".strip("\n")
LINES = FIGURE.split("\n")
IN_CLASS = "class Workflow:\n" + textwrap.indent(FIGURE, "    ")
DAMAGED = {
    "numbers before the lines": "\n".join(f"{n} {line}" for n, line in enumerate(LINES, 101)),
    "numbers set to the right": "\n".join(f"{n:>4}  {line}" for n, line in enumerate(LINES, 97)),
    "numbers after the lines": "\n".join(f"{line}   {n}" for n, line in enumerate(LINES, 101)),
    "numbers before a class": "\n".join(f"{n:>2} {line}" for n, line in enumerate(IN_CLASS.split("\n"), 9)),
    "a value below its name": FIGURE.replace("range(3)", "range(many)").replace(
        '    made = {"response": ""}', "    many =\n    3\n    made = None"
    ),
    "curly quotes": FIGURE.replace('"response"', "\u201cresponse\u201d"),
    "a curly string": FIGURE.replace('"Mind', "\u201cDon't mind").replace('cases}"', "cases}\u201d"),
    "primes and backquotes": FIGURE.replace('"response"', "`response\u2019"),
    "hard blanks": FIGURE.replace("    ", "\u00a0" * 4),
    "characters without width": FIGURE.replace("await", "aw\u200bait").replace("_code", "\u00ad_code"),
    "a minus sign": FIGURE.replace("range(3)", "range(4 \u2212 1)"),
    "no underscores": FIGURE.replace("_", " "),
    "a running head": FIGURE.replace("    for turn", "Under review as a conference paper at X\n    for turn"),
    "a caption": f"{FIGURE}\nFigure 5: What was found for MBPP.",
    "every other line shifted": "\n".join(" " * (n % 2) + line for n, line in enumerate(LINES)),
    "a body beside its header": "\n".join(line.removeprefix("    ") for line in LINES),
    "all at once": "\n".join(
        f"{n} {line}"
        for n, line in enumerate(
            FIGURE.replace('"response"', "\u201cresponse\u201d").replace("_", " ").split("\n")
        )
    ),
}


@pytest.mark.parametrize("text", DAMAGED.values(), ids=DAMAGED)
def test_what_a_page_does_to_a_figure_is_undone(text: str) -> None:
    workflow = built(text)
    assert not workflow.strict_ok and workflow.repairs
    assert [n.attribute for n in workflow.graph.nodes] == ["custom", "custom_code_generate"]
    assert workflow.graph.nodes[1].in_loop
    assert 'made["response"]' in workflow.code.replace("'", '"')
    again = built(workflow.code)
    assert again.code == workflow.code and again.repairs == ()


def test_typographic_characters_in_strings_stay() -> None:
    text = FIGURE.replace("Mind the", "Don\u2019t \u201cguess\u201d \u2212 mind the").replace(
        "range(3)", "range(4\u22121)"
    )
    assert "Don\u2019t \u201cguess\u201d \u2212 mind the" in built(text).code


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ('made = {"response": ""}', "max tries =", "max tries"),
        ("input=problem,", "input=,", "input"),
        ("instruction=prompt_custom.PLAN\n    )", "instruction=)", "instruction"),
        ('f"Mind the tests:\\n{test_cases}"', "", "instruction"),
    ],
    ids=["assignment", "argument", "last argument", "argument of the last line"],
)
def test_a_lost_value_is_named(old: str, new: str, name: str) -> None:
    text = FIGURE.replace(old, new)
    assert text != FIGURE
    rejected = build_workflow(text, PROMPTS, PAPER)
    assert isinstance(rejected, Rejected)
    assert rejected.diagnostics[0].message == f"the value of {name} is lost: nothing stands after the ="
