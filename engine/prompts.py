"""What the meta-agent is told: the format, the operators, the query, and what happened so far."""

from __future__ import annotations

from dataclasses import dataclass

from engine.models.base import Message
from engine.operators.specs import OperatorSet
from engine.problems import Problem

SYSTEM = """You design workflows that solve programming problems. A workflow is a Python class whose \
async method __call__ takes any of problem, entry_point and test_cases (by these names), awaits operators \
on self, and returns the answer as a string.

Operators:
{operators}

Reply with three tagged parts:
<modification>what you do, or what you change against the last round and why</modification>
<graph>
class Workflow:
    async def __call__(self, problem, entry_point):
        ...
</graph>
<prompt>
NAME = \"\"\"a prompt, used in the workflow as prompt_custom.NAME\"\"\"
</prompt>

The operators exist on self already. Await every call. Use only prompts you define. Bound every loop. \
Return the solution, never None. {judge}"""

# Advice that a set can be followed with or not.
_JUDGE_BY_TESTS = "Judge solutions by running tests, not by words in a reply."
_JUDGE_BY_CODE = "Judge solutions by what code computes, not by words in a reply."


@dataclass(frozen=True)
class Experience:
    """One earlier round, as the meta-agent is shown it."""

    round: int
    code: str
    prompts: str
    modification: str
    score: float | None
    feedback: str


def propose_messages(problem: Problem, operators: OperatorSet, history: list[Experience]) -> list[Message]:
    """The messages for the next round. Only visible tests are ever shown (invariant I6)."""
    parts = [f"Query:\n{problem.prompt.strip()}"]
    if problem.entry_point:
        parts.append(f"Entry point: {problem.entry_point}")
    if problem.tests.visible:
        parts.append("Visible tests:\n" + "\n".join(t.strip() for t in problem.tests.visible))
    if history:
        best = max(history, key=lambda e: (e.score is not None, e.score or 0.0, e.round))
        lines = [
            f"Round {e.round}: {_score(e.score)}: {e.modification.strip() or 'no description'}"
            for e in history
        ]
        parts.append("Rounds so far:\n" + "\n".join(lines))
        parts.append(f"Best workflow (round {best.round}):\n<graph>\n{best.code.strip()}\n</graph>")
        if best.prompts.strip():
            parts.append(f"<prompt>\n{best.prompts.strip()}\n</prompt>")
        parts.append(f"Feedback on round {history[-1].round}:\n{history[-1].feedback.strip()}")
        parts.append("Improve on it with one change.")
    else:
        parts.append("Write the first workflow.")
    return [
        {"role": "system", "content": _system(operators)},
        {"role": "user", "content": "\n\n".join(parts)},
    ]


def _system(operators: OperatorSet) -> str:
    judge = _JUDGE_BY_TESTS if operators.get("test") else _JUDGE_BY_CODE
    return SYSTEM.format(operators=operators.describe(), judge=judge)


def repair_messages(asked: list[Message], reply: str, diagnosis: str) -> list[Message]:
    """The one repair turn: the reply as it was, and what is wrong with it."""
    return [
        *asked,
        {"role": "assistant", "content": reply},
        {
            "role": "user",
            "content": f"This workflow cannot run:\n{diagnosis}\n\nReply with all three parts, corrected.",
        },
    ]


TESTS_INSTRUCTION = (
    "Write {count} assert statements that a correct solution passes, one a line, covering ordinary and edge "
    "cases. Reply with one ```python block that holds only the asserts."
)


def make_tests_messages(problem: Problem, count: int = 4) -> list[Message]:
    """Ask a worker for visible tests of a problem that has none."""
    name = f"The function is `{problem.entry_point}`." if problem.entry_point else ""
    text = "\n\n".join(p for p in (problem.prompt.strip(), name, TESTS_INSTRUCTION.format(count=count)) if p)
    return [{"role": "user", "content": text}]


def _score(score: float | None) -> str:
    return "not scored" if score is None else f"val pass rate {score:.2f}"
