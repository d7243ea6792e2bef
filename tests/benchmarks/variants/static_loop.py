"""One workflow for every problem, written by hand: draw until the visible tests pass.

The honest rival of a meta-agent, which also only has these tests: it uses the same operators, and nothing in
it depends on the problem. A problem without visible tests is answered with the first draw.
"""

from pydantic import Field

from engine.operators.sets import PAPER
from engine.run.context import RunContext
from engine.variants import Options, Result, Variant, options_of
from engine.variants.final import finish
from engine.variants.proposal import emit_proposal
from engine.workflows import Workflow, build_workflow

GRAPH = """
class Workflow:
    async def __call__(self, problem, entry_point):
        for _ in range(prompt_custom.DRAWS):
            code = await self.custom_code_generate(problem=problem, entry_point=entry_point)
            outcome = await self.test(
                problem=problem,
                solution=code["response"],
                entry_point=entry_point,
                test_loop=prompt_custom.MENDS,
            )
            if outcome["result"] or not outcome["total"]:
                break
        return outcome["solution"]
"""


class Loop(Options):
    draws: int = Field(3, ge=1, description="solutions at most")
    mends: int = Field(0, ge=0, description="times that each of them is mended at most")


async def solve(context: RunContext) -> Result:
    options = options_of(Loop, context.config.options)
    prompts = f"DRAWS = {options.draws}\nMENDS = {options.mends}"
    workflow = build_workflow(GRAPH, prompts, PAPER)
    assert isinstance(workflow, Workflow), workflow
    emit_proposal(context, workflow, round_number=1)
    return await finish(context, workflow, round_number=1, val_score=None)


VARIANT = Variant(solve, Loop)
