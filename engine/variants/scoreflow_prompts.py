"""The prompts of ScoreFlow's generator: the problem, the operators, an example, and limits."""

from __future__ import annotations

from engine.models.base import Message
from engine.operators.specs import OperatorSet
from engine.problems import Kind, Problem
from engine.workflows import Workflow, build_workflow

SYSTEM = """You write a workflow for one problem: a Python class whose async method __call__ takes any of \
problem, entry_point and test_cases (by these names), awaits operators on self, and returns the answer as a \
string. Other models carry the operators out; you write what is asked of them, in which order.

Operators:
{operators}

Reply with tagged parts:
<graph>
{example}
</graph>
<prompt>
NAME = \"\"\"a prompt, if the workflow uses prompt_custom.NAME\"\"\"
</prompt>

That workflow is only an example of the form; write a better one, made for the kind of problem at hand. The \
operators exist on self already. Await every call and give every argument by name. {limits} Put nothing of \
the problem's own text into the workflow: it is handed to __call__. Return the answer, never None."""

# The release bounds code workflows by loops and complexity, the others by calls.
_LIMITS: dict[Kind, str] = {
    "code": "Loop at most three times and keep branches and loops below seven.",
    "math": "Use three to eight calls of operators.",
    "qa": "Use three to eight calls of operators.",
    "open": "Use three to eight calls of operators.",
}

# The first of these that a set can run is the example.
_CODE_EXAMPLES = (
    'return await self.code_generate(instruction="Solve it step by step.")',
    'solution = await self.custom_code_generate(problem=problem, entry_point=entry_point, instruction="Solve '
    'it step by step.")\n        return solution["response"]',
    'solution = await self.generate(problem=problem, entry_point=entry_point, instruction="Solve it step by '
    'step.")\n        return solution["response"]',
)
_TEXT_EXAMPLES = (
    'return await self.custom(instruction="Solve it step by step.")',
    'return await self.generate(instruction="Solve it step by step.")',
    'solution = await self.custom(input=problem, instruction="Solve it step by step.")\n        '
    'return solution["response"]',
    'solution = await self.generate(input=problem, instruction="Solve it step by step.")\n        '
    'return solution["response"]',
)


def example_for(kind: Kind, operators: OperatorSet) -> str:
    """The source of a workflow that the set can run, to show the form; "" where none of our examples fits."""
    bodies = (*_CODE_EXAMPLES, *_TEXT_EXAMPLES) if kind == "code" else (*_TEXT_EXAMPLES, *_CODE_EXAMPLES)
    for body in bodies:
        source = f"class Workflow:\n    async def __call__(self, problem, entry_point):\n        {body}"
        built = build_workflow(source, "", operators)
        if isinstance(built, Workflow) and built.strict_ok:
            return source
    return ""


def generate_messages(problem: Problem, operators: OperatorSet) -> list[Message]:
    """The messages that ask for one workflow for one problem; they hold no tests and no reference."""
    example = example_for(problem.kind, operators) or "class Workflow:\n    ..."
    system = SYSTEM.format(operators=operators.describe(), example=example, limits=_LIMITS[problem.kind])
    parts = [f"Problem:\n{problem.prompt.strip()}"]
    if problem.entry_point:
        parts.append(f"Entry point: {problem.entry_point}")
    parts.append("Write the workflow.")
    return [{"role": "system", "content": system}, {"role": "user", "content": "\n\n".join(parts)}]
