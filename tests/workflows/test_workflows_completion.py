"""Completions in every state of disorder: what is taken as the workflow, and what is said about it."""

from __future__ import annotations

import time

import pytest

from engine.formats import read_workflow
from engine.operators.sets import PAPER
from engine.workflows import Rejected, Workflow, build_workflow, parse_completion

CODE = """class Workflow:
    async def __call__(self, problem):
        reply = await self.custom(input=problem, instruction=prompt_custom.SOLVE)
        return reply["response"]"""
PROMPTS = 'SOLVE = """Solve it."""'
WHOLE = f"<modification>one call</modification>\n<graph>\n{CODE}\n</graph>\n<prompt>\n{PROMPTS}\n</prompt>"


def problems(text: str) -> list[str]:
    return [p.code for p in parse_completion(text).problems]


def test_three_tags() -> None:
    parsed = parse_completion(f"Here you are.\n{WHOLE}\nGood luck.")
    assert (parsed.modification, parsed.code, parsed.prompts) == ("one call", CODE, PROMPTS)
    assert parsed.problems == ()


@pytest.mark.parametrize(
    "text",
    [
        f"<think>first <graph>draft</graph></think>{WHOLE}",
        f"I could write <graph>draft</graph>, no.</think>{WHOLE}",
        f"<think>a</think><think>b <prompt>C = 1</prompt></think>\n{WHOLE}",
        f"<thinking>a</thinking>{WHOLE}",
        WHOLE.replace("<graph>\n", "<graph>\n```python\n").replace("\n</graph>", "\n```\n</graph>"),
        WHOLE.replace("<prompt>\n", "<prompt>\n```\n").replace("\n</prompt>", "\n```\n</prompt>"),
        WHOLE.replace("<graph>\n", "<graph>\nThis is it:\n```py\n").replace("\n</graph>", "\n```\n</graph>"),
        WHOLE.replace("\n", "\r\n"),
        f"<graph>unclosed {WHOLE}",
    ],
)
def test_the_same_workflow_is_found(text: str) -> None:
    parsed = parse_completion(text)
    assert (parsed.code, parsed.prompts) == (CODE, PROMPTS)
    assert parsed.problems == ()


def test_the_last_of_several_workflows_counts() -> None:
    parsed = parse_completion(f"<graph>class Workflow: ...</graph>{WHOLE}")
    assert parsed.code == CODE
    assert [p.code for p in parsed.problems] == ["graph-several"]


def test_modification_and_prompt_may_be_missing() -> None:
    parsed = parse_completion(f"<graph>{CODE}</graph>")
    assert (parsed.modification, parsed.code, parsed.prompts, parsed.problems) == ("", CODE, "", ())


def test_tags_inside_strings_of_the_workflow() -> None:
    code = CODE.replace("input=problem", 'input=f"<prompt>{problem}</prompt>"')
    parsed = parse_completion(f"<graph>{code}</graph>\n<prompt>{PROMPTS}</prompt>")
    assert (parsed.code, parsed.prompts) == (code, PROMPTS)
    prompts = 'SOLVE = "Answer after </think>, not in <think>."'
    parsed = parse_completion(WHOLE.replace(PROMPTS, prompts))
    assert (parsed.code, parsed.prompts) == (CODE, prompts)


def test_fences_without_tags() -> None:
    parsed = parse_completion(f"So:\n```python\n{CODE}\n```\nwith\n```python\n{PROMPTS}\n```\n")
    assert (parsed.code, parsed.prompts) == (CODE, PROMPTS)
    assert [p.code for p in parsed.problems] == ["untagged"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "graph-missing"),
        ("I cannot do that.", "graph-missing"),
        ("<think>and then <graph>x</graph>", "graph-missing"),
        ("```python\nprint(1)\n```", "graph-missing"),
        ("<graph></graph>", "graph-empty"),
        (f"<graph>{CODE[:80]}", "graph-unclosed"),
        ("x" * 2_000_001, "completion-too-large"),
    ],
)
def test_no_workflow(text: str, code: str) -> None:
    assert problems(text) == [code]
    rejected = build_workflow(text, "", PAPER)
    assert isinstance(rejected, Rejected)
    assert [d.code for d in rejected.diagnostics] == [code]


@pytest.mark.parametrize(
    "text",
    [
        "<graph>" * 140_000,
        "</graph>" * 120_000,
        "<think>" * 140_000,
        "<graph></graph>" * 60_000,
        "```\n" * 250_000,
        "<think></think>" * 60_000,
        'class Workflow:\n    x = """' + "a " * 500_000,
        "async def __call__(self):\n" * 40_000,
        "\0" * 1_000_000,
        "(" * 1_000_000,
        "'" * 1_000_000,
    ],
    ids=range(11),
)
def test_a_megabyte_of_anything_is_read_in_linear_time(text: str) -> None:
    started = time.process_time()
    assert isinstance(build_workflow(text, "", PAPER), Rejected)
    assert time.process_time() - started < 10


def test_modules_are_code_even_with_tags_in_their_strings() -> None:
    code = CODE.replace("input=problem", 'input=f"<graph>{problem}</graph>"')
    assert read_workflow(code).code == code
    assert read_workflow(code, PROMPTS).prompts == PROMPTS


AFLOW = f"""import workspace.set.workflows.template.operator as operator
import workspace.set.workflows.round_3.prompt as prompt_custom
from provider.registry import create_llm_instance
from typing import Literal

DatasetType = Literal["a", "b"]

{CODE}
"""


def test_imports_of_what_the_runner_binds_become_comments() -> None:
    read = read_workflow(AFLOW, PROMPTS)
    assert read.code.splitlines()[0] == (
        "# bound by the runner: import workspace.set.workflows.template.operator as operator"
    )
    assert "\nfrom typing import Literal\n" in read.code
    workflow = build_workflow(AFLOW, PROMPTS, PAPER)
    assert isinstance(workflow, Workflow)
    assert workflow.strict_ok


def test_indentation_of_a_whole_module_is_removed() -> None:
    indented = "\n".join("    " + line for line in CODE.split("\n"))
    assert read_workflow(f"<graph>\n{indented}\n</graph>").code == CODE


METHOD = "async def __call__(self, problem):\n{0}    text = '''\nkept\n'''\n{0}    return text + problem"


@pytest.mark.parametrize(
    "code",
    [
        METHOD.format(""),
        METHOD.format("    "),
        "    " + METHOD.format("    "),
        "import re\n\n" + METHOD.format(""),
        "# a figure\n" + METHOD.format(""),
    ],
)
def test_bare_methods_get_a_class(code: str) -> None:
    workflow = build_workflow(code, "", PAPER)
    assert isinstance(workflow, Workflow), workflow.diagnostics
    assert workflow.strict_ok and not workflow.repairs
    assert "'''\nkept\n'''" in workflow.code
