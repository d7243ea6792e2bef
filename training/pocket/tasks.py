"""Pocket problems: English queries over compositions of known steps, with tests in three splits.

Everything follows from a seed. A problem whose sequence of steps hashes into the held-out tenth is never
a training problem, so held-out problems test composition; single steps and wordings are shared.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from engine.problems import Problem, Tests
from training.pocket import phrases as p
from training.pocket.ops import BY_SOURCE, CHAR, Constant, Type, evaluate, render

Split = Literal["train", "held-out"]
SPLITS: tuple[Split, ...] = ("train", "held-out")

VAGUE_RATE = 0.42
EXTRA_PARAMETER_RATE = 0.25
STEP_ODDS = ((1, 0.12), (2, 0.36), (3, 0.36), (4, 0.16))
TESTS = (3, 3, 5)  # visible, val, test
_MAX_REPR = 56
_LETTERS = "aeilnorst"
_WORDS = (
    "apple", "river", "stone", "cat", "tree", "lion", "at", "on", "sun", "moon", "note", "table",
    "rain", "ocean", "star", "bee", "level", "noon", "eat", "ten", "orange", "silver", "art", "nest",
    "radar", "tea", "ant", "east", "later", "stain", "planet", "also", "into", "era", "one", "lemon",
    "salt", "train", "owl",
)  # fmt: skip


@dataclass(frozen=True)
class PocketStep:
    """One step as meant: its key (for hashing), its words, its code, and its other meanings if vague."""

    key: str
    source: Type
    target: Type
    phrase: str
    code: str
    constant: int | str | None
    constant_range: Constant
    others: tuple[str, ...] = ()
    odds: tuple[float, ...] = ()

    @property
    def vague(self) -> bool:
        """Whether its phrase has several meanings."""
        return bool(self.others)


@dataclass(frozen=True)
class PocketTask:
    """A problem before it is one: typed steps, names, and which constant is a parameter."""

    name: str
    parameter: str
    extra: str | None
    extra_step: int
    steps: tuple[PocketStep, ...]

    @property
    def signature(self) -> str:
        """The reference function's name and parameters, as in its `def` line."""
        return f"{self.name}({', '.join(filter(None, (self.parameter, self.extra)))})"

    @property
    def vague(self) -> int:
        """How many of its steps are vague."""
        return sum(step.vague for step in self.steps)

    def source(self, codes: list[str] | None = None, constants: list[int | str | None] | None = None) -> str:
        """The solution as text; `codes` and `constants` replace those meant, for wrong solutions."""
        codes = codes or [one.code for one in self.steps]
        values = constants or [one.constant for one in self.steps]
        lines, variable, kind = [f"def {self.signature}:"], self.parameter, self.steps[0].source
        for i, (step, code, value) in enumerate(zip(self.steps, codes, values, strict=True)):
            constant = self.extra if self.extra and i == self.extra_step else str(value)
            expression = render(
                _bare(code) if self.extra and i == self.extra_step else code, variable, constant
            )
            if i == len(self.steps) - 1:
                lines.append(f"    return {expression}")
                break
            if step.target != kind:
                variable, kind = p.LOCALS[step.target], step.target
            lines.append(f"    {variable} = {expression}")
        return "\n".join(lines)

    def run(
        self, value: Any, extra: Any, codes: list[str] | None = None, constants: list[Any] | None = None
    ) -> Any:
        """What the reference (or a variation of it) returns, by evaluating our own step table."""
        codes = codes or [step.code for step in self.steps]
        values = constants or [step.constant for step in self.steps]
        for i, (code, constant) in enumerate(zip(codes, values, strict=True)):
            is_extra = self.extra is not None and i == self.extra_step
            if is_extra:
                value = evaluate(_bare(code))(value, extra)
            else:
                letter = isinstance(constant, str)
                value = evaluate(_bare(code) if letter else code)(value, constant)
        return value


def _bare(code: str) -> str:
    """The code with a letter constant as a name, not inside quotes."""
    return code.replace('"{k}"', "{k}")


def held_out(task: PocketTask) -> bool:
    """Whether the composition belongs to the held-out tenth. Single steps are shared by both splits."""
    if len(task.steps) < 2:
        return False
    digest = hashlib.md5("|".join(step.key for step in task.steps).encode(), usedforsecurity=False).digest()
    return digest[0] % 10 == 0


