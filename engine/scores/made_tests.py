"""Visible tests written by a worker, for a query that has none. They are marked wherever they appear.

A test that its own author's solution fails, or that two different solutions of the worker fail, is doubtful.
The workflow does not get it, because every right solution might fail it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from engine.events import Notice, TestsWritten
from engine.ids import derived_seed
from engine.judging import judge
from engine.models.base import Message
from engine.operators import custom_code_generate
from engine.operators.solutions import all_code, extract_code
from engine.problems import Problem, Tests
from engine.prompts import make_tests_messages
from engine.read_tests import read_asserts, reference_in
from engine.run.context import RunContext

__all__ = ["read_asserts", "with_made_tests"]


async def with_made_tests(context: RunContext) -> Problem:
    """The context's problem with visible tests that a worker wrote, or as it was where none can be used.

    Raises BudgetExceededError where the run may make no more calls, ModelError where the worker gives no
    reply, and SandboxError where the tests cannot be tried.
    """
    problem, worker = context.problem, context.services.worker.name
    code = all_code(await _reply(context, make_tests_messages(problem), "make-tests"))
    tests = read_asserts(code, problem.entry_point)
    if not tests:
        _warn(context, "The worker wrote no usable tests; the query runs without any.")
        return problem
    doubtful = await _doubtful(context, tests, reference_in(code, problem.entry_point))
    kept = tuple(test for test in tests if test not in doubtful)
    for test, why in doubtful.items():
        _warn(context, f"A test by {worker} is doubtful and is not used: {why}: {test}")
    if not kept:
        _warn(context, "All tests that the worker wrote are doubtful; the query runs without any.")
        return problem
    _warn(context, f"{len(kept)} visible tests were written by the model {worker}, not by you.")
    context.emitter.emit(TestsWritten(model=worker, visible=kept, doubtful=tuple(doubtful)))
    return replace(problem, kind="code", tests=Tests(visible=kept, written_by="model"))


async def _doubtful(context: RunContext, tests: Sequence[str], reference: str | None) -> dict[str, str]:
    """The tests that cannot be trusted, each with the reason."""
    if reference is not None:
        failed = await _failed(context, reference, tests)
        return dict.fromkeys(failed, "the solution that its author wrote fails it")
    first = await _solution(context, 1)
    failed = await _failed(context, first, tests)
    if not failed:
        return {}
    second = await _solution(context, 2)
    if second.split() == first.split():
        return {}  # the same solution again is no second opinion
    both = await _failed(context, second, failed)
    return dict.fromkeys(both, "two different solutions fail it")


async def _failed(context: RunContext, solution: str, tests: Sequence[str]) -> list[str]:
    """The tests that a solution does not pass."""
    problem = context.problem
    sandbox = await context.sandbox_for(problem.image)
    verdict = await judge(sandbox, problem, solution, tests)
    passed = {result.index for result in verdict.tests if result.status == "passed"}
    return [test for index, test in enumerate(tests) if index not in passed]


async def _solution(context: RunContext, number: int) -> str:
    problem = context.problem
    prompt = custom_code_generate.prompt(problem.prompt, problem.entry_point, "")
    reply = await _reply(context, [{"role": "user", "content": prompt}], f"make-tests/solution-{number}")
    return extract_code(reply, problem.entry_point, problem.prompt)


async def _reply(context: RunContext, messages: list[Message], purpose: str) -> str:
    """The worker's reply, with a seed of its own for each `purpose`."""
    sampling = replace(context.config.worker_sampling, seed=derived_seed(context.config.draws_from, purpose))
    completion = await context.gateway.call(context.services.worker, messages, sampling, role="worker")
    return completion.text


def _warn(context: RunContext, text: str) -> None:
    context.emitter.emit(Notice(level="warning", text=text))
