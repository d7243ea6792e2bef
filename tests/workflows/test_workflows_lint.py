"""One wrong workflow per diagnostic: what is said, where, and what is suggested."""

from __future__ import annotations

import pytest

from engine.operators.sets import PAPER
from engine.workflows import Diagnostic, describe, lint

PROMPTS = 'SOLVE = """Solve it."""\n'
BODY = """class Workflow:
    async def __call__(self, problem, entry_point, test_cases):
{body}
"""


def check(body: str, prompts: str = PROMPTS) -> list[Diagnostic]:
    indented = "\n".join("        " + line for line in body.split("\n"))
    return lint(BODY.format(body=indented), prompts, PAPER)


CALL = "reply = await self.custom(input=problem)\n"
MADE = "made = await self.custom_code_generate(problem=problem)\n"

# body, the code expected, its severity, its line (the body begins on line 3), a word of message or fix
CASES = [
    ("x = (1\nreturn x", "graph-syntax", "error", 3, "never closed"),
    ("return 'a'\nawait self.custom(input=1) = 2", "graph-syntax", "error", 4, "cannot assign"),
    ("break\nreturn ''", "graph-syntax", "error", 3, "outside loop"),
    ("def f():\n    await self.custom(input='')\nreturn ''", "graph-syntax", "error", 4, "await"),
    ("return str(max_iterations)", "undefined-name", "error", 3, "max_iterations"),
    ("return problm", "undefined-name", "error", 3, "Did you mean problem?"),
    ("return await asyncio.sleep(1, 'x')", "undefined-name", "error", 3, "import asyncio"),
    ("x = [y for y in '']\nreturn y", "undefined-name", "error", 4, "'y'"),
    ("return question_id", "undefined-name", "error", 3, "parameters of __call__"),
    ("return prompt_custom.SLVE", "undefined-prompt", "error", 3, "prompt_custom.SOLVE"),
    ("return prompt_custom.REVIEW_IT", "undefined-prompt", "error", 3, "Define REVIEW_IT"),
    ("return (await self.custm(input=''))['response']", "unknown-operator", "error", 3, "self.custom"),
    ("return self.memory", "unknown-attribute", "error", 3, "never assigned"),
    ("await self.custom()\nreturn ''", "missing-argument", "error", 3, "'input'"),
    ("await self.custom(input='', inputs='')\nreturn ''", "unknown-argument", "error", 3, "input="),
    ("await self.custom('', '', '')\nreturn ''", "too-many-arguments", "error", 3, "takes 2"),
    ("await self.custom('', input='')\nreturn ''", "repeated-argument", "error", 3, "twice"),
    ("self.custom(input=problem)\nreturn ''", "missing-await", "error", 3, "await self.custom"),
    ("r = self.custom(input='')\nreturn r['response']", "missing-await", "error", 3, "await"),
    ("return self.custom(input='')['response']", "missing-await", "error", 3, "await"),
    ("rs = [self.custom(input='') for _ in '12']\nreturn 'x'", "missing-await", "error", 3, "await"),
    ("x = f\"{self.custom(input='')}\"\nreturn x", "missing-await", "error", 3, "await"),
    (CALL, "no-return", "error", 2, "never returns"),
    (CALL + "return None", "no-return", "error", 2, "never returns"),
    ("if problem:\n    return 'a'", "may-return-none", "warning", 3, "without a return"),
    ("for t in test_cases:\n    return t", "may-return-none", "warning", 3, "without a return"),
    ("if problem:\n    return\nreturn 'a'", "returns-none", "warning", 4, "None"),
    ("while True:\n    x = 1", "endless-loop", "error", 3, "never ends"),
    (MADE + "return made['code']", "result-key", "error", 4, "['response']"),
    (MADE + "return made.get('code')", "result-key", "warning", 4, "no key"),
    (MADE + "return made.response", "result-attribute", "error", 4, "['response']"),
    ("return (await self.review(problem='', solution=''))['ok']", "result-key", "error", 3, "feedback"),
    (CALL + "if 'ok yes' in reply['response']:\n    x = 1\nreturn ''", "string-verdict", "warning", 4, ""),
    (CALL + "t = reply['response']\nreturn t.startswith('YES')", "string-verdict", "warning", 5, "test"),
    ("prompt_custom.SOLVE += 'x'\nreturn ''", "prompt-mutation", "warning", 3, "overwritten"),
    ("setattr(prompt_custom, 'SOLVE', 'x')\nreturn ''", "prompt-mutation", "warning", 3, "overwritten"),
    ("open('x').read()\nreturn ''", "outside-world", "warning", 3, "open()"),
    ("import subprocess\nreturn str(subprocess)", "outside-world", "warning", 3, "subprocess"),
    ("yield 'x'", "call-yields", "error", 2, "generator"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "code", "severity", "line", "words"), CASES)
