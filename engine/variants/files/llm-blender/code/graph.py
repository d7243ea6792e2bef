import ast
import asyncio
import re


class Workflow:
    async def __call__(self, problem, entry_point):
        written = await asyncio.gather(
            *[
                self.custom_code_generate(
                    problem=problem, entry_point=entry_point, temperature=prompt_custom.TEMPERATURE
                )
                for _ in range(prompt_custom.CANDIDATES)
            ]
        )
        # The same text twice would only be compared with itself.
        candidates = list(dict.fromkeys(w["response"] for w in written if w["response"].strip()))
        if len(candidates) < 2:
            return candidates[0] if candidates else ""
        points = await self.points(problem, candidates)
        order = sorted(range(len(candidates)), key=lambda i: (-points[i], i))
        best = [candidates[i] for i in order[: prompt_custom.TOP]]
        try:
            fused = await self.custom_code_generate(
                problem=problem + "".join(prompt_custom.RANKED.format(candidate=c) for c in best),
                entry_point=entry_point,
                instruction=prompt_custom.FUSE,
                temperature=0.0,
            )
        except Exception as error:  # they are more than the worker's context holds
            print(f"not fused: {error}")
            return best[0]
        return fused["response"] if is_code(fused["response"]) else best[0]

    async def points(self, problem, candidates):
        """How many comparisons each wins; every pair is compared in both orders, since places matter."""
        pairs = [(i, j) for i in range(len(candidates)) for j in range(len(candidates)) if i != j]
        shares = await asyncio.gather(
            *[self.compare(problem, candidates[i], candidates[j]) for i, j in pairs]
        )
        points = [0.0] * len(candidates)
        for (i, j), first in zip(pairs, shares):
            points[i] += first
            points[j] += 1 - first
        return points

    async def compare(self, problem, a, b):
        try:
            reply = await self.custom(
                input=prompt_custom.PAIR.format(problem=problem, a=a, b=b),
                instruction=prompt_custom.COMPARE,
                temperature=0.0,
            )
        except Exception as error:  # two candidates are more than the worker's context holds: a draw
            print(f"not compared: {error}")
            return 0.5
        return share(reply["response"])


def share(reply):
    """1 where the first of two is better, 0 where the second is, a half where the reply says neither."""
    tags = re.findall(r"<better>\W*([AB])\W*</better>", reply)
    letter = tags[-1] if tags else reply.strip(" \n.*()`\"'")
    return {"A": 1.0, "B": 0.0}.get(letter, 0.5)


def is_code(text):
    try:
        return bool(ast.parse(text).body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
