import re


class Workflow:
    async def __call__(self, problem):
        first = await self.custom(
            input=problem, instruction=prompt_custom.ANSWER, temperature=prompt_custom.TEMPERATURE
        )
        answer = first["response"]
        history = ""
        for _ in range(prompt_custom.MAX_REFINEMENTS):
            try:
                review = await self.custom(
                    input=prompt_custom.REVIEWED.format(problem=problem, answer=answer),
                    instruction=prompt_custom.FEEDBACK,
                    temperature=prompt_custom.TEMPERATURE,
                )
                if says_stop(review["response"]):
                    break
                history += prompt_custom.TURN.format(answer=answer, feedback=review["response"])
                better = await self.custom(
                    input=problem + history,
                    instruction=prompt_custom.REFINE,
                    temperature=prompt_custom.TEMPERATURE,
                )
            except Exception as error:  # the history has outgrown the worker's context: what there is counts
                print(f"refining ends early: {error}")
                break
            if better["response"].strip():  # a reply without anything is no refinement
                answer = better["response"]
        return bare(answer)


def says_stop(feedback):
    """Only a last line that is the word alone: "this is not DONE" goes on."""
    lines = [line.strip(" \t*_`#>.!\"'") for line in feedback.splitlines()]
    lines = [line for line in lines if line]
    return bool(lines) and lines[-1] == prompt_custom.STOP


def bare(answer):
    """Of a question's answer what is in the last tag; any other answer as it is."""
    tags = re.findall(r"<answer>(.*?)</answer>", answer, re.DOTALL | re.IGNORECASE)
    return tags[-1].strip() if tags else answer.strip()
