"""A grammar of sensible workflows: what the meta-agent learns to write.

A plan says which strategy and how deep; `write` turns it into the native format, with names and layout
that vary. Where there are visible tests a plan runs them, and the deeper the harder the problem looks.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from training.pocket import instructions

WITH_TESTS = ("revise", "retry", "mixed", "many", "many-revise", "mend", "reviewed")
WITHOUT_TESTS = ("vote", "critic", "single")
WITHOUT_CODE = ("answer", "answer-vote")


@dataclass(frozen=True)
class FlowPlan:
    """A strategy with its bounds: `loops` repairs at most, `drafts` solutions side by side."""

    strategy: str
    loops: int = 0
    drafts: int = 1
    together: bool = True  # drafts by asyncio.gather, else by an async comprehension

    def describe(self) -> str:
        """The plan in words, for the reasoning and the modification."""
        loops, drafts = self.loops, self.drafts
        return {
            "revise": f"write a solution, test it, and revise it from the failing tests up to {loops} times",
            "retry": f"write a solution, test it, "
            f"and write a new one up to {loops} times until the tests pass",
            "mixed": f"write a solution and, while tests fail, "
            f"revise and rewrite in turn up to {loops} times",
            "many": f"write {drafts} solutions, return the first that passes the tests, else let them vote",
            "many-revise": f"write {drafts} solutions, take one that passes, "
            f"else revise the last up to {loops} times",
            "mend": f"write a solution and let the test operator mend it up to {loops} times",
            "reviewed": f"review the first solution, then test and revise it up to {loops} times",
            "vote": f"write {drafts} solutions and let them vote, as there are no tests",
            "critic": "write a solution, review it, and revise it if the review finds fault",
            "single": "write one solution, as there are no tests and the steps are clear",
            "answer": "answer the question step by step",
            "answer-vote": f"answer {drafts} times and take the answer most agree on",
        }[self.strategy]


def choose(rng: random.Random, difficulty: int, *, tests: bool, code: bool) -> FlowPlan:
    """A sensible first plan: deeper for harder problems, test loops wherever there are tests."""
    together = rng.random() < 0.5
    if not code:
        strategy = rng.choice(WITHOUT_CODE)
        return FlowPlan(
            strategy, drafts=rng.randint(3, 5) if strategy == "answer-vote" else 1, together=together
        )
    if not tests:
        odds = (0.5, 0.25, 0.25) if difficulty <= 2 else (0.7, 0.25, 0.05)
        strategy = rng.choices(WITHOUT_TESTS, odds)[0]
        return FlowPlan(strategy, drafts=rng.randint(3, 5) if strategy == "vote" else 1, together=together)
    strategy = rng.choices(WITH_TESTS, (0.34, 0.16, 0.16, 0.08, 0.14, 0.08, 0.04))[0]
    low, high = (2, 3) if difficulty <= 2 else (3, 4) if difficulty <= 4 else (4, 6)
    return FlowPlan(strategy, rng.randint(low, high), rng.randint(2, 3) + (difficulty > 4), together)


def improve(
    rng: random.Random, plan: FlowPlan, difficulty: int, *, tests: bool, code: bool
) -> tuple[FlowPlan, str]:
    """Another plan after a low score, and why: deeper, wider, or another strategy."""
    if tests and plan.loops and plan.loops < 7 and rng.random() < 0.4:
        deeper = replace(plan, loops=min(8, plan.loops + rng.randint(1, 3)))
        return deeper, f"raise the bound from {plan.loops} to {deeper.loops} attempts"
    if plan.drafts > 1 and plan.strategy in ("many", "vote", "answer-vote") and rng.random() < 0.3:
        wider = replace(plan, drafts=min(7, plan.drafts + 2))
        return wider, f"write {wider.drafts} solutions instead of {plan.drafts}"
    for _ in range(20):
        other = choose(rng, difficulty + 1, tests=tests, code=code)
        if other.strategy != plan.strategy:
            return other, f"change the strategy: {other.describe()}"
    return replace(plan, drafts=plan.drafts + 1), "write one more solution"


@dataclass(frozen=True)
class Written:
    """A workflow's two files."""

    code: str
    prompts: str


@dataclass
class _Names:
    """The names one workflow uses. They come in sets: a name tells the others of its workflow, which a
    small model learns in minutes, where names drawn one by one get mixed up.
    """

    solution: str
    check: str
    turn: str
    draft: str
    many: str
    fixed: str
    prompt: str
    again: str


_STYLES = (
    ("solution", "check", "attempt", "draft", "drafts", "fixed", "CODE", "AGAIN"),
    ("code", "report", "turn", "reply", "candidates", "revised", "WRITE", "RETRY"),
    ("program", "outcome", "trial", "written", "options", "better", "SOLVE", "REWRITE"),
    ("answer", "tested", "_", "first", "versions", "mended", "STEPS", "SECOND"),
)


def write(rng: random.Random, plan: FlowPlan, *, entry_point: bool) -> Written:
    """The plan as a native workflow class with its prompts."""
    names = _Names(*rng.choice(_STYLES))
    body, prompts = _Writer(rng, names, plan, entry_point).lines()
    head = ["import asyncio", "", ""] if any("asyncio." in line for line in body) else []
    arguments = "self, problem, entry_point" if entry_point else "self, problem"
    lines = [
        *head,
        "class Workflow:",
        f"    async def __call__({arguments}):",
        *(f"        {line}" for line in body),
    ]
    constants = "\n".join(f'{name} = """{text}"""' for name, text in prompts.items())
    return Written("\n".join(lines), constants)