def test_diagnostics(body: str, code: str, severity: str, line: int, words: str) -> None:
    found = check(body)
    (diagnostic,) = [d for d in found if d.code == code]
    assert (diagnostic.severity, diagnostic.line) == (severity, line)
    assert words in f"{diagnostic.message} {diagnostic.fix}"
    others = {d.code for d in found} - {code}
    assert others <= {"no-return", "unknown-attribute"}, describe(found)


STRUCTURES = [
    ("x = 1", "no-workflow"),
    ("class Flow:\n    async def __call__(self, problem):\n        return problem", "no-workflow"),
    ("class Workflow:\n    async def run(self):\n        return ''", "no-call"),
    ("class Workflow:\n    def __call__(self, problem):\n        return problem", "call-not-async"),
    ("class Workflow:\n    async def __call__(self, question):\n        return question", "call-parameter"),
    ("class Workflow:\n    async def __call__(self, problem, /):\n        return problem", "call-parameter"),
    ("class Workflow:\n    async def __call__():\n        return ''", "call-without-self"),
    (
        "class Workflow:\n    def __init__(self, tools):\n        pass\n"
        "    async def __call__(self):\n        return ''",
        "init-parameter",
    ),
    (
        "class Workflow:\n    def __init__(self, name):\n        self.vote = operator.Voting(self.llm)\n"
        "    async def __call__(self):\n        return ''",
        "unknown-operator",
    ),
    ("class Workflow:\n    async def __call__(self):\n        return ''\n" * 2, "two-workflows"),
    (
        "class Workflow:\n    async def __call__(self):\n        return ''\n"
        "    async def __call__(self):\n        return ''",
        "two-calls",
    ),
    (
        "class Workflow:\n    async def __call__(self):\n"
        "        async def __call__(self):\n            return ''",
        "nested-call",
    ),
]


@pytest.mark.parametrize(("code", "expected"), STRUCTURES)
def test_structure(code: str, expected: str) -> None:
    assert [d.code for d in lint(code, "", PAPER)] == [expected]


def test_prompt_faults_are_in_the_prompts() -> None:
    (found,) = check("return prompt_custom.SOLVE", "SOLVE = 1\nB = '''")
    assert (found.code, found.line) == ("prompt-syntax", 2)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("x = '\0'", "graph-nul"),
        ("x = '\ud800'", "graph-syntax"),
        ("x = 1\n" * 50_000, "graph-too-large"),
        ("x = " + "(" * 5_000, "graph-syntax"),
        ("x = " + "-" * 50_000 + "1", "graph-too-deep"),
        ("x = " + "+".join("1" * 5_000), "graph-too-deep"),
        ("class Workflow:\n    nonlocal x", "graph-syntax"),
    ],
    ids=["nul", "surrogate", "large", "brackets", "signs", "sum", "compiler"],
)
def test_hostile_text_is_a_diagnostic(code: str, expected: str) -> None:
    assert expected in [d.code for d in lint(code, "", PAPER)]


def test_json_is_plain() -> None:
    (found,) = check("return problm")
    assert found.to_json() == {
        "code": "undefined-name",
        "severity": "error",
        "message": "name 'problm' is not defined",
        "line": 3,
        "fix": "Did you mean problem?",
    }
    assert describe([found]) == "- error: line 3: name 'problm' is not defined. Did you mean problem?"
