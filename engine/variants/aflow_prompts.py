"""The prompts of AFlow's optimizer: the task, the workflow to change, earlier changes, unsolved problems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.models.base import Message
from engine.operators.specs import OperatorSet
from engine.tasks import Task
from engine.variants.trials import clipped
from engine.workflows import Workflow

SYSTEM = """You improve a workflow that solves every problem of a task. A workflow is a Python class whose \
async method __call__ takes any of problem, entry_point and test_cases (by these names), awaits operators \
on self, and returns the answer as a string. Other models carry the operators out.

Operators:
{operators}

You are given a workflow with its score and make exactly one change to it: add, remove or rewrite a step or \
a prompt, about five lines at most. Nothing about a single problem belongs in a workflow: it must serve \
problems that you have not seen.

Reply with three tagged parts:
<modification>the one change, and why it should help</modification>
<graph>
class Workflow:
    async def __call__(self, problem, entry_point):
        ...
</graph>
<prompt>
NAME = \"\"\"a prompt, used in the workflow as prompt_custom.NAME\"\"\"
</prompt>

Write the whole workflow and all its prompts, not only what is new. The operators exist on self already. \
Await every call. Use only prompts you define. An operator puts its instruction in front of its input, so do \
not repeat the problem in a prompt. Bound every loop. At most ten branches and loops. Return the answer, \
never None, and see to its form with prompts."""


@dataclass(frozen=True)
class Tried:
    """An earlier change of the same workflow. `before` and `after` are mean scores in [0, 1], None
    without one.
    """

    round: int
    modification: str
    before: float | None
    after: float | None

    @property
    def success(self) -> bool | None:
        """Whether the change helped; None where the score stayed the same, or one of them is missing."""
        if self.before is None or self.after is None or self.after == self.before:
            return None
        return self.after > self.before


@dataclass(frozen=True)
class Mistake:
    """A problem that the workflow did not solve: the problem, the answer, and why that is wrong.

    It must not hold the reference solution or tests.
    """

    prompt: str
    answer: str
    why: str


def improve_messages(
    task: Task,
    operators: OperatorSet,
    workflow: Workflow,
    score: float | None,
    tried: Sequence[Tried],
    mistakes: Sequence[Mistake],
    refused: str = "",
) -> list[Message]:
    """The messages that ask for one change of `workflow`. `score` is its mean in [0, 1]; `refused` says what
    was wrong with the last proposal.
    """
    parts = [f"Task:\n{task.description.strip() or task.name}"]
    shown = "not scored" if score is None else f"mean score {score:.4f}"
    parts.append(f"The workflow to change ({shown}):\n<graph>\n{workflow.code.strip()}\n</graph>")
    parts.append(f"<prompt>\n{workflow.prompts.strip()}\n</prompt>")
    if tried:
        lines = "\n".join(f"- {_outcome(t)}: {_one_line(t.modification)}" for t in tried)
        parts.append(f"Changes of this workflow made before; do not make any of them again:\n{lines}")
    if mistakes:
        parts.append("Problems it did not solve:\n\n" + "\n\n".join(_mistake(m) for m in mistakes))
    if refused:
        parts.append(refused)
    parts.append("Make one change that raises the mean score over the task.")
    return [
        {"role": "system", "content": SYSTEM.format(operators=operators.describe())},
        {"role": "user", "content": "\n\n".join(parts)},
    ]


def _outcome(tried: Tried) -> str:
    if tried.after is None:
        return "did not run"
    words: Mapping[bool | None, str] = {True: "better", False: "worse", None: "no different"}
    before = "?" if tried.before is None else f"{tried.before:.4f}"
    return f"{words[tried.success]} ({before} → {tried.after:.4f})"


def _one_line(text: str) -> str:
    return clipped(" ".join(text.split()), 400) or "no description"


def _mistake(mistake: Mistake) -> str:
    return (
        f"Problem: {clipped(mistake.prompt.strip(), 1500)}\n"
        f"Answer: {clipped(mistake.answer.strip(), 1000) or 'none'}\nOutcome: {clipped(mistake.why, 300)}"
    )
