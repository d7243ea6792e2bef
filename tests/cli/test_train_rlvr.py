"""RLVR for MetaFlow: one real run through the command, what a group writes with, what stays out of it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.benchmarks import load_benchmark
from engine.events import RunFinished
from engine.operators.metaflow_sets import NotRenamableError
from engine.operators.own import OperatorSetError
from sandbox.errors import UsageError
from store.reader import Reader
from tests.cli.conftest import Shell
from tests.support import training as support
from tests.support.leftovers import Guard
from tests.support.missing import needs
from training import recipes
from training.jobs import directory
from training.jobs.host.gpus import LOCKS
from training.recipes.kinds import Rollouts
from training.trainers.subjects import OperatorSets, refuse_reported, reported_problems

needs("trl")


@pytest.fixture
def alone(shell: Shell, light_sandbox: None) -> Iterator[Shell]:
    """The command, whose jobs end with the test."""
    guard = Guard(shell.home)
    shell.env[LOCKS] = str(shell.home / "locks")
    yield shell
    guard.clean()


def problems(folder: Path) -> Path:
    """Pocket problems of the split that is trained on, as a data set for GRPO."""
    from datasets import Dataset

    from training.pocket.tasks import generate

    found = [p.to_json() for p in generate(7, "train", 4)]
    for problem in found:
        del problem["tests"]["test"]
    rows = [
        {"problem": json.dumps(p | {"metadata": {}}), "id": p["id"], "benchmark": "pocket"} for p in found
    ]
    Dataset.from_list(rows).save_to_disk(str(folder))
    return folder


async def test_a_workflow_for_a_task_is_rewarded_with_what_it_solves(alone: Shell, tmp_path: Path) -> None:
    small = ("steps=1", "rollouts.queries=1", "rollouts.group=2", "rollouts.instances=2", "seed=3")
    fast = ("rollouts.max_tokens=250", "rollouts.held_out=aflow-code", "objective.kl=0.0")
    changes = [word for change in (*small, *fast) for word in ("--set", change)]
    data = str(problems(tmp_path / "problems"))
    ended = await alone("train", "rlvr-embedded", "--data", data, "--follow", "--name", "r", *changes)
    (run_dir,) = directory.all_jobs(directory.jobs_folder(alone.store))
    assert ended.code == 0, ended.err + (run_dir / "log").read_text()[-2000:]
    assert "same_workflow_share" in ended.out and "empty_thinking_share" in ended.out
    values = support.progress(run_dir, "step")[0]["values"]
    (group,) = support.progress(run_dir, "rollouts")[0]["groups"]
    assert group["problem"] == "pocket" and len(group["candidates"]) == 2
    with Reader(run_dir / "store.db") as reader:
        runs = reader.runs(job=run_dir.name, limit=99).rows
        scores = {
            run.id: event.val_score
            for run in runs
            for event in reader.events_of_kind(run.id, RunFinished.kind)
            if isinstance(event, RunFinished)
        }
        assert all(not r.score for r in runs)  # nothing was scored on `test`
    written = {candidate["run"] for candidate in group["candidates"]}
    assert written <= set(scores)
    of_instances = [r for r in runs if r.id not in written and r.problem_id.startswith("pocket/")]
    per_group = Counter(r.problem_id for r in of_instances)
    assert len(per_group) >= 2  # the group's two instances, and those of the set that is held out
    rewards = [candidate["reward"] for candidate in group["candidates"]]
    assert set(rewards) <= {0.0, 0.5, 1.0, -0.5}
    assert values["reward_mean"] == pytest.approx(sum(rewards) / 2)
    assert values["masked_instances"] == 0 and 0 <= values["wrong_share"] <= 1
    valid = [r for r in rewards if r >= 0]
    assert values["valid_share"] == pytest.approx(len(valid) / 2)
    assert values["wrong_share"] == pytest.approx(1 - sum(valid) / len(valid))
    assert 0 <= values["same_workflow_share"] <= 0.5 and values["empty_thinking_share"] == 0
    assert -0.5 <= values["held_out_reward_mean"] <= 1 and values["held_out_valid_share"] in (0.0, 1.0)


def sets(**changes: object) -> OperatorSets:
    given = {"variant": "metaflow", "operators": ["metaflow", "metaflow-verify"], **changes}
    return OperatorSets.of(Rollouts.model_validate(given), 5)


def test_each_group_draws_a_set_and_the_one_held_out_is_never_drawn() -> None:
    drawn = sets(held_out="metaflow-both")
    names = Counter(drawn.of_group(step, group).name for step in range(20) for group in range(4))
    assert set(names) == {"metaflow", "metaflow-verify"} and min(names.values()) > 20
    assert drawn.held_out is not None and drawn.held_out.name == "metaflow-both"
    again = sets(held_out="metaflow-both")
    assert all(again.of_group(s, 1) == drawn.of_group(s, 1) for s in range(20))


def test_a_share_of_the_groups_meets_its_operators_under_other_names() -> None:
    drawn = sets(renamed=0.5)
    found = [drawn.of_group(step, 0) for step in range(60)]
    other = [one for one in found if "~" in one.name]
    assert 15 < len(other) < 45
    assert len({one.name for one in other}) == len(other)  # each group its own
    plain = {o.attribute for o in sets().trained[1].operators}
    for one in other:
        assert {o.module for o in one.operators} == {"engine.operators.metaflow"}
        assert not {o.attribute for o in one.operators} & plain
    assert [one.name for one in found if "~" not in one.name] == [
        sets().of_group(step, 0).name for step, one in enumerate(found) if "~" not in one.name
    ]
    assert all("~" in one.name for one in (sets(renamed=1.0).of_group(s, 0) for s in range(9)))
    listed = sets(operators=["metaflow~7"])
    assert {listed.of_group(s, 0).name for s in range(9)} == {"metaflow~7"}


def test_sets_that_cannot_be_had_are_said_before_anything_is_trained() -> None:
    with pytest.raises(NotRenamableError, match="the operators of paper have no other names"):
        sets(operators=["metaflow", "paper"], renamed=0.1)
    with pytest.raises(OperatorSetError, match="no operator set 'metaflwo'; did you mean"):
        sets(operators=["metaflwo"])
    with pytest.raises(OperatorSetError, match="metaflow-bot"):
        sets(held_out="metaflow-bot")
    for change, said in (
        (["rollouts.held_out=paper"], "take it out of them"),
        (["rollouts.variant=flowreasoner", "rollouts.held_out=metaflow"], "needs rollouts.variant"),
        (["rollouts.renamed=1.5"], "less than or equal to 1"),
    ):
        with pytest.raises(recipes.RecipeError, match=said):
            recipes.load("rlvr-embedded", change)


def test_what_is_reported_on_is_not_learned_from() -> None:
    found = load_benchmark("pocket", None)
    val, test = (reported_problems([f"pocket:aflow-1:4/{part}"], None) for part in ("val", "test"))
    assert val and test and not val & test
    assert reported_problems(["pocket"], None) == val | test == {p.id for p in found}
    assert reported_problems([], None) == frozenset()
    refuse_reported([p for p in found if p.id in val], test)
    with pytest.raises(UsageError, match=r"holds \S+ and \d+ more, which data\.reported or the probe"):
        refuse_reported(found, test)
    for name in ("humanevil", "pocket:no", "pocket:aflow-1:4/no"):
        with pytest.raises(UsageError, match=r"data\.reported: "):
            reported_problems([name], None)


@pytest.mark.parametrize("name", ["rlvr-embedded", "rlvr-qwen3-8b"])
def test_the_presets_are_said_to_be_probable(name: str) -> None:
    file = Path(recipes.__file__).parent / "presets" / f"{name}.toml"
    assert "robable" in file.read_text("utf-8").partition("kind =")[0]
    recipe = recipes.load(name)
    assert isinstance(recipe, recipes.GRPORecipe) and recipe.rollouts.variant == "metaflow"
    assert (recipe.reward.complexity, recipe.reward.distinctness, recipe.advantages.k) == (0.0, 0.0, 1.0)
