"""The meta-agent's prompts: the format, the operators, the query, and the rounds so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from engine.models.base import Message
from engine.operators.specs import OperatorSet
from engine.problems import Kind, Problem
from engine.program_tests import shown_test
from engine.tasks import Task

SYSTEM = """You design workflows that solve {problems}. A workflow is a Python class whose \
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

# Advice that depends on whether the set has an operator for tests.
_JUDGE_BY_TESTS = "Judge solutions by running tests, not by words in a reply."
_JUDGE_BY_CODE = "Judge solutions by what code computes, not by words in a reply."


@dataclass(frozen=True)
class Experience:
    """One earlier round, as the meta-agent reads it; `score` is in [0, 1], None where it was not scored."""

    round: int
    code: str
    prompts: str
    modification: str
    score: float | None
    feedback: str


# Of which rounds the meta-agent is told how they went: the last one, all of them, or none (scores alone).
FeedbackOn = Literal["last", "all", "none"]


def best_round(history: Sequence[Experience]) -> Experience:
    """The round of the highest score, of equals the first; of rounds without a score the first too."""
    return max(history, key=lambda e: (e.score is not None, e.score or 0.0, -e.round))


def propose_messages(
    problem: Problem,
    operators: OperatorSet,
    history: Sequence[Experience],
    *,
    parent: int | None = None,
    feedback: FeedbackOn = "last",
    show_tests: bool = True,
) -> list[Message]:
    """The messages for the next round. Only visible tests are ever shown (invariant I6).

    `parent` is the round whose workflow is to be changed, by default the best.
    """
    parts = [f"Query:\n{problem.prompt.strip()}"]
    if problem.entry_point:
        parts.append(f"Entry point: {problem.entry_point}")
    if problem.tests.visible and show_tests:
        parts.append("Visible tests:\n" + "\n".join(map(shown_test, problem.tests.visible)))
    if history:
        best = best_round(history)
        base = next((e for e in history if e.round == parent), best)
        lines = [
            f"Round {e.round}: {_score(e.score)}: {e.modification.strip() or 'no description'}"
            for e in history
        ]
        parts.append("Rounds so far:\n" + "\n".join(lines))
        title = "Best workflow" if base is best else "Workflow to change"
        parts += _shown(base, f"{title} (round {base.round}):\n")
        told: dict[FeedbackOn, Sequence[Experience]] = {"last": history[-1:], "all": history, "none": ()}
        for entry in told[feedback]:
            if entry is not base:
                parts += _shown(entry, f"Workflow of round {entry.round}:\n")
            parts.append(f"Feedback on round {entry.round}:\n{entry.feedback.strip()}")
        parts.append("Improve on it with one change.")
    else:
        parts.append("Write the first workflow.")
    return [
        {"role": "system", "content": _system(operators)},
        {"role": "user", "content": "\n\n".join(parts)},
    ]


def _shown(entry: Experience, title: str) -> list[str]:
    prompts = entry.prompts.strip()
    return [
        f"{title}<graph>\n{entry.code.strip()}\n</graph>",
        *([f"<prompt>\n{prompts}\n</prompt>"] if prompts else []),
    ]


def _system(operators: OperatorSet, problems: str = "programming problems") -> str:
    judge = _JUDGE_BY_TESTS if operators.get("test") else _JUDGE_BY_CODE
    return SYSTEM.format(problems=problems, operators=operators.describe(), judge=judge)


# What a workflow is given and has to return, by kind of problem.
_CONTRACTS: dict[Kind, str] = {
    "code": "problem says what to program, entry_point is the name of the function to write, and test_cases "
    "are its visible tests, where it has any. The answer is Python source that defines the function.",
    "math": "problem is a mathematical problem. The answer ends with the result inside \\boxed{}.",
    "qa": "problem is a question, with the text it is about where there is one. The answer is the bare "
    "answer, a few words without a sentence around them.",
    "open": "problem is a request. The answer is the reply to it.",
}
_PROBLEMS: dict[Kind, str] = {
    "code": "programming problems",
    "math": "mathematical problems",
    "qa": "questions",
    "open": "requests",
}
MAX_EXAMPLE = 2_000  # characters of a problem that is shown as an example


def task_messages(
    task: Task,
    operators: OperatorSet,
    *,
    examples: Sequence[Problem] = (),
    others: Sequence[Experience] = (),
) -> list[Message]:
    """The messages that ask for one workflow for every problem of a task.

    Only the prompts of `examples` are in them, never tests or answers. `others` are existing workflows; a
    workflow that works in another way is asked for.
    """
    parts = [f"Task: {task.name}\n{task.description.strip()}".strip(), _CONTRACTS[task.kind]]
    for number, problem in enumerate(examples, 1):
        text = problem.prompt.strip()
        excerpt = text if len(text) <= MAX_EXAMPLE else f"{text[:MAX_EXAMPLE]}…"
        parts.append(f"Problem {number} of the task:\n{excerpt}")
    parts.append("One workflow is run on every problem of the task, so nothing in it is about a single one.")
    if others:
        lines = [f"{e.round}. {e.modification.strip() or 'no description'}" for e in others]
        parts.append("Workflows for it so far:\n" + "\n".join(lines))
        parts.append(f"The last of them:\n<graph>\n{others[-1].code.strip()}\n</graph>")
        parts.append("Write one that goes about it another way and solves problems that these may not.")
    else:
        parts.append("Write the workflow.")
    return [
        {"role": "system", "content": _system(operators, _PROBLEMS[task.kind])},
        {"role": "user", "content": "\n\n".join(parts)},
    ]


def repair_messages(asked: list[Message], reply: str, diagnosis: str) -> list[Message]:
    """The messages of the repair turn: those `asked`, the reply as it was, and what is wrong with it."""
    request = f"This workflow cannot run:\n{diagnosis}\n\nReply with all of it in the same form, corrected."
    return [*asked, {"role": "assistant", "content": reply}, {"role": "user", "content": request}]


TESTS_INSTRUCTION = (
    "Write {count} assert statements that a correct solution passes, one a line, covering ordinary and edge "
    "cases. Reply with one ```python block that holds only the asserts."
)


def make_tests_messages(problem: Problem, count: int = 4) -> list[Message]:
    """The messages that ask a worker for `count` visible tests of a problem that has none."""
    name = f"The function is `{problem.entry_point}`." if problem.entry_point else ""
    text = "\n\n".join(p for p in (problem.prompt.strip(), name, TESTS_INSTRUCTION.format(count=count)) if p)
    return [{"role": "user", "content": text}]


def _score(score: float | None) -> str:
    return "not scored" if score is None else f"val pass rate {score:.2f}"
