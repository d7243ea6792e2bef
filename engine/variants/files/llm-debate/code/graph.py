import asyncio


class Workflow:
    async def __call__(self, problem, entry_point):
        solutions = await asyncio.gather(
            *[
                self.custom_code_generate(
                    problem=problem, entry_point=entry_point, temperature=prompt_custom.TEMPERATURE
                )
                for _ in range(prompt_custom.AGENTS)
            ]
        )
        solutions = [s["response"] for s in solutions]
        for _ in range(prompt_custom.ROUNDS - 1):
            solutions = await asyncio.gather(
                *[self.reconsider(problem, entry_point, solutions, own) for own in range(len(solutions))]
            )
        solutions = [s for s in solutions if s.strip()] or [""]
        outcomes = await asyncio.gather(
            *[self.test(problem=problem, solution=s, entry_point=entry_point, test_loop=0) for s in solutions]
        )
        if not outcomes[0]["total"]:  # nothing to tell them apart by: a judge picks
            judged = await self.sc_ensemble(solutions=solutions, problem=problem)
            return judged["response"]
        behaviours = {}
        for solution, outcome in zip(solutions, outcomes):
            behaviours.setdefault((outcome["passed"], outcome["feedback"]), []).append(solution)
        # Most tests passed, then most agents.
        chosen = max(behaviours, key=lambda behaviour: (behaviour[0], len(behaviours[behaviour])))
        return behaviours[chosen][0]

    async def reconsider(self, problem, entry_point, solutions, own):
        others = "".join(prompt_custom.OTHER.format(solution=s) for i, s in enumerate(solutions) if i != own)
        try:
            again = await self.custom_code_generate(
                problem=prompt_custom.DEBATE.format(problem=problem, own=solutions[own], others=others),
                entry_point=entry_point,
                instruction=prompt_custom.RECONSIDER,
                temperature=prompt_custom.TEMPERATURE,
            )
        except Exception as error:  # the debate has outgrown the worker's context: this agent stays as it is
            print(f"agent {own + 1} keeps its solution: {error}")
            return solutions[own]
        return again["response"] if again["response"].strip() else solutions[own]
