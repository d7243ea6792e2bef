"""Whatever text comes in, there is an answer and no traceback; repairs settle; identity holds."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.operators.sets import PAPER
from engine.workflows import (
    Rejected,
    Workflow,
    build_workflow,
    complexity,
    lint,
    parse_completion,
    partial_graph,
    repair,
)
from tests.workflows.workflow_samples import GOOD, PROMPTS

PIECES = [
    "<graph>", "</graph>", "<prompt>", "</prompt>", "<think>", "</think>", "```python\n", "```\n",
    "class Workflow:\n",
    "    async def __call__(self, problem):\n", "        return ", "await ", "self.custom(input=",
    "prompt_custom.",
    "(", ")", "[", "]", "{", "}", '"', "'", '"""', "f'", "\\", "\n", "    ", "#", ":", "lambda x: ", "try:\n",
    "x = ", "\0", "\ud800", "é", "\r\n", "\f", "match x:\n", "yield ", "@", "*", "=", "if ", "for x in ",
    "12\n",
]  # fmt: skip
soup = st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=40).map("".join)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A valid workflow with a few stretches cut out, doubled or replaced."""
    code = draw(st.sampled_from(sorted(GOOD.values())))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(code)))
        end = draw(st.integers(start, min(len(code), start + 60)))
        code = code[:start] + draw(st.sampled_from(["", code[start:end] * 2, *PIECES])) + code[end:]
    return code


def survives(text: str) -> None:
    parse_completion(text)
    lint(text, text, PAPER)
    partial_graph(text, PAPER).to_json()
    complexity(text)
    built = build_workflow(text, "", PAPER)
    assert isinstance(built, Workflow | Rejected)
    if isinstance(built, Rejected):
        assert any(d.severity == "error" for d in built.diagnostics)
    else:
        assert not [d for d in lint(built.code, built.prompts, PAPER) if d.severity == "error"]
        assert built.strict_ok or built.repairs
    once = repair(text, PROMPTS, PAPER)
    assert repair(once.code, once.prompts, PAPER).repairs == ()


@given(st.text() | soup)
@example("\0")
@example("\ud800class Workflow: pass")
@settings(max_examples=300)
def test_any_text_gets_an_answer(text: str) -> None:
    survives(text)


@given(mutated())
@settings(max_examples=200)  # of twenty kinds of faults, 400 find no other than these
def test_any_damaged_workflow_gets_an_answer(code: str) -> None:
    survives(code)


@given(st.sampled_from(sorted(GOOD.values())), st.data())
@settings(max_examples=100)
def test_comments_and_blank_lines_keep_the_identity(code: str, data: st.DataObject) -> None:
    lines = []
    for line in code.split("\n"):
        # After a line that opens a string or ends in one of its own comments there is nothing to add.
        addable = line.rstrip().endswith((":", "]", ")")) and "'''" not in line and '"""' not in line
        note = data.draw(st.sampled_from(["", "  ", "  # note", "\n", "\n# note\n"])) if addable else ""
        lines.append(line + note)
    first = build_workflow(code, PROMPTS, PAPER)
    second = build_workflow("\n".join(lines), f"# prompts\n{PROMPTS}\n\n", PAPER)
    assert isinstance(first, Workflow) and isinstance(second, Workflow)
    assert first.id == second.id


HEAD = "class Workflow:\n    async def __call__(self, problem):\n"
CROWDS = {
    "lost calls": "        x{i} = self.custom(input='')\n",
    "one list": "        x = []\n        x.append(self.custom(''))\n",
    "undefined names": "        print(abc{i})\n",
    "unknown operators": "        await self.custm{i}()\n",
    "unknown prompts": "        print(prompt_custom.ABC{i})\n",
    "branches": "        if problem:\n            await self.custom('')\n",
    "functions": "        def f{i}(): return f{i}()\n",
    "comprehensions": "        x = [self.custom('') for a in b for b in c]\n",
    "extras": "        await self.custom_code_generate(problem='', context='')\n",
    "broken strings": '        x = "\n',
    "numbers": "1\n",
}


@pytest.mark.parametrize("line", CROWDS.values(), ids=CROWDS.keys())
def test_as_much_as_is_read_at_all_is_read_in_seconds(line: str) -> None:
    count = 60_000 // len(line)
    code = HEAD + "".join(line.replace("{i}", str(i)) for i in range(count))[:60_000] + "        return ''"
    started = time.process_time()
    build_workflow(code, PROMPTS, PAPER)
    assert time.process_time() - started < 15  # of CPU time; about one is used
