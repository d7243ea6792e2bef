"""ScoreFlow's operators (arXiv 2502.04306): plain text in and out; the run adds the problem.

Underneath they are AFlow's; the differences are those of ScoreFlow's release.
"""

from __future__ import annotations

from engine.operators import answer_generate as answering
from engine.operators import custom as asking
from engine.operators import custom_code_generate as coding
from engine.operators import programmer as programming
from engine.operators import sc_ensemble as choosing
from engine.operators import test as testing
from engine.operators.support import Host, ask, code_in, defines, field, join

CHECK = (
    "Check the solution against the problem step by step, and correct what is wrong. Reply with the whole "
    "solution as it should be{where}."
)
ANEW = "Several attempts at this failed their tests. Think it through step by step from the beginning."


async def custom(host: Host, *, problem: str, instruction: str) -> str:
    """The whole reply."""
    return str((await asking.run(host, input=problem, instruction=instruction))["response"])


async def code_generate(host: Host, *, problem: str, instruction: str, entry_point: str | None = None) -> str:
    """The code in the reply."""
    result = await coding.run(host, problem=problem, entry_point=entry_point, instruction=instruction)
    return str(result["response"])


async def answer_generate(host: Host, *, problem: str) -> str:
    """The reasoning, then the answer on a line of its own."""
    result = await answering.run(host, input=problem)
    return join(result["thought"], f"Final answer: {result['answer']}")


async def sc_ensemble(host: Host, *, problem: str, solutions: list[str]) -> str:
    """The chosen solution. Raises ValueError where there is none to choose from."""
    return str((await choosing.run(host, solutions=solutions, problem=problem))["response"])


async def review(host: Host, *, problem: str, pre_solution: str, entry_point: str | None = None) -> str:
    """The solution as the worker corrected it; unchanged where the reply holds none."""
    where = " in one ```python block" if entry_point else " inside <solution></solution>"
    question = join(f"Problem:\n{problem}", f"Solution:\n{pre_solution}", CHECK.format(where=where))
    reply = await ask(host, question)
    if entry_point:
        code = await code_in(host, reply, entry_point, problem)
        return code if defines(code, entry_point) else pre_solution
    revised = field(reply, "solution")
    return (reply.strip() if revised is None else revised) or pre_solution


async def programmer(host: Host, *, problem: str, analysis: str = "None") -> str:
    """The last code and its output, in words."""
    result = await programming.run(host, problem=problem, analysis=analysis)
    if not result["code"].strip():
        return f"No program could be written. {result['output']}"
    return f"This program was run:\n{result['code']}\n\nIts output:\n{result['output']}"


async def test(
    host: Host, *, problem: str, solution: str, entry_point: str | None = None, test_loop: int = 10
) -> str:
    """The solution once it passes the visible tests. After `test_loop` repairs in vain (ScoreFlow's default
    is 10) a new one is written, once, and returned untested; without tests the solution is returned
    unchanged.
    """
    tested = await testing.run(
        host, problem=problem, solution=solution, entry_point=entry_point, test_loop=test_loop
    )
    if tested["result"] or tested["total"] == 0:
        return str(tested["solution"])
    return await code_generate(host, problem=problem, entry_point=entry_point, instruction=ANEW)
