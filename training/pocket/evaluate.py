"""`python -m training.pocket.evaluate`: the table of the model card, on held-out problems.

A strategy sees the visible tests only; what counts is whether its last solution passes the `test`
tests. Everything is sampled at the models' default temperatures, except where a row says greedy.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import random
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from engine.models.base import Message
from sandbox import Sandbox, open_sandbox
from training.pocket import environment, worker
from training.pocket import model as models
from training.pocket.flows import FlowPlan
from training.pocket.generate import generate
from training.pocket.instructions import CODE
from training.pocket.judge import Item, Ruling, rule
from training.pocket.tasks import TESTS, Example, examples

SEED = 2026
_AGAIN = CODE["AGAIN"][1]


@dataclass(frozen=True)
class ResultRow:
    """One line of the table: shares in percent with their standard errors, and worker calls per problem.

    `clear` are the problems without a vague phrase, `vague` those with one.
    """

    name: str
    passed: float
    error: float
    clear: float
    clear_error: float
    vague: float
    vague_error: float
    calls: float


def share(hits: list[bool]) -> tuple[float, float]:
    """The share of hits in percent, and its standard error in percentage points; NaN without any."""
    if not hits:
        return math.nan, math.nan
    p = sum(hits) / len(hits)
    return 100 * p, 100 * math.sqrt(p * (1 - p) / len(hits))


class Bench:
    """The worker, the problems and the sandbox, with strategies run in lockstep over all problems."""

    def __init__(self, model: Any, tokenizer: Any, found: list[Example], sandbox: Sandbox) -> None:
        self._model, self._tokenizer = model, tokenizer
        self._found, self._sandbox = found, sandbox
        self._ruled: dict[Item, Ruling] = {}  # most solutions stay as they are from turn to turn

    def _ask(self, conversations: list[tuple[Message, ...]], temperature: float) -> list[str]:
        shape = models.WORKER
        replies = generate(
            self._model,
            self._tokenizer,
            conversations,
            temperature=temperature,
            new_tokens=shape.new_tokens,
        )
        return [worker.read(reply) for reply in replies]

    def write(self, which: list[int], temperature: float, instruction: str = "") -> list[str]:
        """Solutions of the problems with these indices, sampled by the worker."""
        problems = (self._found[place] for place in which)
        prompts = [
            worker.user(worker.generate_prompt(example.prompt, example.task.name, instruction))
            for example in problems
        ]
        return self._ask(prompts, temperature)

    def revise(self, which: list[int], codes: list[str], rulings: list[Ruling]) -> list[str]:
        """The solutions with these indices, revised after what their rulings say."""
        prompts = [
            worker.user(
                worker.revise_prompt(self._found[place].prompt, codes[place], rulings[place].feedback)
            )
            for place in which
        ]
        return self._ask(prompts, models.WORKER.temperature)

    async def visible(self, codes: list[str]) -> list[Ruling]:
        """How each problem's solution does on its visible tests. Raises SandboxError."""
        return await self._rule(codes, slice(0, TESTS[0]))

    async def final(self, codes: list[str]) -> list[bool]:
        """Whether each problem's solution passes its `test` tests. Raises SandboxError."""
        return [ruling.passed for ruling in await self._rule(codes, slice(TESTS[0] + TESTS[1], None))]

    async def _rule(self, codes: list[str], tests: slice) -> list[Ruling]:
        pairs = zip(self._found, codes, strict=True)
        items = [Item(code, tuple(example.tests[tests]), example.task.name) for example, code in pairs]
        fresh = [item for item in dict.fromkeys(items) if item not in self._ruled]
        self._ruled.update(zip(fresh, await rule(self._sandbox, fresh), strict=True))
        return [self._ruled[item] for item in items]

    def row(self, name: str, passed: list[bool], calls: float) -> ResultRow:
        """A line of the table, from which solutions passed and the worker calls per problem."""
        clear = [
            has_passed
            for has_passed, example in zip(passed, self._found, strict=True)
            if not example.task.vague
        ]
        vague = [
            has_passed for has_passed, example in zip(passed, self._found, strict=True) if example.task.vague
        ]
        return ResultRow(name, *share(passed), *share(clear), *share(vague), calls)

    async def turn(self, codes: list[str], how: str) -> tuple[list[str], int]:
        """Test all solutions and mend those that fail, by "revise" or "retry".

        Returns the solutions, and how many worker calls that took. Raises SandboxError.
        """
        rulings = await self.visible(codes)
        failed = [place for place, ruling in enumerate(rulings) if not ruling.passed]
        if how == "revise":
            mended = self.revise(failed, codes, rulings)
        else:
            mended = self.write(failed, models.WORKER.temperature, _AGAIN)
        after = list(codes)
        for place, code in zip(failed, mended, strict=True):
            after[place] = code
        return after, len(failed)

    async def mend(self, codes: list[str], how: str, turns: int) -> list[str]:
        """The solutions after so many turns."""
        for _ in range(turns):
            codes, _ = await self.turn(codes, how)
        return codes

    async def loop(self, first: list[str], how: str, bounds: tuple[int, ...]) -> list[ResultRow]:
        """Test and mend up to the last of `bounds`, in turns; a row of the table at each.

        `how` is "revise", "retry" or "mixed", which takes turns. Raises SandboxError.
        """
        codes, calls, rows = first, len(first), []
        for turn in range(1, max(bounds) + 1):
            kind = ("revise" if turn % 2 else "retry") if how == "mixed" else how
            codes, worker_calls = await self.turn(codes, kind)
            calls += worker_calls
            if turn in bounds:
                name = f"test + {how}, at most {turn}"
                rows.append(self.row(name, await self.final(codes), calls / len(codes)))
        return rows

    async def one_turn(self, first: list[str], how: str) -> tuple[float, float]:
        """The share of visibly failing first attempts that one turn makes right, as `share` gives it."""
        failed = [place for place, ruling in enumerate(await self.visible(first)) if not ruling.passed]
        final = await self.final((await self.turn(first, how))[0])
        return share([final[place] for place in failed])


