"""What the worker learns: the operators' own prompts, and the replies they should get.

Every prompt comes from the operator that sends it, so training and use cannot drift apart. Wrong
solutions for `revise` are the task's other readings, or have a step swapped, dropped or off by one.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from engine.models.base import Message
from engine.operators import custom_code_generate, review, revise, sc_ensemble
from engine.operators.support import extract_code, letter
from training.pocket import instructions
from training.pocket.ops import BY_SOURCE
from training.pocket.tasks import Example, PocketStep, PocketTask, assertion, sample_example

_MAX_GOT = 60
_VISIBLE = 3
RIGHT_REMARK = "It does what the problem asks."
WRONG_REMARK = "A step does not do what the problem asks."


@dataclass(frozen=True)
class Lesson:
    """One training pair."""

    messages: tuple[Message, ...]
    answer: str


@dataclass(frozen=True)
class Attempt:
    """A wrong solution as text, and the feedback its failures give."""

    source: str
    feedback: str


def code_block(source: str) -> str:
    """The source in a Python code block."""
    return f"```python\n{source}\n```"


def user(content: str) -> tuple[Message, ...]:
    """A conversation of one user message."""
    return ({"role": "user", "content": content},)


def generate_prompt(problem: str, entry_point: str | None, instruction: str) -> str:
    """The prompt of CustomCodeGenerate, as the operator writes it."""
    return custom_code_generate.prompt(problem, entry_point, instruction)


def revise_prompt(problem: str, solution: str, feedback: str) -> str:
    """The prompt of Revise, as the operator writes it."""
    return revise.prompt(problem, solution, feedback)


def read(reply: str) -> str:
    """The code of a reply, as the operators read it."""
    return extract_code(reply)


def feedback_text(failures: list[str], total: int) -> str:
    """Failing tests as the host reports them to workflows."""
    return f"{len(failures)} of {total} tests failed:\n" + "\n".join(failures)


def lesson(rng: random.Random, revise_share: float, letters_share: float = 0.03) -> Lesson:
    """One random lesson of the training split."""
    example = sample_example(rng, "train", tests=_VISIBLE)
    roll = rng.random()
    if roll < revise_share:
        wrong = wrong_attempt(rng, example)
        if wrong is not None:
            wrong = _blurred(rng, wrong)
            prompt = revise_prompt(example.prompt, wrong.source, wrong.feedback)
            return Lesson(user(prompt), code_block(example.task.source()))
    elif roll < revise_share + letters_share:
        other = _ensemble_lesson if rng.random() < 0.5 else _review_lesson
        special = other(rng, example)
        if special is not None:
            return special
    instruction = "" if rng.random() < 0.35 else rng.choice(instructions.ALL)
    # A query without an entry point still names its function.
    entry_point = None if rng.random() < 0.03 else example.task.name
    prompt = generate_prompt(example.prompt, entry_point, instruction)
    return Lesson(user(prompt), code_block(example.task.source()))


def wrong_attempt(rng: random.Random, example: Example) -> Attempt | None:
    """A solution that fails a visible test, mostly as the worker itself fails: another reading."""
    task = example.task
    for _ in range(6):
        codes = [step.code for step in task.steps]
        constants = [step.constant for step in task.steps]
        if task.vague:
            codes = [
                rng.choices(step.others, step.odds)[0] if step.vague else step.code for step in task.steps
            ]
        if not task.vague or rng.random() < 0.15:
            _spoil(rng, task, codes, constants)
        attempt = _attempt(rng, example, codes, constants)
        if attempt is not None:
            return attempt
    return None


def _blurred(rng: random.Random, wrong: Attempt) -> Attempt:
    """Now and then what is said instead of failing tests: a review's remark, or that it is not Python."""
    roll = rng.random()
    if roll < 0.05:
        return Attempt(wrong.source, WRONG_REMARK)
    if roll < 0.08:
        place = rng.randrange(len(wrong.source))
        source = wrong.source[:place] + wrong.source[place + rng.randint(1, 3) :]
        return Attempt(source, "The solution could not be tested: SyntaxError: invalid syntax")
    return wrong


def _spoil(rng: random.Random, task: PocketTask, codes: list[str], constants: list[Any]) -> None:
    """Swap, drop or misread one step in place."""
    place = rng.randrange(len(task.steps))
    step = task.steps[place]
    how = rng.random()
    if isinstance(constants[place], int) and how < 0.35 and place != task.extra_step:
        constants[place] += rng.choice((-1, 1))
    elif step.source == step.target and how < 0.5:
        codes[place] = "{v}"
    else:
        codes[place] = rng.choice(_alternatives(step))


def _alternatives(step: PocketStep) -> list[str]:
    needs = step.constant_range
    alike = [
        operation.code
        for operation in BY_SOURCE[step.source]
        if operation.target == step.target
        and (operation.constant is None or type(operation.constant) is type(needs))
    ]
    return [code for code in alike if code != step.code] or [step.code]


def _attempt(rng: random.Random, example: Example, codes: list[str], constants: list[Any]) -> Attempt | None:
    # Checkers may repeat the test in their message, and name an exception with or without "raised".
    repeat, raised = rng.random() < 0.2, rng.choice(("raised ", ""))
    failures = []
    calls = example.calls[:_VISIBLE]
    for arguments, result in calls:
        test = assertion(example.task.name, arguments, result)
        try:
            returned = example.task.run(arguments[0], arguments[-1], codes, constants)
        except Exception as error:  # noqa: BLE001  a swapped step may raise anything, as generated code may
            failures.append(f"{test}  # {raised}{type(error).__name__}: {error}")
            continue
        if len(repr(returned)) > _MAX_GOT:
            return None
        if returned != result:
            repeated = f"{test.removeprefix('assert ')}  # " if repeat else ""
            failures.append(f"{test}  # {repeated}got {returned!r}")
    if not failures:
        return None
    return Attempt(example.task.source(codes, constants), feedback_text(failures, len(calls)))


def _ensemble_lesson(rng: random.Random, example: Example) -> Lesson | None:
    """Three candidates of which at least two agree: the letter of the first that most agree on."""
    wrong = wrong_attempt(rng, example)
    if wrong is None:
        return None
    candidates = [example.task.source(), wrong.source]
    candidates.append(rng.choice(candidates))
    rng.shuffle(candidates)
    pick = max(range(3), key=lambda i: (candidates.count(candidates[i]), -i))
    answer = f"<solution_letter>{letter(pick)}</solution_letter>"
    return Lesson(user(sc_ensemble.prompt(example.prompt, candidates)), answer)


def _review_lesson(rng: random.Random, example: Example) -> Lesson | None:
    wrong = wrong_attempt(rng, example)
    if wrong is None:
        return None
    right = rng.random() < 0.5
    verdict = "true" if right else "false"
    remark = RIGHT_REMARK if right else WRONG_REMARK
    solution = example.task.source() if right else wrong.source
    answer = f"<review_result>{verdict}</review_result><feedback>{remark}</feedback>"
    return Lesson(user(review.prompt(example.prompt, solution)), answer)
