import asyncio
import re


class Workflow:
    async def __call__(self, problem):
        written = await asyncio.gather(
            *[
                self.custom(
                    input=problem, instruction=prompt_custom.ANSWER, temperature=prompt_custom.TEMPERATURE
                )
                for _ in range(prompt_custom.CANDIDATES)
            ]
        )
        # The same text twice would only be compared with itself.
        candidates = list(dict.fromkeys(w["response"] for w in written if w["response"].strip()))
        if len(candidates) < 2:
            return bare(candidates[0]) if candidates else ""
        points = await self.points(problem, candidates)
        order = sorted(range(len(candidates)), key=lambda i: (-points[i], i))
        best = [candidates[i] for i in order[: prompt_custom.TOP]]
        try:
            fused = await self.custom(
                input=problem + "".join(prompt_custom.RANKED.format(candidate=c) for c in best),
                instruction=prompt_custom.FUSE,
                temperature=0.0,
            )
        except Exception as error:  # they are more than the worker's context holds
            print(f"not fused: {error}")
            return bare(best[0])
        return bare(fused["response"] if fused["response"].strip() else best[0])

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


def bare(answer):
    """Of a question's answer what is in the last tag; any other answer as it is."""
    tags = re.findall(r"<answer>(.*?)</answer>", answer, re.DOTALL | re.IGNORECASE)
    return tags[-1].strip() if tags else answer.strip()
