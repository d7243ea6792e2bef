"""The prompts of MetaFlow's generator, in the seven parts of the paper's probable code; the words are ours.

The parts are the domain, the operators, principles, the template, rules, example questions and the request.
The second and the fourth depend only on the operator set.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from importlib.resources import files

from engine.models.base import Message
from engine.operators.specs import OperatorSet
from engine.problems import Kind, Problem
from engine.prompts import MAX_EXAMPLE
from engine.tasks import Task

SYSTEM = """You are an architect of workflows. You do not solve problems: you design one workflow for a \
whole domain of problems, which other models carry out. You are given an overview of the domain, the \
operators there are, and example questions. Think first, then reply with one ```python block that holds the \
whole class and nothing else."""

PRINCIPLES = """Principles:
- Design for the domain, never for the examples: put nothing of them into the workflow.
- An operator knows only its instruction, the context you hand it, and the original problem. Say in each \
instruction what is wanted, how to go about it, what to watch for, and in which form to reply; a hundred \
words and more are welcome.
- Hand on what later steps need as context: nothing else is remembered.
- Use three to eight calls of operators. Let independent calls run at once with asyncio.gather.
- Branch on what operators return, never on the words of the problem.
- End with a step that brings the answer into the form which the domain asks for."""

RULES = """Rules:
- Copy the constructor as it is. Write only the body of run_workflow, with `import asyncio` inside it where \
you use asyncio.
- Await every call, and do not await inside a comprehension.
- Give every argument by name. Use only the operators of the template.
- Bound every loop.
- Return one plain string, never None."""

_ANSWERS: dict[Kind, str] = {
    "code": "The answer is Python source that defines the function, and nothing around it.",
    "math": "The answer ends with the result inside \\boxed{}.",
    "qa": "The answer is a few words, without a sentence around them.",
    "open": "The answer is the reply to the request.",
}


def messages(task: Task, operators: OperatorSet, examples: Sequence[Problem]) -> list[Message]:
    """The messages that ask for one workflow for the task. Only the questions of the examples are in them, no
    tests or answers.
    """
    parts = [
        f"Domain: {task.name}\n{overview(task)}",
        f"Operators:\n{operators.describe()}\nThe instruction says what to do; the context is what to do it "
        "with. Every operator is given the original problem besides.",
        PRINCIPLES,
        f"Template:\n```python\n{template(operators)}\n```",
        RULES,
        *(
            [f"Example questions, only to understand the domain:\n\n{_questions(examples)}"]
            if examples
            else []
        ),
        f"Write the workflow for {task.name}.",
    ]
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "\n\n".join(parts)}]


def overview(task: Task) -> str:
    """The overview of the domain: our own text for a known benchmark, else the task's description."""
    file = files("engine.variants") / "files" / "metaflow" / "domains.toml"
    known = tomllib.loads(file.read_text(encoding="utf-8")).get(task.name.partition("-")[0], "")
    return " ".join(known.split()) or f"{task.description.strip()} {_ANSWERS[task.kind]}".strip()


def template(operators: OperatorSet) -> str:
    """The class to fill in, whose constructor has a line for each operator of the set."""
    bound = [
        f"        self.{o.attribute} = operator.{o.name}(self.llm, self.problem_text)"
        for o in operators.operators
    ]
    return "\n".join(
        [
            "class Workflow:",
            "    def __init__(self, config, problem) -> None:",
            "        self.config = config",
            "        self.problem_text = problem",
            "        self.llm = create(config)",
            *bound,
            "",
            "    async def run_workflow(self):",
            "        ...",
        ]
    )


def _questions(examples: Sequence[Problem]) -> str:
    texts = [problem.prompt.strip() for problem in examples]
    return "\n\n".join(
        f"Question {number}:\n{text if len(text) <= MAX_EXAMPLE else f'{text[:MAX_EXAMPLE]}…'}"
        for number, text in enumerate(texts, 1)
    )
