"""Test, the paper's Code Test: run a solution on the visible tests, and let a worker mend it.

Hidden tests never get here: the host runs the problem's visible tests, or those that the workflow passes.
Where there are none the result is False and says so; AFlow reports success.
"""

from __future__ import annotations

from typing import Any

from engine.operators.revise import prompt as revise_prompt
from engine.operators.support import Host, ask, code_in


async def run(
    host: Host,
    *,
    problem: str,
    solution: str,
    entry_point: str | None = None,
    test_cases: list[str] | None = None,
    test_loop: int = 3,
) -> dict[str, Any]:
    """Up to `test_loop` repairs (AFlow's default is 3), each after a failed run; one last run decides. An
    empty reply repairs nothing.

    Returns {result, solution, feedback, passed, total}: whether all tests passed, the solution as it now
    stands, a text that names the failures, and the counts of tests.
    """
    for left in range(max(0, int(test_loop)), -1, -1):
        outcome = await host.call("tests", solution=solution, entry_point=entry_point, test_cases=test_cases)
        if outcome["result"] or left == 0 or outcome["total"] == 0:
            return {**outcome, "solution": solution}
        reply = await ask(host, revise_prompt(problem, solution, outcome["feedback"]))
        mended = await code_in(host, reply, entry_point, problem)
        solution = mended if mended.strip() else solution
    raise AssertionError("unreachable: the last pass of the loop returns")
