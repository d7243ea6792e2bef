"""GRPO on real executions: the numbers of a step against its stored runs, ranks, kill -9."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from engine.events import ModelCallFinished, ModelCallStarted, RoundStarted, RunFinished
from engine.models.checkpoints import content_of
from store.reader import Reader
from tests.support import training as support
from tests.support.missing import needs
from tests.support.training import train
from training import recipes
from training.rollouts.gym_process import PROGRAM
from training.trainers.run_directory import RunDirectory

needs("trl")

long = pytest.mark.skipif(
    not os.environ.get("FLOWREASONER_LONG"), reason="starts of two ranks, 20 s each: FLOWREASONER_LONG=1"
)
SMALL = (
    *("rollouts.queries=1", "rollouts.group=2", "rollouts.rounds=3", "objective.kl=0.0", "seed=0"),
    *("checkpoints.every=1", "optimizer.learning_rate=1e-3", "reward.invalid=-1.0"),
)


@pytest.fixture(scope="module")
def problems(tmp_path_factory) -> Path:
    """A pocket problem of which, with these seeds, one candidate needs one round and the other three."""
    from datasets import Dataset

    from training.pocket.tasks import generate

    problem = next(p for p in generate(7, "train", 12) if p.id == "pocket/train-7-8")
    data = problem.to_json()
    del data["tests"]["test"]
    folder = tmp_path_factory.mktemp("problems")
    rows = [{"problem": json.dumps(data | {"metadata": {}}), "id": problem.id}]
    Dataset.from_list(rows).save_to_disk(str(folder))
    return folder


def directory(path: Path, problems: Path, *changes: str) -> Path:
    path.mkdir(parents=True)
    recipe = recipes.load("grpo-embedded", [f"data.path={problems}", *SMALL, *changes])
    (path / "recipe.toml").write_text(recipe.to_toml(), "utf-8")
    return path


TWO_STEPS = ("steps=2", "objective.kl=0.03", "alerts.kl_max=1e-12")
OF_A_STEP = ("loss", "grad_norm", "entropy", "kl", "reward_mean", "val_score_mean", "completion_tokens")


@pytest.fixture(scope="module")
def whole(tmp_path_factory, problems) -> Path:
    """Two steps of one process, undisturbed."""
    folder = directory(tmp_path_factory.mktemp("one") / "whole", problems, *TWO_STEPS)
    train(RunDirectory.open(folder))
    return folder


def test_after_kill_9_the_policy_and_the_workers_draw_what_they_would_have(tmp_path, problems, whole):
    broken = directory(tmp_path / "broken", problems, *TWO_STEPS)
    assert support.killed_after(broken, "checkpoint", 1) == -signal.SIGKILL
    (broken / "job.json").write_text(json.dumps({"attempt": 2}))
    train(RunDirectory.open(broken))
    lines = support.progress(broken, "step")
    assert [(line["step"], line["attempt"]) for line in lines] == [(1, 1), (2, 2)]
    for name in OF_A_STEP:
        assert support.values(broken, name) == pytest.approx(support.values(whole, name), abs=1e-6), name
    first, second = support.values(whole, "kl")
    assert first == pytest.approx(0.0, abs=1e-6)
    assert second > 1e-6, "one update away from the base"
    assert "kl" in [line["name"] for line in support.progress(whole, "alert")]
    assert _told(broken) == _told(whole)
    assert content_of(_newest(broken)) == content_of(_newest(whole)) != content_of(_base())


def test_the_loss_is_that_of_the_stored_runs(whole):
    """At the first step every ratio is 1 and the KL is 0: the loss is -sum A n / sum n over the calls."""
    _check_first_step(whole)


@pytest.fixture(scope="module")
def both(tmp_path_factory, problems) -> Path:
    """The same two steps of two ranks, undisturbed, with a probe."""
    from training.pocket.tasks import generate

    folder = tmp_path_factory.mktemp("two")
    probe = folder / "probe.jsonl"
    probe.write_text(json.dumps(next(iter(generate(8, "train", 1))).to_json()) + "\n")
    return support.trained_by_ranks(directory(folder / "both", problems, *_of_two(probe)))


def _of_two(probe: Path) -> tuple[str, ...]:
    return (*TWO_STEPS, "hardware.processes=2", f"probe.path={probe}", "alerts.entropy_min=1.0")


@long
def test_two_ranks_give_the_loss_of_their_stored_runs_and_the_numbers_of_one(whole, both):
    """The probe is scored on `test`, and nothing else is.

    TRL's entropy and divergence are means over forward passes, of which each rank has its own.
    """
    group = _check_first_step(both)
    runs = {candidate["run"] for candidate in group["candidates"]}
    with Reader(both / "store.db") as reader:
        ends = [e for i in runs for e in reader.events_of_kind(i, RunFinished.kind)]
        scores = [r.score for r in reader.runs(job="both", limit=99).rows]
    assert [e.score for e in ends if isinstance(e, RunFinished)] == [None, None]
    probed = support.progress(both, "step")[0]["values"]["probe_test_mean"]
    assert [score for score in scores if score is not None] == [probed]
    assert support.progress(both, "end")[0]["status"] == "done"
    assert "entropy" in [line["name"] for line in support.progress(both, "alert")]
    for name in ("loss", "grad_norm", "reward_mean", "val_score_mean", "completion_tokens"):
        assert support.values(both, name) == pytest.approx(support.values(whole, name), abs=1e-6), name
    assert _told(both) == _told(whole)
    assert content_of(_newest(both)) != content_of(_base())


@long
def test_two_ranks_that_are_killed_go_on_as_if_nothing_had_been(tmp_path, problems, both):
    """They share one process for their rollouts, which is killed with them."""
    broken = directory(tmp_path / "broken", problems, *_of_two(both.parent / "probe.jsonl"))
    killed = support.interrupted(broken)
    assert [name for name in killed if name == PROGRAM] == [PROGRAM]
    assert killed.count("training.trainers") == 2
    support.trained(broken)
    assert [(x["step"], x["attempt"]) for x in support.progress(broken, "step")] == [(1, 1), (2, 2)]
    for name in OF_A_STEP:
        assert support.values(broken, name) == pytest.approx(support.values(both, name), abs=1e-6), name
    assert _told(broken) == _told(both)
    assert content_of(_newest(broken)) == content_of(_newest(both)) != content_of(_base())


def _check_first_step(folder: Path) -> dict[str, Any]:
    """The first step's group, whose advantages and stored calls give the step's numbers."""
    (group,) = support.progress(folder, "rollouts")[0]["groups"]
    assert len(group["candidates"]) == 2
    calls = {c["run"]: _calls(folder / "store.db", c["run"]) for c in group["candidates"]}
    assert len({len(found) for found in calls.values()}) == 2, "the seed should give unequal numbers of calls"
    weighed = tokens = 0.0
    for candidate in group["candidates"]:
        for number, count in calls[candidate["run"]]:
            weighed += candidate["advantages"][number - 1] * count
            tokens += count
    values = support.progress(folder, "step")[0]["values"]
    assert values["kl"] == pytest.approx(0.0, abs=1e-6)
    assert values["loss"] == pytest.approx(-weighed / tokens, abs=1e-5)
    assert values["completion_tokens"] == pytest.approx(tokens / sum(map(len, calls.values())))
    assert values["reward_mean"] == pytest.approx(sum(c["reward"] for c in group["candidates"]) / 2)
    return group


def _told(folder: Path) -> list[Any]:
    """What the candidates of each step got, their runs' ids aside."""
    return [
        [{k: v for k, v in c.items() if k != "run"} for g in line["groups"] for c in g["candidates"]]
        for line in support.progress(folder, "rollouts")
    ]


def _calls(store: Path, run: str) -> list[tuple[int, int]]:
    """Round and length in tokens of each call of the meta-agent, from the store."""
    with Reader(store) as reader:
        events = reader.events_of_kind(
            run, *(k.kind for k in (RoundStarted, ModelCallStarted, ModelCallFinished))
        )
    number, of_meta, out = 0, {}, []
    for event in events:
        if isinstance(event, RoundStarted):
            number = event.round
        elif isinstance(event, ModelCallStarted) and event.role == "meta":
            of_meta[event.call_id] = number
        elif isinstance(event, ModelCallFinished) and event.call_id in of_meta:
            out.append((of_meta[event.call_id], event.tokens_out))
    return out


def _newest(folder: Path) -> Path:
    found = RunDirectory.open(folder).newest_checkpoint()
    assert found is not None
    return found


def _base() -> Path:
    from engine.models.registry import pocket_weights

    return pocket_weights("pocket-meta")
