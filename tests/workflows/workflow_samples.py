"""Workflows that are right as they stand: the linter must find no error in any of them."""

from __future__ import annotations

PROMPTS = '''
SOLVE = """Solve it."""
MEND = """Mend it."""
JUDGE = """Is it right?"""
STYLES = ["plain", "recursive"]
'''

GOOD = {
    "single call": """
class Workflow:
    async def __call__(self, problem, entry_point):
        made = await self.custom_code_generate(
            problem=problem, entry_point=entry_point, instruction=prompt_custom.SOLVE
        )
        return made["response"]
""",
    "positional arguments and a cost": """
class Workflow:
    async def __call__(self, problem: str, entry_point: str):
        made = await self.custom_code_generate(problem, entry_point, prompt_custom.SOLVE)
        return made["response"], self.llm.cost_manager.total_cost
""",
    "test and revise loop": """
class Workflow:
    async def __call__(self, problem, entry_point):
        made = await self.custom_code_generate(problem=problem, entry_point=entry_point)
        code = made["response"]
        for attempt in range(3):
            outcome = await self.test(problem=problem, solution=code, entry_point=entry_point, test_loop=0)
            if outcome["result"]:
                return code
            revised = await self.revise(problem=problem, solution=code, feedback=outcome["feedback"])
            code = revised["solution"]
        return code
""",
    "async comprehension": """
class Workflow:
    async def __call__(self, problem, entry_point):
        texts = [
            (await self.custom_code_generate(problem=problem, instruction=style))["response"]
            for style in prompt_custom.STYLES
        ]
        best = await self.sc_ensemble(solutions=texts, problem=problem)
        return best["response"]
""",
    "gather with a starred list": """
import asyncio

class Workflow:
    async def __call__(self, problem, entry_point):
        results = await asyncio.gather(
            *[self.custom_code_generate(problem=problem, entry_point=entry_point) for _ in range(3)]
        )
        best = await self.sc_ensemble(solutions=[r["response"] for r in results], problem=problem)
        return best["response"]
""",
    "tasks collected in a list": """
import asyncio

class Workflow:
    async def __call__(self, problem):
        waiting = []
        for style in prompt_custom.STYLES:
            waiting.append(self.custom(input=problem, instruction=style))
        replies = await asyncio.gather(*waiting)
        first, *others = replies
        return first["response"]
""",
    "tasks by create_task": """
import asyncio

class Workflow:
    async def __call__(self, problem):
        left = asyncio.create_task(self.custom(input=problem, instruction=prompt_custom.SOLVE))
        right = self.custom(input=problem, instruction=prompt_custom.JUDGE)
        a, b = await left, await right
        return a["response"] or b["response"]
""",
    "wait_for and except-as": """
import asyncio

class Workflow:
    async def __call__(self, problem):
        try:
            reply = await asyncio.wait_for(self.custom(input=problem), timeout=300)
        except asyncio.TimeoutError as late:
            return f"too late: {late}"
        else:
            return reply["response"]
        finally:
            del problem
""",
    "helper function above the class": """
import re

def first_block(text):
    found = re.search(r"```(?:python)?(.*?)```", text, re.DOTALL)
    return found.group(1) if found else text

class Workflow:
    async def __call__(self, problem):
        reply = await self.custom(input=problem, instruction=prompt_custom.SOLVE)
        return first_block(reply["response"])
""",
    "helper methods": """
class Workflow:
    limit: int = 3

    async def _once(self, problem, hint):
        return await self.custom(input=f"{problem}\\n{hint}", instruction=prompt_custom.SOLVE)

    def _later(self, problem):
        return self.custom(input=problem)

    async def __call__(self, problem):
        reply = await self._once(problem, "be brief")
        second = await self._later(problem)
        return reply["response"] + second["response"] * self.limit
""",
    "nested functions and nonlocal": """
class Workflow:
    async def __call__(self, problem):
        count = 0

        async def attempt(hint):
            nonlocal count
            count += 1
            reply = await self.custom(input=problem, instruction=hint)
            return reply["response"], count

        replies = [await attempt(hint) for hint in ("a", "b")]
        return max(replies, key=lambda pair: len(pair[0]))[0]
""",
    "match": """
class Workflow:
    async def __call__(self, problem):
        reply = await self.review(problem=problem, solution="")
        match reply:
            case {"review_result": True, "feedback": text}:
                return text
            case {**rest}:
                return str(rest)
            case other:
                return str(other)
""",
    "walrus and while": """
class Workflow:
    async def __call__(self, problem, test_cases):
        tries = 0
        while not (outcome := await self.test(problem, "x", test_cases=test_cases[:3]))["result"]:
            tries += 1
            if tries > 2:
                break
        return outcome["solution"]
""",
    "endless loop that returns": """
class Workflow:
    async def __call__(self, problem):
        notes: dict[str, str] = {}
        while True:
            reply = await self.programmer(problem=problem, analysis=notes.get("analysis", "None"))
            if reply["output"] or len(notes) > 3:
                return reply["code"]
            notes[str(len(notes))] = reply["output"]
""",
    "AFlow constructor": """
class Workflow:
    def __init__(self, name, llm_config, dataset: DatasetType) -> None:
        self.name = name
        self.dataset = dataset
        self.llm = create_llm_instance(llm_config)
        self.generate = operator.CustomCodeGenerate(self.llm)
        self.seen = []

    async def __call__(self, problem: str, entry_point: str):
        made = await self.generate(problem=problem, entry_point=entry_point, instruction="")
        self.seen.append(made["response"])
        return made["response"], self.llm.get_usage_summary()["total_cost"]
""",
    "raise instead of falling through": """
class Workflow:
    async def __call__(self, problem, question_id=None):
        for _ in range(2):
            reply = await self.answer_generate(input=problem)
            if reply["answer"]:
                return reply["answer"]
        raise RuntimeError(f"no answer to {question_id}")
""",
    "globals, classes, star arguments": """
from collections import Counter
from dataclasses import dataclass

LIMIT = 2

@dataclass
class Vote:
    text: str
    weight: int = LIMIT

class Workflow:
    async def __call__(self, problem):
        arguments = {"input": problem}
        votes = Counter()
        for _ in range(LIMIT):
            reply = await self.custom(**arguments)
            votes[Vote(reply["response"]).text] += 1
        ((text, _count),) = votes.most_common(1)
        return text
""",
    "async for, with and conditional expression": """
class Workflow:
    async def _stream(self, problem):
        for hint in prompt_custom.STYLES:
            yield await self.custom(input=problem, instruction=hint)

    async def __call__(self, problem):
        texts = [r["response"] async for r in self._stream(problem)]
        chosen = texts[0] if texts else (await self.custom(input=problem))["response"]
        return chosen
""",
}
