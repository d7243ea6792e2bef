"""ScoreFlow: pairs, their probabilities and the loss by hand, and searches in a real sandbox."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.events import Notice, RoundFinished
from engine.models.base import Message, ModelError, Sampling
from engine.operators.sets import SETS
from engine.run.context import RunConfig
from engine.variants.scoreflow_pairs import (
    Scored,
    pair_up,
    pair_weight,
    preference_rows,
    sample_pairs,
    score_dpo_loss,
    similarity,
    similarity_limit,
    write_preferences,
)
from engine.variants.scoreflow_prompts import example_for
from sandbox.pool import Pool
from tests.support.runs import completion
from tests.support.searches import PROBLEMS, SECRET, TASK, Lab, adds, assert_resumes

sandboxed = pytest.mark.asyncio(loop_scope="session")

PLAIN = 'return (await self.custom_code_generate(problem=problem, entry_point=entry_point{}))["response"]'
CAREFUL = completion(PLAIN.format(', instruction="Be careful."'))
CARELESS = completion(PLAIN.format(""))
RAISES = completion('raise ValueError("no")')


def scored(*scores: float, problem: str = "p") -> list[Scored]:
    return [Scored(problem_id=problem, workflow=f"{problem}{i}", score=s) for i, s in enumerate(scores)]


def test_pairs_are_of_one_problem_and_of_different_scores() -> None:
    both = [*scored(1.0, 0.5, 0.5), *scored(0.0, 1.0, problem="q")]
    assert sorted(pair_up(both)) == [(0, 1), (0, 2), (4, 3)]
    assert pair_up(scored(0.5, 0.5)) == []
    assert pair_up([]) == []


def test_pairs_are_drawn_in_proportion_to_the_cube_of_the_difference() -> None:
    assert pair_weight(1.0, 0.0) == 1.0
    assert pair_weight(2 / 3, 1 / 3) == pytest.approx(1 / 27)
    items = scored(1.0, 0.5, 0.0)  # differences 1/2, 1, 1/2: weights 1/8, 1, 1/8 of 10/8
    pairs = pair_up(items)
    drawn = sample_pairs(items, pairs, 20_000, seed=0)
    assert drawn.total() == 20_000
    assert drawn[(0, 2)] / 20_000 == pytest.approx(0.8, abs=0.01)
    assert drawn[(0, 1)] / 20_000 == pytest.approx(0.1, abs=0.01)
    assert drawn == sample_pairs(items, pairs, 20_000, seed=0)
    assert sample_pairs(items, [], 10, seed=0).total() == 0


def test_score_dpo_by_hand() -> None:
    # beta (s_w r_w - (1 - s_l) r_l) = 0.1 (0.8 * 2 - 0.75 * -1) = 0.235
    got = score_dpo_loss([2.0], [-1.0], [0.8], [0.25], beta=0.1)
    assert got == pytest.approx(-np.log(1 / (1 + np.exp(-0.235))))
    assert score_dpo_loss([0.0], [0.0], [1.0], [0.0]) == pytest.approx(np.log(2))
    assert score_dpo_loss([1e5], [-1e5], [1.0], [0.0]) == pytest.approx(0.0)
    assert score_dpo_loss([-1e5], [1e5], [1.0], [0.0]) == pytest.approx(0.1 * 2e5)
    with pytest.raises(ValueError, match="no pairs"):
        score_dpo_loss([], [], [], [])
    with pytest.raises(ValueError, match="shorter"):
        score_dpo_loss([1.0, 2.0], [1.0], [1.0], [0.0])


@pytest.mark.parametrize("seed", range(10))
def test_score_dpo_as_torch_has_it(seed: int) -> None:
    import torch

    rng = np.random.default_rng(seed)
    rw, rl = rng.normal(0, 20, (2, 16))
    sw, sl = rng.uniform(0, 1, (2, 16))
    logits = torch.tensor(0.1 * (sw * rw - (1 - sl) * rl))
    wanted = -torch.nn.functional.logsigmoid(logits).mean().item()
    assert score_dpo_loss(list(rw), list(rl), list(sw), list(sl)) == pytest.approx(wanted)
    dpo = -torch.nn.functional.logsigmoid(torch.tensor(0.1 * (rw - rl))).mean().item()
    assert score_dpo_loss(list(rw), list(rl), [1.0] * 16, [0.0] * 16) == pytest.approx(dpo)


def test_similarity_is_of_what_the_workflow_does() -> None:
    example = example_for("math", SETS["aflow-math"])
    spaced = (
        example.replace("(self, problem", "(self,  problem")
        .replace('"Solve', "'Solve")
        .replace('step."', "step.'")
    )
    assert similarity(spaced, example) == 1.0
    assert (
        similarity("class Workflow:\n    async def __call__(self, problem):\n        return 1", example) < 0.5
    )
    assert 0 <= similarity("not ( python", example) <= 1
    long = example.replace('"Solve it step by step."', repr("x" * 150_000))
    assert similarity(long, example, 0.75) == 0.0
    assert similarity_limit("code", "humaneval") > 1
    assert similarity_limit("math", "gsm8k") == 0.8
    assert similarity_limit("math", "math") == similarity_limit("qa", "drop") == 0.75


def test_there_is_an_example_for_every_set() -> None:
    missing = [n for n, s in SETS.items() for kind in ("code", "qa") if not example_for(kind, s)]
    assert missing == []


def config(**options: object) -> RunConfig:
    return RunConfig(variant="scoreflow", repeats=1, options={"workflows": 2, "executions": 1, **options})


def by_seed(*replies: str):
    """A reply that depends on the seed alone, as a generator's does."""

    def answer(messages: Sequence[Message], sampling: Sampling) -> str:
        return replies[(sampling.seed or 0) % len(replies)]

    return answer


