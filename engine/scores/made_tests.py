"""Visible tests written by a worker, for a query that has none. They are marked wherever they show."""

from __future__ import annotations

import ast
from dataclasses import replace

from engine.events import Notice, TestsWritten
from engine.guest.syntax import syntax_tree
from engine.ids import derived_seed
from engine.operators.support import extract_code
from engine.problems import Problem, Tests
from engine.prompts import make_tests_messages
from engine.run.context import RunContext

MAX_TESTS = 8


async def with_made_tests(context: RunContext) -> Problem:
    """The context's problem with visible tests a worker wrote, or as it was when none could be used."""
    problem = context.problem
    sampling = replace(context.config.worker_sampling, seed=derived_seed(context.config.seed, "make-tests"))
    completion = await context.gateway.call(
        context.services.worker, make_tests_messages(problem), sampling, role="worker"
    )
    tests = read_asserts(extract_code(completion.text))
    if not tests:
        text = "The worker wrote no usable tests; the query runs without any."
        context.emitter.emit(Notice(level="warning", text=text))
        return problem
    text = f"{len(tests)} visible tests were written by the model {context.services.worker.name}, not by you."
    context.emitter.emit(Notice(level="warning", text=text))
    context.emitter.emit(TestsWritten(model=context.services.worker.name, visible=tests))
    return replace(problem, kind="code", tests=Tests(visible=tests, written_by="model"))


def read_asserts(code: str) -> tuple[str, ...]:
    """The assert statements of a reply, one test each. Parsing executes nothing."""
    asserts: list[str] = []
    for line in code.splitlines():
        try:
            body = syntax_tree(line.strip()).body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        asserts += [ast.unparse(node) for node in body if isinstance(node, ast.Assert)]
    return tuple(dict.fromkeys(asserts))[:MAX_TESTS]
