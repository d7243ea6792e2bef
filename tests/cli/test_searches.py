"""The papers' searches as commands: searched, solved with, and their preference pairs exported."""

from __future__ import annotations

import asyncio
import json
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from store.reader import Reader
from tests.cli.conftest import Models, Shell
from tests.support.openai_server import HANG, Reply, answer, chunk
from tests.support.runs import DOUBLE, GENERATE, RIGHT, WRONG, completion

pytestmark = pytest.mark.usefixtures("light_sandbox")


@pytest.fixture
def problems(shell: Shell) -> Path:
    path = shell.home / "doubles.jsonl"
    made = (DOUBLE.to_json() | {"id": f"double/{n}", "prompt": f"Problem {n}: double x."} for n in range(3))
    path.write_text("\n".join(map(json.dumps, made)))
    return path


async def test_each_search_finds_something_and_every_trial_has_a_verdict(
    shell: Shell, models: Models, problems: Path
) -> None:
    agent = 'def forward(self, taskInfo):\n    return LLMAgentBase(["answer"], "A")([taskInfo], "Go.")[0]\n'
    draft = json.dumps({"thought": "t", "name": "n", "code": agent})
    numbers = count()

    def meta(request: dict[str, Any]) -> Reply:
        text = json.dumps(request["messages"])
        if "forward(self, taskInfo)" in text:
            return answer(draft)
        return answer(
            completion(f'await self.custom(input="{next(numbers)}")\nreturn "def f(x): return x*2"')
        )

    models.replies["meta"] = meta
    specs = (
        "aflow,rounds=2,validation_rounds=1",
        "adas,generations=1,resamples=100",
        "scoreflow,workflows=2,executions=1,operators=paper",
        "maas,repetitions=1",
    )
    variants = [word for spec in specs for word in ("--variant", spec)]
    ended = await shell(
        "bench", str(problems), "--name", "e", "--split", "aflow-1:4", "--executions", "1", *variants
    )
    assert ended.code == 0, ended.out + ended.err
    with Reader(shell.store) as reader:
        experiment = reader.experiments.named("e")
        found = reader.experiments.found("e")
        trials = reader.experiments.trials("e")
    # Of the three problems, one is for the searches.
    assert experiment.done == experiment.total == len(trials) == 4 * 2
    assert {t.status for t in trials} == {"passed"}
    assert len(found) == 4
    assert sorted(label.partition(",")[0] for label in found) == ["adas", "aflow", "maas", "scoreflow"]
    said = await shell("export-pairs", "e", "--out", "pairs.jsonl")
    assert said.code != 0
    assert "has no pairs" in said.err


async def test_killed_in_the_middle_it_goes_on_and_asks_the_meta_agent_nothing_twice(
    shell: Shell, models: Models, problems: Path
) -> None:
    numbers, reached, left = count(), asyncio.Event(), [3]

    def worker(_: dict[str, Any]) -> Reply:
        left[0] -= 1
        if left[0] >= 0:
            return answer(RIGHT)
        reached.set()
        return Reply([chunk("", role="assistant"), HANG])

    models.replies["worker"] = worker
    models.replies["meta"] = lambda _: answer(
        completion(
            f'await self.custom(input="{next(numbers)}")\nreturn "def f(x): return x*2"',
            modification=f"change {numbers}",
        )
    )
    options = ("--name", "e", "--split", "aflow-1:4", "--executions", "1", "--concurrency", "1")
    variant = "aflow,rounds=4,validation_rounds=1,check_convergence=no"
    process = await shell.start("bench", str(problems), *options, "--variant", variant)
    await asyncio.wait_for(reached.wait(), 300)
    process.kill()
    await process.wait()
    asked = sum(r["model"] == "meta" for r in models.server.requests)
    assert 0 < asked < 4
    models.replies["worker"] = answer(RIGHT)
    ended = await shell("bench", "--resume", "e")
    assert ended.code == 0, ended.out + ended.err
    assert sum(r["model"] == "meta" for r in models.server.requests) == 4
    with Reader(shell.store) as reader:
        (found,) = reader.experiments.found("e").values()
    assert [r["after"] for r in found["rounds"]] == [1.0] * 5


async def test_preference_pairs_are_exported(shell: Shell, models: Models, problems: Path) -> None:
    numbers = count()
    bad = completion(f"await self.custom(input=problem)\nreturn {WRONG!r}")
    models.replies["meta"] = lambda _: answer((GENERATE, bad)[next(numbers) % 2])
    models.replies["worker"] = answer(RIGHT)
    options = ("--name", "e", "--split", "aflow-1:4", "--executions", "1")
    variant = ("--variant", "scoreflow,workflows=4,executions=1,pairs=9,operators=paper")
    ended = await shell("bench", str(problems), *options, *variant)
    assert ended.code == 0, ended.out + ended.err
    said = await shell("export-pairs", "e", "--out", "pairs.jsonl", "--json")
    assert said.code == 0, said.err
    assert json.loads(said.out)["pairs"] == 9
    rows = [json.loads(line) for line in (shell.home / "pairs.jsonl").read_text().splitlines()]
    assert len(rows) == 9
    assert {(r["score_chosen"], r["score_rejected"]) for r in rows} == {(1.0, 0.0)}
    assert all(r["chosen"][0]["content"] == GENERATE for r in rows)
    again = await shell("export-pairs", "e", "--out", "pairs.jsonl")
    assert again.code != 0
    assert "exists already" in again.err
    for name, says in (("nothing", "no experiment"), ("e", "no preference pairs of other")):
        ended = await shell("export-pairs", name, "--out", "x.jsonl", "--variant", "other")
        assert ended.code != 0
        assert says in ended.err
        assert "Traceback" not in ended.err