def sample_task(rng: random.Random, count: int, vague_rate: float = VAGUE_RATE) -> PocketTask:
    """A random well-typed composition of `count` steps."""
    start: Type = rng.choices(("L", "S", "W", "N"), (0.46, 0.22, 0.24, 0.08))[0]
    chain: list[PocketStep] = []
    kind = start
    for i in range(count):
        step = _sample_step(rng, kind, i, vague_rate, {other.key for other in chain})
        chain.append(step)
        kind = step.target
    with_constant = [i for i, other in enumerate(chain) if other.constant is not None]
    extra_step, extra = -1, None
    if with_constant and rng.random() < EXTRA_PARAMETER_RATE:
        extra_step, extra = rng.choice(with_constant), rng.choice(p.EXTRA_PARAMETERS)
    return PocketTask(_name(rng, start), rng.choice(p.PARAMETERS[start]), extra, extra_step, tuple(chain))


def _name(rng: random.Random, start: Type) -> str:
    """An entry point: mostly usual names, some invented ones so that any name gets copied."""
    roll = rng.random()
    if roll < 0.35:
        return rng.choice(p.SHORT_NAMES)
    if roll < 0.88:
        return f"{rng.choice(p.VERBS)}_{rng.choice(p.NOUNS[start])}"
    invented = "".join(rng.choice("bdfgklmnprstvz") + rng.choice("aeiou") for _ in range(rng.randint(2, 3)))
    return invented if rng.random() < 0.5 else f"{invented}_{rng.choice(p.NOUNS[start])}"


def _sample_step(rng: random.Random, kind: Type, place: int, vague_rate: float, used: set[str]) -> PocketStep:
    if rng.random() < vague_rate:
        vague = rng.choice(p.VAGUE_BY_SOURCE[kind])
        if vague.name not in used:
            odds = tuple(weight for weight, _ in vague.meanings)
            codes = tuple(meant for _, meant in vague.meanings)
            code = rng.choices(codes, odds)[0]
            return PocketStep(
                f"?{vague.name}", kind, vague.target, rng.choice(vague.phrases), code,
                _constant(rng, vague.constant), vague.constant, codes, odds,
            )  # fmt: skip
    while True:
        operation = rng.choice(BY_SOURCE[kind])
        if operation.name not in used and not (operation.first_only and place):
            return PocketStep(
                operation.name, kind, operation.target, rng.choice(operation.phrases), operation.code,
                _constant(rng, operation.constant), operation.constant,
            )  # fmt: skip


def _constant(rng: random.Random, allowed: Constant) -> int | str | None:
    if allowed is None:
        return None
    return rng.choice(_LETTERS) if isinstance(allowed, str) else rng.randint(*allowed)


def wording(rng: random.Random, task: PocketTask) -> str:
    """The query in English."""
    words = rng.random() < 0.3
    spoken = []
    for i, step in enumerate(task.steps):
        if task.extra and i == task.extra_step:
            text = step.phrase.replace("'{k}'", "{k}").replace("{k}", f"`{task.extra}`")
        else:
            value = step.constant
            text = step.phrase.replace(
                "{k}", p.NUMBER_WORDS[value] if words and isinstance(value, int) else str(value)
            )
        spoken.append(text)
    intro = rng.choice(p.INTROS[task.steps[0].source]).format(p=task.parameter)
    if task.extra:
        letter = task.steps[task.extra_step].constant_range == CHAR
        intro += f" and a{' letter' if letter else 'n integer'} `{task.extra}`"
    if len(spoken) > 1 and rng.random() < 0.15:
        listing = "\n".join(f"{i}. {phrase[0].upper()}{phrase[1:]}" for i, phrase in enumerate(spoken, 1))
        return p.LISTED.format(sig=task.signature, intro=intro, steps=listing)
    return rng.choice(p.SKELETONS).format(sig=task.signature, intro=intro, steps=_joined(rng, spoken))


def _joined(rng: random.Random, spoken: list[str]) -> str:
    if len(spoken) == 1:
        return spoken[0]
    if len(spoken) == 2:
        return rng.choice(("{0}, then {1}", "first {0} and then {1}", "{0} and after that {1}")).format(
            *spoken
        )
    link = rng.choice((", then ", ", next ", "; then "))
    last = rng.choice((", and finally ", ", and at the end "))
    return link.join(spoken[:-1]) + last + spoken[-1]