def _wrapped(before: str, call: str) -> list[str]:
    """The call, its arguments on a line of their own: workflows are read in narrow panes."""
    name, _, arguments = call.partition("(")
    return [f"{before}{name}(", f"    {arguments.removesuffix(')')}", ")"]


class _Writer:
    """Writes the body of `__call__`, statement by statement."""

    def __init__(self, rng: random.Random, names: _Names, plan: FlowPlan, entry_point: bool) -> None:
        self._rng, self._n, self._plan = rng, names, plan
        self._entry = ", entry_point=entry_point" if entry_point else ""
        self._prompts: dict[str, str] = {}

    def lines(self) -> tuple[list[str], dict[str, str]]:
        build = getattr(self, "plan_" + self._plan.strategy.replace("-", "_"))
        return build(), self._prompts

    def _generate(self, *, again: bool = False) -> str:
        """The call that writes a solution, with an instruction of its own."""
        name = self._n.again if again else self._n.prompt
        if name not in self._prompts:
            kinds = ("AGAIN",) if again else ("CODE", "STEPS", "CAREFUL")
            self._prompts[name] = self._rng.choice(instructions.CODE[self._rng.choice(kinds)])
        return f"self.custom_code_generate(problem=problem{self._entry}, instruction=prompt_custom.{name})"

    def _first(self, *, again: bool = False) -> list[str]:
        names = self._n
        return [
            *_wrapped(f"{names.draft} = await ", self._generate(again=again)),
            f'{names.solution} = {names.draft}["response"]',
        ]

    def _test(self, solution: str, loop: int = 0) -> str:
        call = f"self.test(problem=problem, solution={solution}{self._entry}, test_loop={loop})"
        return f"{self._n.check} = await {call}"

    def _revise(self, feedback: str) -> list[str]:
        names = self._n
        call = f"self.revise(problem=problem, solution={names.solution}, feedback={feedback})"
        return [f"{names.fixed} = await {call}", f'{names.solution} = {names.fixed}["solution"]']

    def _loop(self, repair: list[str]) -> list[str]:
        """Test, stop when all pass, repair; the bound is the plan's."""
        names = self._n
        return [
            f"for {names.turn} in range({self._plan.loops}):",
            f"    {self._test(names.solution)}",
            f'    if {names.check}["result"]:',
            "        break",
            *(f"    {line}" for line in repair),
            f"return {names.solution}",
        ]

    def _feedback(self) -> str:
        return f'{self._n.check}["feedback"]'

    def _revise_loop(self) -> list[str]:
        return self._loop(self._revise(self._feedback()))

    def _several(self) -> list[str]:
        """`plan.drafts` solutions, gathered at once or one after the other."""
        names, call, count = self._n, self._generate(), self._plan.drafts
        if self._plan.together:
            return [
                f"{names.many} = await asyncio.gather(*[",
                *(f"    {line}" for line in _wrapped("", call)),
                f"    for _ in range({count})",
                "])",
                f'solutions = [{names.draft}["response"] for {names.draft} in {names.many}]',
            ]
        return [
            f"{names.many} = [",
            *(f"    {line}" for line in _wrapped("await ", call)),
            f"    for _ in range({count})",
            "]",
            f'solutions = [{names.draft}["response"] for {names.draft} in {names.many}]',
        ]

    def _first_passing(self) -> list[str]:
        names = self._n
        return [
            f"for {names.solution} in solutions:",
            f"    {self._test(names.solution)}",
            f'    if {names.check}["result"]:',
            f"        return {names.solution}",
        ]

    def _ensemble(self) -> list[str]:
        return [
            "best = await self.sc_ensemble(solutions=solutions, problem=problem)",
            'return best["response"]',
        ]

    def plan_revise(self) -> list[str]:
        return [*self._first(), *self._revise_loop()]

    def plan_single(self) -> list[str]:
        return [*self._first(), f"return {self._n.solution}"]

    def plan_mend(self) -> list[str]:
        names = self._n
        return [
            *self._first(),
            self._test(names.solution, self._plan.loops),
            f'return {names.check}["solution"]',
        ]

    def plan_retry(self) -> list[str]:
        return [*self._first(), *self._loop(self._first(again=True))]

    def plan_mixed(self) -> list[str]:
        if self._n.turn == "_":
            self._n.turn = "attempt"
        turns = [
            f"if {self._n.turn} % 2 == 0:",
            *(f"    {line}" for line in self._revise(self._feedback())),
            "else:",
            *(f"    {line}" for line in self._first(again=True)),
        ]
        return [*self._first(), *self._loop(turns)]

    def plan_many(self) -> list[str]:
        return [*self._several(), *self._first_passing(), *self._ensemble()]

    def plan_many_revise(self) -> list[str]:
        return [*self._several(), *self._first_passing(), *self._revise_loop()]

    def plan_reviewed(self) -> list[str]:
        return [*self._review(), *self._revise_loop()]

    def _review(self) -> list[str]:
        review = f"review = await self.review(problem=problem, solution={self._n.solution})"
        revise = (f"    {line}" for line in self._revise('review["feedback"]'))
        return [*self._first(), review, 'if not review["review_result"]:', *revise]

    def plan_critic(self) -> list[str]:
        return [*self._review(), f"return {self._n.solution}"]

    def plan_vote(self) -> list[str]:
        return [*self._several(), *self._ensemble()]

    def plan_answer(self) -> list[str]:
        return ["reply = await self.answer_generate(input=problem)", 'return reply["answer"]']

    def plan_answer_vote(self) -> list[str]:
        call = "self.answer_generate(input=problem)"
        return [
            f'solutions = [(await {call})["answer"] for _ in range({self._plan.drafts})]',
            *self._ensemble(),
        ]
