"""Completions in every state of disorder: what is taken as the workflow, and what is said about it."""

from __future__ import annotations

import json
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


GRAPH, PROMPT = f"<graph>\n{CODE}\n</graph>", f"<prompt>\n{PROMPTS}\n</prompt>"


def json_reply(**parts: object) -> str:
    return json.dumps(parts)


@pytest.mark.parametrize(
    "text",
    [
        WHOLE.replace("graph>", "GRAPH>").replace("prompt>", "Prompt>"),
        WHOLE.replace("<graph>", "< graph >").replace("</graph>", "</ graph >"),
        WHOLE.replace("<graph>", '<graph language="python" version=1>').replace(
            "<prompt>", "<prompt lang='py'>"
        ),
        f"<graph><![CDATA[\n{CODE}\n]]></graph>\n<prompt><![CDATA[{PROMPTS}]]></prompt>",
        f"<graph>\n````python\n{CODE}\n````\n</graph>\n{PROMPT}",
        f"<graph>\n~~~py\n{CODE}\n~~~\n</graph>\n<prompt>\n~~~\n{PROMPTS}\n~~~\n</prompt>",
        f"<graph>\n```python\n{CODE}\n</graph>\n<prompt>\n{PROMPTS}\n```\n</prompt>",
        f"<graph>\nIt's this, so don't worry:\n```python\n{CODE}\n```\nIt's good.\n</graph>\n{PROMPT}",
        f"```xml\n{WHOLE}\n```",
        f"{WHOLE}\nI closed `<graph>…</graph>` and `<prompt>…</prompt>` properly.",
        f"I'll use <graph> and <prompt> tags, as <graph>…</graph>.\n{WHOLE}",
        f"{GRAPH}\n<prompt>\n{PROMPTS}\n",
        f"{GRAPH}\n<prompt>\n{PROMPTS}<|im_end|>",
        f"{PROMPT}\n{GRAPH}",
        json_reply(modification="one call", graph=CODE, prompt=PROMPTS),
        json_reply(Graph=CODE.split("\n"), Prompt=[PROMPTS]),
        "Here:\n```json\n" + json_reply(workflow=CODE, prompts=PROMPTS) + "\n```",
        json_reply(graph=f"<graph>\n```python\n{CODE}\n```\n</graph>", prompt=PROMPT),
        WHOLE.replace("<", "&lt;").replace(">", "&gt;"),
        f"\ufeff{WHOLE}",
        f"<Think>Or <graph>class Workflow: pass</graph>?</Think>{WHOLE}",
    ],
)
def test_dressings_of_tags_are_taken_off(text: str) -> None:
    parsed = parse_completion(text)
    assert (parsed.code, parsed.prompts, parsed.problems) == (CODE, PROMPTS, ())


@pytest.mark.parametrize(
    "words",
    [
        "Answer as\n```python\ndef f(): ...\n```\nor\n```\nnothing\n```\n",
        "Reply in <prompt>x</prompt> tags.",
        "End with </prompt>.",
        "Never write <graph>, </graph> or <modification>.",
        "~~~\nquoted\n~~~",
        "It's <b>bold</b>, isn't it?",
        "Think inside <think></think>.",
        "```",
        "<![CDATA[ is not wanted ]]>",
        'JSON such as {"graph": "x"} is fine.',
        "# </graph>",
    ],
)
@pytest.mark.parametrize("place", ["prompt", "graph", "comment"])
def test_what_stands_in_a_string_or_a_comment_is_no_mark(words: str, place: str) -> None:
    code, prompts = CODE, PROMPTS
    if place == "prompt":
        prompts = f"SOLVE = '''{words}'''"
    elif place == "graph":
        code = CODE.replace("input=problem", f"input=problem + {words!r}")
    else:
        code = CODE.replace("        return", f"        # {' '.join(words.split())}\n        return")
    parsed = parse_completion(f"<graph>\n{code}\n</graph>\n<prompt>\n{prompts}\n</prompt>")
    assert (parsed.code, parsed.prompts) == (code, prompts)


def test_prompts_of_several_tags_are_joined() -> None:
    parsed = parse_completion(f'{GRAPH}\n<prompt>\nA = "a"\n</prompt>\n<prompt>\nB = "b"\n</prompt>')
    assert parsed.prompts == 'A = "a"\n\nB = "b"'
    named = parse_completion(f'{GRAPH}\n<prompt name="SOLVE">\nThink it\'s easy.\n</prompt>')
    assert named.prompts == 'SOLVE = "Think it\'s easy."'
    parts = parse_completion(json_reply(graph=CODE, prompts={"SOLVE": "Think."}))
    assert parts.prompts == "SOLVE = 'Think.'"


@pytest.mark.parametrize(
    "text", [f"<graph>\n{CODE}\n{PROMPT}", f"{PROMPT}\n<graph>\n{CODE}\n", f"<graph>{CODE}"]
)
def test_a_whole_workflow_needs_no_closing_tag(text: str) -> None:
    parsed = parse_completion(text)
    assert parsed.code == CODE
    assert [(p.code, p.severity) for p in parsed.problems] == [("graph-unclosed", "warning")]


def test_a_workflow_between_words_is_found() -> None:
    parsed = parse_completion(f"Here is the workflow:\n\n{CODE}\n\nIts prompts are\n{PROMPT}")
    assert (parsed.code, parsed.prompts) == (CODE, PROMPTS)
    assert [p.code for p in parsed.problems] == ["untagged"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("  ", "it is empty"),
        ("Sorry, no.", "it has neither <graph> nor code"),
        ("<modification>m</modification>", "it has neither <graph> nor code"),
        ("```python\ndef add(a):\n    return a\n```", "its code defines add, and no class Workflow"),
        ("```python\nprint(1)\n```", "its code defines no class Workflow"),
        ('{"answer": 42}', "it has neither <graph> nor code"),
    ],
)
def test_the_diagnosis_says_what_is_missing(text: str, told: str) -> None:
    (problem,) = parse_completion(text).problems
    assert told in problem.message
    assert problem.fix == "Write class Workflow inside <graph></graph>"