def in_turn(*replies: str):
    number = iter(range(1000))
    return lambda *_: replies[next(number) % len(replies)]


@sandboxed
async def test_pairs_are_recorded_and_exported(sandbox: Pool, tmp_path: Path) -> None:
    lab = Lab(sandbox, in_turn(CAREFUL, CARELESS), config=config(pairs=7))
    found = await lab.search()
    assert (found["workflows"], found["possible_pairs"], found["pairs"]) == (4, 2, 7)
    assert found["val_score"] == 0.5
    recorded = lab.journal.values[found["journal"]]
    rows = list(preference_rows(json.loads(json.dumps(recorded))))
    assert len(rows) == 7
    for row in rows:
        assert row["chosen"] == [{"role": "assistant", "content": CAREFUL}]
        assert row["rejected"] == [{"role": "assistant", "content": CARELESS}]
        assert (row["score_chosen"], row["score_rejected"]) == (1.0, 0.0)
        problem = next(p for p in PROBLEMS if p.id == row["problem_id"])
        assert problem.prompt in row["prompt"][-1]["content"]
    assert write_preferences(recorded, tmp_path / "pairs.jsonl") == 7
    read = [json.loads(line) for line in (tmp_path / "pairs.jsonl").read_text().splitlines()]
    assert read == rows
    ends = [e for e in lab.events if isinstance(e, RoundFinished)]
    assert [(e.round, e.score) for e in ends] == [(1, 0.5), (2, 0.5)]


@sandboxed
async def test_what_cannot_run_is_written_anew_only_so_often(sandbox: Pool) -> None:
    lab = Lab(sandbox, in_turn("no", RAISES, CAREFUL), config=config(workflows=1, attempts=3))
    found = await lab.search()
    assert (found["workflows"], lab.calls[0]) == (2, 6)
    lab = Lab(sandbox, in_turn(CAREFUL, *["no"] * 8), config=config(workflows=1, attempts=2))
    found = await lab.search()
    assert (found["workflows"], found["problems"]) == (1, 1)
    last = [e for e in lab.events if isinstance(e, RoundFinished)][-1]
    assert "could not be had" in last.feedback


@sandboxed
async def test_executions_without_a_verdict_are_left_out_and_said_so(sandbox: Pool) -> None:
    numbers = iter(range(100))

    def worker(messages: Sequence[Message], sampling: Sampling) -> str | Exception:
        return ModelError("server", "the endpoint is down") if next(numbers) % 2 else adds(messages)

    lab = Lab(sandbox, CAREFUL, worker, config=config(workflows=1, executions=2))
    found = await lab.search()
    assert found["val_score"] == 1.0
    (first, _) = [e.feedback for e in lab.events if isinstance(e, RoundFinished)]
    assert first.endswith("scores of 1 workflows: 1.00; executions without a verdict, left out: 1")


@sandboxed
async def test_the_example_again_is_refused(sandbox: Pool) -> None:
    example = example_for("code", RunConfig().operators)
    reply = f"<graph>\n{example}\n</graph>"
    lab = Lab(sandbox, reply, config=config(similarity=0.75, attempts=2))
    assert "is the example again (similarity 1.00)" in await lab.failing_search()
    assert lab.trials == {}


@sandboxed
@pytest.mark.parametrize("reply", ["", "I cannot.", RAISES], ids=["empty", "prose", "raises"])
async def test_a_generator_that_writes_only_garbage_ends_the_search(sandbox: Pool, reply: str) -> None:
    lab = Lab(sandbox, reply, config=config())
    assert "wrote no workflow that can run in 10 attempts at one" in await lab.failing_search()
    assert lab.calls[0] == 10


@sandboxed
async def test_workflows_that_all_score_the_same_give_no_pairs(sandbox: Pool) -> None:
    lab = Lab(sandbox, CAREFUL, config=config())
    found = await lab.search()
    assert (found["pairs"], found["possible_pairs"]) == (0, 0)
    assert any("no preference pairs" in e.text for e in lab.events if isinstance(e, Notice))


@sandboxed
async def test_solves_with_one_workflow_written_for_the_problem(sandbox: Pool) -> None:
    lab = Lab(sandbox, in_turn("no", CAREFUL), config=config(collect=False))
    found = await lab.search()
    assert lab.calls == (0, 0)
    end = await lab.solve(PROBLEMS[1], found)
    assert (end.status, end.score) == ("passed", 1.0)
    assert lab.calls[0] == 2
    lab = Lab(sandbox, "no", config=config(attempts=2))
    end = await lab.solve(PROBLEMS[1], None)
    assert (end.status, lab.calls[0]) == ("failed", 2)
    assert "No attempt gave a workflow" in (end.error or "")


@sandboxed
async def test_no_hidden_test_and_no_reference_reaches_a_model(sandbox: Pool) -> None:
    lab = Lab(sandbox, in_turn(CAREFUL, CARELESS), config=config())
    await lab.search()
    await lab.solve(PROBLEMS[0], None)
    assert "adds 1 to x" in lab.seen
    assert SECRET not in lab.seen + json.dumps(lab.journal.values)


@sandboxed
async def test_stopped_at_any_step_it_resumes_and_asks_nothing_twice(sandbox: Pool) -> None:
    replies = by_seed(CAREFUL, CARELESS, "no")
    task = replace(TASK, problems=PROBLEMS[:1])
    await assert_resumes(lambda: Lab(sandbox, replies, task=task, config=config(pairs=5)))
