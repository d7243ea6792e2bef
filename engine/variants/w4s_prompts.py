"""What W4S's meta-agent reads: the task, the last workflow with how it did, and after each turn the score."""

from __future__ import annotations

from collections.abc import Sequence

from engine.models.base import Message
from engine.operators.specs import OperatorSet
from engine.tasks import Task
from engine.variants.aflow_prompts import Mistake
from engine.variants.trials import clipped
from engine.workflows import Workflow

SYSTEM = """You design workflows in which a stronger model solves the problems of a task. You do not solve \
problems yourself: you decide which operators are called, with which instructions, and what is done with \
what they return. A workflow is a Python class whose async method __call__ takes any of problem, entry_point \
and test_cases (by these names), awaits operators on self, and returns the answer as a string.

Operators:
{operators}

You work in turns. In each turn you read how the last workflow did on validation problems, say in a few \
sentences what was wrong and what you change, and write a whole new workflow, which may be quite another \
one. It is run on validation problems, and you are told its score and its cost.

Reply with three tagged parts:
<modification>what was wrong, and what you change</modification>
<graph>
class Workflow:
    async def __call__(self, problem, entry_point):
        ...
</graph>
<prompt>
NAME = \"\"\"an instruction, used in the workflow as prompt_custom.NAME\"\"\"
</prompt>

The operators exist on self already. Await every call. Use only prompts you define. Bound every loop. Catch \
no exceptions: an error is reported to you. Return the answer, never None. The workflow has to serve \
problems that you have not seen, so nothing about a single one belongs in it."""


def first_messages(
    task: Task, operators: OperatorSet, workflow: Workflow, feedback: str, best: float | None
) -> list[Message]:
    """The beginning of a conversation: the task, the last workflow and its feedback. `best` is the highest
    mean score so far, in [0, 1].
    """
    shown = "" if best is None else f"The best score so far is {best:.4f}.\n\n"
    prompts = f"\n<prompt>\n{workflow.prompts.strip()}\n</prompt>" if workflow.prompts.strip() else ""
    request = (
        f"Task:\n{task.description.strip() or task.name}\n\n{shown}The last workflow:\n"
        f"<graph>\n{workflow.code.strip()}\n</graph>{prompts}\n\n{feedback}\n\nWrite a better one."
    )
    return [
        {"role": "system", "content": SYSTEM.format(operators=operators.describe())},
        {"role": "user", "content": request},
    ]


def feedback_text(
    score: float | None,
    previous: float | None,
    cost_usd: float | None,
    mistakes: Sequence[Mistake],
    why: str = "",
) -> str:
    """How a workflow did: its score, whether that is more than `previous` (the best before it), what a
    problem cost, and problems that it did not solve. `why` says why there is no score.
    """
    if score is None:
        return f"It was not scored: {clipped(why, 600) or 'no run came to a verdict'}"
    lines = [f"Score on the validation problems: {score:.4f}{_change(score, previous)}."]
    if cost_usd is not None:
        lines.append(f"It cost {cost_usd:.6f} USD a problem.")
    if mistakes:
        lines.append("Problems it did not solve:\n\n" + "\n\n".join(map(_mistake, mistakes)))
    return "\n".join(lines)


def next_message(feedback: str) -> Message:
    """What follows a workflow that was scored."""
    return {"role": "user", "content": f"{feedback}\n\nWrite a better workflow."}


def error_message(error: str) -> Message:
    """What follows a workflow that fails, and asks for it without the fault."""
    text = (
        f"The workflow fails:\n{clipped(error)}\n\nSay what the cause is and mend that; do not catch the "
        "error. Reply with the whole workflow in the same form."
    )
    return {"role": "user", "content": text}


def _change(score: float, previous: float | None) -> str:
    if previous is None:
        return ""
    word = "more than" if score > previous else "less than" if score < previous else "as much as"
    return f", {word} the best before it ({previous:.4f})"


def _mistake(mistake: Mistake) -> str:
    return (
        f"Problem: {clipped(mistake.prompt.strip(), 1500)}\n"
        f"Answer: {clipped(mistake.answer.strip(), 1000) or 'none'}\nOutcome: {clipped(mistake.why, 300)}"
    )
