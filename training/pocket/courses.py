"""The two courses, by name: the worker's is here, the meta-agent's in `meta`."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from training.pocket import tokens, worker
from training.pocket.course import Course
from training.pocket.generate import generate
from training.pocket.judge import Item, Ruling, judge
from training.pocket.meta import MetaCourse
from training.pocket.tasks import TESTS, Example, examples
from training.pocket.worker import Lesson

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_MEASURED = 96


class WorkerCourse(Course):
    """First writing, where all there is to read is learned; then more and more revising.

    Revising from the start costs half of the tokens and teaches little: most of its answer is a copy.
    """

    template = tokens.WORKER_TEMPLATE

    def next(self) -> Lesson:
        """A lesson; the share of revising grows from 5 % to 55 % as training proceeds."""
        return worker.lesson(
            self._rng, revise_share=min(0.55, max(0.05, 0.05 + 1.6 * (self._progress - 0.45)))
        )

    def sentences(self) -> list[str]:
        """The fixed texts of the operators' prompts and of the replies."""
        return tokens.worker_sentences()

    def measure(self, model: Any, tokenizer: PreTrainedTokenizerFast) -> str:
        """Greedy accuracy on all tests, and how often one greedy revision mends what failed visibly.

        Raises SandboxError where the solutions cannot be tested.
        """
        problems = list(examples(9, "held-out", _MEASURED))

        def ask(prompts: list[str]) -> list[str]:
            conversations = [worker.user(prompt) for prompt in prompts]
            return [
                worker.read(reply)
                for reply in generate(model, tokenizer, conversations, temperature=0, new_tokens=160)
            ]

        def passing(which: list[Example], codes: list[str], tests: int | None) -> list[Ruling]:
            pairs = zip(which, codes, strict=True)
            return judge(
                [Item(written, tuple(example.tests[:tests]), example.task.name) for example, written in pairs]
            )

        codes = ask([worker.generate_prompt(example.prompt, example.task.name, "") for example in problems])
        right = [r.passed for r in passing(problems, codes, None)]
        attempts = zip(problems, codes, passing(problems, codes, TESTS[0]), strict=True)
        failed = [(example, c, r.feedback) for example, c, r in attempts if not r.passed]
        mended = ask(
            [worker.revise_prompt(example.prompt, code, feedback) for example, code, feedback in failed]
        )
        after = [r.passed for r in passing([example for example, _, _ in failed], mended, None)]
        clear = [r for r, example in zip(right, problems, strict=True) if not example.task.vague]
        return (
            f"greedy {sum(right)}/{len(right)}, without vague phrases {sum(clear)}/{len(clear)}, "
            f"one revision mends {sum(after)}/{len(after)}"
        )


def course(what: str, rng: random.Random) -> Course:
    """The course of "worker", else the meta-agent's."""
    if what == "worker":
        return WorkerCourse(rng)
    return MetaCourse(rng)