def sample_input(rng: random.Random, kind: Type) -> Any:
    """A random value of this type."""
    if kind == "L":
        pool = [rng.randint(-5, 14) for _ in range(rng.randint(4, 6))]
        if rng.random() < 0.5:  # repeats, so that removing them shows
            pool[rng.randrange(len(pool))] = rng.choice(pool)
        return pool
    if kind == "S":
        words = [rng.choice(_WORDS) for _ in range(rng.randint(2, 3))]
        return " ".join(word.capitalize() if rng.random() < 0.3 else word for word in words)
    if kind == "W":
        words = [rng.choice(_WORDS) for _ in range(rng.randint(3, 5))]
        if rng.random() < 0.4:
            words[rng.randrange(len(words))] = rng.choice(words)
        return words
    return rng.randint(3, 99)


def sample_calls(
    rng: random.Random, task: PocketTask, count: int
) -> list[tuple[tuple[Any, ...], Any]] | None:
    """`count` distinct calls with what the reference returns, or None where the task is degenerate."""
    calls: dict[str, tuple[tuple[Any, ...], Any]] = {}
    for _ in range(count * 3):
        arguments = (sample_input(rng, task.steps[0].source),)
        if task.extra:
            arguments = (*arguments, _constant(rng, task.steps[task.extra_step].constant_range))
        result = task.run(arguments[0], arguments[-1])
        if len(repr(arguments)) > _MAX_REPR + 12 or len(repr(result)) > _MAX_REPR:
            continue
        calls[repr(arguments)] = (arguments, result)
        if len(calls) == count:
            break
    distinct = list(calls.values())
    if len(distinct) < count or len({repr(r) for _, r in distinct}) < min(3, count - 1):
        return None
    if sum(not r for _, r in distinct) > count // 3:  # mostly empty results say nothing
        return None
    return distinct


def assertion(name: str, arguments: tuple[Any, ...], result: Any) -> str:
    """An `assert` that the function returns `result` for the arguments."""
    return f"assert {name}({', '.join(map(repr, arguments))}) == {result!r}"


@dataclass(frozen=True)
class Example:
    """A task with its wording and calls; `problem()` is what anyone else sees."""

    task: PocketTask
    prompt: str
    calls: tuple[tuple[tuple[Any, ...], Any], ...]
    id: str

    @property
    def tests(self) -> list[str]:
        """The calls as asserts, in the order of the splits."""
        return [assertion(self.task.name, arguments, result) for arguments, result in self.calls]

    def problem(self) -> Problem:
        """The problem, with its tests in the three splits and its solution in the metadata."""
        tests, (visible, val, _) = self.tests, TESTS
        return Problem(
            id=self.id,
            prompt=self.prompt,
            entry_point=self.task.name,
            kind="code",
            tests=Tests(
                tuple(tests[:visible]), tuple(tests[visible : visible + val]), tuple(tests[visible + val :])
            ),
            metadata={
                "benchmark": "pocket",
                "steps": len(self.task.steps),
                "vague": self.task.vague,
                "solution": self.task.source(),
            },
        )


def sample_example(
    rng: random.Random, split: Split, *, tests: int = sum(TESTS), id: str = "pocket"
) -> Example:
    """One problem of a split. Fewer `tests` make training data cheaper."""
    steps = rng.choices([count for count, _ in STEP_ODDS], [weight for _, weight in STEP_ODDS])[0]
    while True:
        task = sample_task(rng, steps)
        if steps > 1 and held_out(task) != (split == "held-out"):
            continue
        calls = sample_calls(rng, task, tests)
        if calls is not None:
            return Example(task, wording(rng, task), tuple(calls), id)


def examples(seed: int, split: Split, count: int) -> Iterator[Example]:
    """The first `count` examples of a seed, the same every time."""
    rng = random.Random(f"pocket-{split}-{seed}")
    for i in range(count):
        yield sample_example(rng, split, id=f"pocket/{split}-{seed}-{i}")


def generate(seed: int, split: Split, count: int) -> list[Problem]:
    """The first `count` problems of a seed."""
    return [example.problem() for example in examples(seed, split, count)]
