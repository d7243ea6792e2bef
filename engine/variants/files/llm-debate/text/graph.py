import asyncio
import re
from fractions import Fraction


class Workflow:
    async def __call__(self, problem):
        answers = await asyncio.gather(
            *[
                self.custom(
                    input=problem, instruction=prompt_custom.ANSWER, temperature=prompt_custom.TEMPERATURE
                )
                for _ in range(prompt_custom.AGENTS)
            ]
        )
        answers = [a["response"] for a in answers]
        for _ in range(prompt_custom.ROUNDS - 1):
            answers = await asyncio.gather(
                *[self.reconsider(problem, answers, own) for own in range(len(answers))]
            )
        answers = [a for a in answers if a.strip()] or [""]
        if prompt_custom.KIND == "open":  # no two texts are the same answer: a judge picks
            judged = await self.sc_ensemble(solutions=answers, problem=problem)
            return judged["response"]
        votes = [meaning(bare(a)) for a in answers]
        return bare(answers[max(range(len(votes)), key=lambda i: (votes.count(votes[i]), -i))])

    async def reconsider(self, problem, answers, own):
        others = "".join(prompt_custom.OTHER.format(answer=a) for i, a in enumerate(answers) if i != own)
        try:
            again = await self.custom(
                input=prompt_custom.DEBATE.format(problem=problem, own=answers[own], others=others),
                instruction=prompt_custom.RECONSIDER,
                temperature=prompt_custom.TEMPERATURE,
            )
        except Exception as error:  # the debate has outgrown the worker's context: this agent stays as it is
            print(f"agent {own + 1} keeps its answer: {error}")
            return answers[own]
        return again["response"] if again["response"].strip() else answers[own]


def meaning(answer):
    """What two answers that say the same have in common: for math the last result, as a number."""
    if prompt_custom.KIND == "math":
        boxed = re.findall(r"\\boxed\{((?:[^{}]|\{[^{}]*\})*)\}", answer)
        numbers = re.findall(r"-?\d[\d,]*(?:\.\d+)?(?:/\d+)?", answer)
        result = boxed[-1] if boxed else numbers[-1] if numbers else answer
        try:
            return Fraction(result.replace(",", "").strip("$ "))
        except (ValueError, ZeroDivisionError):
            return "".join(result.split())
    return " ".join(re.sub(r"\b(a|an|the)\b|[^\w\s]", " ", answer.lower()).split())


def bare(answer):
    """Of a question's answer what is in the last tag; any other answer as it is."""
    tags = re.findall(r"<answer>(.*?)</answer>", answer, re.DOTALL | re.IGNORECASE)
    return tags[-1].strip() if tags else answer.strip()
