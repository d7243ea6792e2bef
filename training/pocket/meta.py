"""What the meta-agent learns: the engine's own request for a workflow, and a reply with its reasoning."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from engine.operators.sets import PAPER
from engine.problems import Problem, Tests
from engine.prompts import Experience, best_round, propose_messages
from engine.run.execution import Execution
from engine.scores.scoring import Score
from engine.variants.final import mean_score
from engine.variants.flowreasoner import feedback_on
from engine.workflows import Workflow, build_workflow
from training.pocket import tokens
from training.pocket.course import Course
from training.pocket.flows import FlowPlan, Written, choose, improve, write
from training.pocket.foreign import foreign_problem
from training.pocket.generate import generate
from training.pocket.model import META
from training.pocket.tasks import TESTS, Example, Split, sample_example
from training.pocket.worker import Lesson

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

FOREIGN_SHARE = 0.15
LATER_ROUND_SHARE = 0.22
NO_TESTS_SHARE = 0.15
_MEASURED = 32
_REASONS = (
    "wrong result",
    "wrong result",
    "wrong result",
    "raised an exception",
    "the solution does not load",
)


@dataclass(frozen=True)
class Query:
    """A problem and what its reasoning should notice."""

    problem: Problem
    steps: int | None  # None: not the pocket language
    vague: tuple[str, ...]
    code: bool

    @property
    def difficulty(self) -> int:
        """How hard the problem looks, from 1; workflows are deeper for harder ones."""
        return 5 if self.steps is None else self.steps + 2 * len(self.vague)

    @property
    def tests(self) -> bool:
        """Whether the problem has visible tests."""
        return bool(self.problem.tests.visible)


def sample_query(rng: random.Random, split: Split) -> Query:
    """A query of the split, or one unlike the worker's; some without tests."""
    if rng.random() < FOREIGN_SHARE:
        problem, code = foreign_problem(rng)
        return Query(problem, None, (), code)
    example = sample_example(rng, split, tests=TESTS[0])
    problem = example.problem()
    visible = problem.tests.visible
    if rng.random() < NO_TESTS_SHARE:
        problem = replace(problem, tests=Tests())
    elif rng.random() < 0.15:
        problem = replace(problem, tests=Tests(visible[: rng.randint(1, 2)]))
    return Query(problem, len(example.task.steps), vague_words(example), True)


def vague_words(example: Example) -> tuple[str, ...]:
    """The vague phrases, without their constant."""
    parts = (step.phrase.partition("{k}") for step in example.task.steps if step.vague)
    return tuple(before.strip() + (" ..." if mark else "") for before, mark, _ in parts)


def lesson(rng: random.Random, split: Split = "train") -> Lesson:
    """One request, for the first round or a later one, with its reply."""
    query = sample_query(rng, split)
    names = rng.random()  # one seed per history: a later round keeps the names of the earlier ones
    plan = choose(rng, query.difficulty, tests=query.tests, code=query.code)
    if rng.random() >= LATER_ROUND_SHARE:
        thought = f"{_noticed(rng, query)} {_means(rng, query)} I will {plan.describe()}."
        return _lesson(query, [], thought, plan.describe(), _written(names, plan, query))
    history: list[Experience] = []
    change = plan.describe()
    plans: list[FlowPlan] = []
    for number in range(1, rng.choices((1, 2, 3), (0.55, 0.3, 0.15))[0] + 1):
        history.append(_experience(rng, number, _written(names, plan, query), change))
        plans.append(plan)
        best = best_round(history)
        plan, change = improve(
            rng, plans[best.round - 1], query.difficulty, tests=query.tests, code=query.code
        )
    last = history[-1]
    scored = "could not run" if last.score is None else f"scored {last.score:.2f}"
    thought = (
        f"Round {last.round} {scored}, so the workflow must change. {_noticed(rng, query)} I will {change}."
    )
    return _lesson(query, history, thought, change, _written(names, plan, query))


def _written(names: float, plan: FlowPlan, query: Query) -> Written:
    return write(random.Random(names), plan, entry_point=query.code)


def _lesson(query: Query, history: list[Experience], thought: str, change: str, flow: Written) -> Lesson:
    answer = (
        f"<think>{thought}</think>\n<modification>{change[0].upper()}{change[1:]}.</modification>\n"
        f"<graph>\n{flow.code}\n</graph>\n<prompt>\n{flow.prompts}\n</prompt>"
    )
    return Lesson(tuple(propose_messages(query.problem, PAPER, history)), answer)


def _noticed(rng: random.Random, query: Query) -> str:
    if query.steps is None:
        return rng.choice(
            ("This is not a plain list of steps, so it may be hard.", "I cannot count the steps here.")
        )
    steps = f"The query has {query.steps} step{'s' * (query.steps != 1)}"
    if not query.vague:
        return f"{steps} and every word of it is clear."
    quoted = " and ".join(f'"{word}"' for word in query.vague)
    return f"{steps}. What {quoted} {'mean' if len(query.vague) > 1 else 'means'} is not clear."


def _means(rng: random.Random, query: Query) -> str:
    if not query.code:
        return "It asks for no function."
    if not query.tests:
        return "There are no visible tests, so I cannot check a solution."
    count = len(query.problem.tests.visible)
    some = f"{count} visible tests" if count > 1 else "1 visible test"
    return rng.choice(
        (f"I have {some} to check a solution.", f"{some} can tell a right solution from a wrong one.")
    )


def _experience(rng: random.Random, number: int, flow: Written, change: str) -> Experience:
    """An earlier round with a score below 1, or one that could not run."""
    text = f"{change[0].upper()}{change[1:]}."
    if rng.random() < 0.07:
        return Experience(number, flow.code, flow.prompts, text, None, "The workflow cannot run:\n" + _FAULT)
    total = rng.choice((3, 3, 3, rng.randint(1, 8)))
    results: list[tuple[Execution, Score | None]] = []
    for _ in range(3):
        passed = rng.choice((0, 0, rng.randint(0, total), total))
        reason = "" if passed == total else rng.choice(_REASONS)
        results.append((Execution("", "ok", "", None), Score(passed / total, passed, total, reason)))
    score = mean_score(results)
    if score == 1.0:
        results[0] = (results[0][0], Score(0.0, 0, total, _REASONS[0]))
        score = mean_score(results)
    return Experience(number, flow.code, flow.prompts, text, score, feedback_on(results))


_FAULT = "line 3: error: the name is not defined"


class MetaCourse(Course):
    """Supervised learning on sensible plans for queries of every kind."""

    template = tokens.META_TEMPLATE

    def next(self) -> Lesson:
        """A lesson: a request for a workflow, and the reply."""
        return lesson(self._rng)

    def sentences(self) -> list[str]:
        """The fixed texts of requests and replies."""
        return tokens.META_SENTENCES

    def measure(self, model: Any, tokenizer: PreTrainedTokenizerFast) -> str:
        """How many replies to held-out requests, sampled at the default temperature, can run as written."""
        rng = random.Random("meta-held-out")
        lessons = [lesson(rng, "held-out") for _ in range(_MEASURED)]
        replies = generate(
            model,
            tokenizer,
            [a.messages for a in lessons],
            temperature=META.temperature,
            new_tokens=META.new_tokens,
        )
        runs = sum(strictly_valid(r) for r in replies)
        return f"workflows that run as written {runs}/{len(replies)}"


def strictly_valid(reply: str) -> bool:
    """Whether a reply is a workflow that needs no repair and no second try."""
    built = build_workflow(reply, "", PAPER)
    return isinstance(built, Workflow) and built.strict_ok and not built.repairs