async def measure_worker(folder: Path, count: int, seed: int) -> dict[str, Any]:
    """All rows about the worker, as JSON-ready data. Raises SandboxError."""
    import torch

    torch.set_num_threads(1)  # decoding such small models, two threads mostly wait for each other
    torch.manual_seed(seed)
    model, tokenizer = models.load(folder)
    problems = list(examples(seed, "held-out", count))
    async with open_sandbox() as sandbox:
        bench = Bench(model, tokenizer, problems, sandbox)
        every = list(range(count))
        rows = [bench.row("one attempt, greedy", await bench.final(bench.write(every, 0)), 1)]
        first = bench.write(every, models.WORKER.temperature)
        rows.append(bench.row("one attempt (vanilla)", await bench.final(first), 1))
        mended = {how: await bench.one_turn(first, how) for how in ("revise", "retry")}
        for how, bounds in (("revise", (1, 3, 5)), ("retry", (1, 3, 5)), ("mixed", (3, 5))):
            rows += await bench.loop(first, how, bounds)
    return {
        "problems": count,
        "vague_problems": sum(example.task.vague > 0 for example in problems),
        "rows": [asdict(row) for row in rows],
        "one_turn_mends": mended,
    }


def measure_meta(folder: Path, count: int, seed: int) -> dict[str, Any]:
    """How many sampled workflows can run as written, by kind of request, and what they are like."""
    import torch

    from training.pocket import meta

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    model, tokenizer = models.load(folder)
    rng = random.Random(f"meta-evaluation-{seed}")
    lessons = [meta.lesson(rng, "held-out") for _ in range(count)]
    shape = models.META
    replies = generate(
        model,
        tokenizer,
        [one.messages for one in lessons],
        temperature=shape.temperature,
        new_tokens=shape.new_tokens,
    )
    valid = [meta.strictly_valid(reply) for reply in replies]
    later = [any("Rounds so far:" in message["content"] for message in one.messages) for one in lessons]
    tested = [
        "self.test(" in reply
        for reply, one in zip(replies, lessons, strict=True)
        if "Visible tests:" in one.messages[-1]["content"] and "Entry point:" in one.messages[-1]["content"]
    ]
    noticed = [
        _noticed(reply) == _noticed(one.answer)
        for reply, one in zip(replies, lessons, strict=True)
        if _noticed(one.answer)
    ]
    return {
        "requests": count,
        "valid": share(valid),
        "valid_first_round": share(
            [is_valid for is_valid, is_later in zip(valid, later, strict=True) if not is_later]
        ),
        "valid_later_rounds": share(
            [is_valid for is_valid, is_later in zip(valid, later, strict=True) if is_later]
        ),
        "tests_used_where_there_are_tests": share(tested),
        "steps_counted_right": share(noticed),
        "distinct_workflows": len({reply.partition("<graph>")[2] for reply in replies}),
        "strategies": dict(Counter(_strategy(reply) for reply in replies).most_common()),
    }


def _noticed(reply: str) -> str:
    """The sentence that counts the steps, or nothing where there is none."""
    _, mark, rest = reply.partition("The query has ")
    return rest.split()[0] if mark and rest else ""


def _strategy(reply: str) -> str:
    names = ("test", "revise", "sc_ensemble", "review", "answer_generate")
    used = [name for name in names if f"self.{name}(" in reply]
    return "+".join(used) or FlowPlan("single").strategy


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as a Markdown table."""
    lines = [
        "| | all | no vague phrase | vague phrases | worker calls |",
        "|---|---|---|---|---|",
    ]
    for r in rows:
        cells = (f"{r[k]:.1f} ± {r[e]:.1f}" for k, e in _COLUMNS)
        lines.append(f"| {r['name']} | {' | '.join(cells)} | {r['calls']:.2f} |")
    return "\n".join(lines)


_COLUMNS = (("passed", "error"), ("clear", "clear_error"), ("vague", "vague_error"))


def main(arguments: list[str] | None = None) -> None:
    """The program; `arguments` are those of the command line by default."""
    parser = argparse.ArgumentParser(prog="python -m training.pocket.evaluate", description=__doc__)
    parser.add_argument("--weights", type=Path, default=models.WEIGHTS)
    parser.add_argument("--problems", type=int, default=400)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--only", choices=["worker", "meta"])
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    options = parser.parse_args(arguments)
    environment.ensure("training.pocket.evaluate")
    results: dict[str, Any] = {"seed": options.seed}
    if options.only != "meta":
        results["worker"] = asyncio.run(
            measure_worker(options.weights / "worker", options.problems, options.seed)
        )
        sys.stdout.write(table(results["worker"]["rows"]) + "\n")
    if options.only != "worker":
        results["meta"] = measure_meta(options.weights / "meta", options.problems, options.seed)
    sys.stdout.write(json.dumps(results, indent=1) + "\n")
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
