"""Running a problem with scripted models in a real sandbox, and reading its events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from engine.events import Event, RunFinished
from engine.models.base import Message, Sampling
from engine.problems import Problem, Tests
from engine.run.context import RunConfig, Services
from engine.runner import Run, workflow_job
from engine.workflows import Workflow
from sandbox.types import Sandbox
from tests.support.scripted import Answer, ScriptedModel

E = TypeVar("E", bound=Event)

DOUBLE = Problem(
    "double",
    "Write `f(x)` that doubles x.",
    "f",
    "code",
    Tests(("assert f(1) == 2", "assert f(3) == 6"), ("assert f(2) == 4",), ("assert f(5) == 10",)),
)
RIGHT = "```python\ndef f(x):\n    return x * 2\n```"
WRONG = "```python\ndef f(x):\n    return x + 1\n```"


def completion(body: str, prompts: str = "", modification: str = "a change") -> str:
    """A meta-agent's reply whose `__call__(self, problem, entry_point, test_cases)` has this body."""
    indented = "\n".join(f"        {line}" if line else "" for line in body.strip("\n").splitlines())
    return (
        f"<modification>{modification}</modification>\n<graph>\nclass Workflow:\n"
        f"    async def __call__(self, problem, entry_point, test_cases):\n{indented}\n</graph>\n"
        f"<prompt>\n{prompts}\n</prompt>"
    )


GENERATE = completion(
    "solution = await self.custom_code_generate(problem=problem, entry_point=entry_point)\n"
    'return solution["response"]'
)


TEST_AND_REVISE = completion(
    """
code = (await self.custom_code_generate(problem=problem, entry_point=entry_point))["response"]
for _ in range(3):
    outcome = await self.test(problem=problem, solution=code, entry_point=entry_point, test_loop=0)
    if outcome["result"]:
        break
    code = (await self.revise(problem=problem, solution=code, feedback=outcome["feedback"]))["solution"]
return code
"""
)


def wrong_then_right(messages: Sequence[Message], _: Sampling) -> str:
    return RIGHT if "Feedback" in messages[-1]["content"] else WRONG


async def run_events(
    sandbox: Sandbox,
    *,
    meta: Answer | str = GENERATE,
    worker: Answer | str = RIGHT,
    problem: Problem = DOUBLE,
    config: RunConfig | None = None,
    workflow: Workflow | None = None,
    services: Services | None = None,
) -> list[Event]:
    """All events of one run."""
    services = services or Services(ScriptedModel("meta", meta), ScriptedModel("worker", worker), sandbox)
    job = workflow_job(workflow) if workflow else None
    run = Run(problem, config or RunConfig(repeats=1), services, job=job)
    return [event async for event in run.events()]


def of(events: list[Event], cls: type[E]) -> list[E]:
    """The events of one kind, in order."""
    return [e for e in events if isinstance(e, cls)]


def end(events: list[Event]) -> RunFinished:
    """The last event, which is always the run's end."""
    last = events[-1]
    assert isinstance(last, RunFinished)
    return last
