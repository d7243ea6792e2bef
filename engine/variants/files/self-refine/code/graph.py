class Workflow:
    async def __call__(self, problem, entry_point):
        first = await self.custom_code_generate(
            problem=problem, entry_point=entry_point, temperature=prompt_custom.TEMPERATURE
        )
        solution = first["response"]
        history = ""
        for _ in range(prompt_custom.MAX_REFINEMENTS):
            try:
                review = await self.custom(
                    input=prompt_custom.REVIEWED.format(problem=problem, solution=solution),
                    instruction=prompt_custom.FEEDBACK,
                    temperature=prompt_custom.TEMPERATURE,
                )
                if says_stop(review["response"]):
                    break
                history += prompt_custom.TURN.format(solution=solution, feedback=review["response"])
                better = await self.custom_code_generate(
                    problem=problem + history,
                    entry_point=entry_point,
                    instruction=prompt_custom.REFINE,
                    temperature=prompt_custom.TEMPERATURE,
                )
            except Exception as error:  # the history has outgrown the worker's context: what there is counts
                print(f"refining ends early: {error}")
                break
            if better["response"].strip():  # a reply without anything is no refinement
                solution = better["response"]
        return solution


def says_stop(feedback):
    """Only a last line that is the word alone: "this is not DONE" goes on."""
    lines = [line.strip(" \t*_`#>.!\"'") for line in feedback.splitlines()]
    lines = [line for line in lines if line]
    return bool(lines) and lines[-1] == prompt_custom.STOP
