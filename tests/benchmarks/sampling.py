"""Whether a model in process answers as another program does that has the same weights.

    python -m tests.benchmarks.sampling [--weights FOLDER] [--problems 164] [--prompts 5] [--draws 200]
        [--server URL --model NAME]

The other program is Transformers' `generate` or, with `--server`, an OpenAI-compatible server that serves the
folder, such as vLLM's (`--dtype float32`, as the weights are computed with here; on a CPU with
`--no-enable-chunked-prefill`). Nothing but a seed and, once, a temperature is asked for: all else is left to
the defaults on both sides.

Printed as JSON: how many greedy answers are equal, of all problems; then, for `draws` answers to each of the
`prompts` that leave most open, how long they are on average, how many are cut off, and a chi-square test of
the whole answers of one side against the other's. Its `p` is small where they are not of one distribution.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from engine.config import Endpoint
from engine.ids import derived_seed
from engine.models.base import ChatModel, Completion, Message, Sampling
from engine.models.endpoint import EndpointModel
from engine.models.local import LocalModel
from engine.models.local.weights import Weights
from engine.models.registry import pocket_weights
from engine.operators.custom_code_generate import prompt
from training.pocket.tasks import generate

_OFTEN = 10  # answers that are rarer, of both sides together, count as one


@dataclass(frozen=True)
class Answer:
    """What one call gave."""

    text: str
    tokens: int
    finish: str


Answers = Callable[[list[tuple[str, Sampling]]], Awaitable[list[Answer]]]


def answers_of(model: ChatModel) -> Answers:
    """The answers of a model of the workbench."""

    async def one(text: str, sampling: Sampling) -> Answer:
        asked: list[Message] = [{"role": "user", "content": text}]
        async for item in model.stream(asked, sampling):
            if isinstance(item, Completion):
                return Answer(item.text, item.tokens_out, item.finish)
        raise AssertionError("a stream ends with its completion")

    async def every(calls: list[tuple[str, Sampling]]) -> list[Answer]:
        return await asyncio.gather(*(one(*call) for call in calls))

    return every


def answers_of_generate(folder: Path) -> Answers:
    """Those of Transformers' `generate`, which is to draw from the whole vocabulary, too, where the model's
    generation config says nothing.
    """
    import torch

    weights = Weights.load("generate", str(folder), "cpu")
    own = weights.model.generation_config
    own.top_k = own.top_k or 0

    def equal(text: str, temperature: float | None, count: int) -> list[Answer]:
        ids, _ = weights.chat.prompt([{"role": "user", "content": text}])
        asked = torch.tensor([ids] * count)
        settings = {} if temperature is None else {"do_sample": False, "temperature": None, "top_k": None}
        made = weights.model.generate(asked, attention_mask=torch.ones_like(asked), **settings)
        out: list[Answer] = []
        for tokens in made[:, len(ids) :].tolist():
            end = next((at for at, token in enumerate(tokens) if token in weights.ends), None)
            said = tokens if end is None else tokens[: end + 1]
            out.append(Answer(weights.chat.decode(said), len(said), "length" if end is None else "stop"))
        return out

    async def every(calls: list[tuple[str, Sampling]]) -> list[Answer]:
        torch.manual_seed(0)
        counts = Counter((text, sampling.temperature) for text, sampling in calls)
        made = {key: equal(*key, count) for key, count in counts.items()}
        return [made[text, sampling.temperature].pop() for text, sampling in calls]

    return every


def chi_square(ours: list[str], theirs: list[str]) -> tuple[float, int]:
    """Pearson's statistic of two samples of answers, and its degrees of freedom."""
    counts = Counter(ours + theirs)
    sides = [Counter(text if counts[text] >= _OFTEN else None for text in side) for side in (ours, theirs)]
    both = sides[0] + sides[1]
    statistic = 0.0
    for side in sides:
        for text, count in both.items():
            due = count * side.total() / both.total()
            statistic += (side[text] - due) ** 2 / due
    return statistic, len(both) - 1


async def compared(
    ours: Answers, theirs: Answers, problems: int, prompts: int, draws: int
) -> dict[str, object]:
    """What is printed."""
    import torch

    tasks = list(generate(11, "held-out", problems))
    texts = {task.id: prompt(task.prompt, task.entry_point, "") for task in tasks}
    greedy = [(text, Sampling(temperature=0.0)) for text in texts.values()]
    pairs = list(zip(await ours(greedy), await theirs(greedy), strict=True))
    open_ones = sorted(tasks, key=lambda task: -task.metadata["vague"])[:prompts]
    calls = [(texts[t.id], Sampling(seed=derived_seed(t.id, n))) for t in open_ones for n in range(draws)]
    mine, other = await ours(calls), await theirs(calls)
    statistic, freedom = 0.0, 0
    for start in range(0, len(calls), draws):
        said = [[answer.text for answer in side[start : start + draws]] for side in (mine, other)]
        one = chi_square(*said)
        statistic, freedom = statistic + one[0], freedom + one[1]
    p = torch.special.gammaincc(torch.tensor(freedom / 2.0), torch.tensor(statistic / 2.0))
    return {
        "greedy_equal": f"{sum(a == b for a, b in pairs)} of {len(pairs)}",
        "draws_each": len(calls),
        "tokens": [round(statistics.mean(a.tokens for a in side), 2) for side in (mine, other)],
        "cut_off": [sum(a.finish == "length" for a in side) for side in (mine, other)],
        "chi_square": round(statistic, 1),
        "freedom": freedom,
        "p": round(float(p), 4),
    }


async def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", type=Path, default=pocket_weights("pocket-worker"))
    parser.add_argument("--problems", type=int, default=164)
    parser.add_argument("--prompts", type=int, default=5)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--server", help="base URL of an OpenAI-compatible server")
    parser.add_argument("--model", default="pocket-worker", help="the name it knows the model by")
    args = parser.parse_args()
    model = LocalModel("ours", str(args.weights), device="cpu")
    if args.server:
        endpoint = Endpoint(base_url=args.server, max_concurrency=32)
        theirs = answers_of(EndpointModel("theirs", args.model, "server", endpoint))
    else:
        theirs = answers_of_generate(args.weights)
    try:
        found = await compared(answers_of(model), theirs, args.problems, args.prompts, args.draws)
        print(json.dumps(found))
    finally:
        await model.aclose()


if __name__ == "__main__":
    asyncio.run(main())
