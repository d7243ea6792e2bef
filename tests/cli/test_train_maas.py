"""MaAS's controller as a job: its update against plain Python, a real run, kill -9, and its use."""

from __future__ import annotations

import asyncio
import json
import math
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from flowreasoner import command

from engine.problems import Problem, Tests
from engine.search import SearchError
from engine.variants.maas_checkpoint import read_controller
from engine.variants.maas_controller import Architecture
from engine.variants.maas_encoders import hash_encode
from engine.variants.maas_render import choices
from engine.variants.maas_supernet import MaASOptions, Supernet
from sandbox.errors import UsageError
from store.reader import Reader
from tests.cli.conftest import Models, Shell
from tests.support import training as support
from tests.support.leftovers import Guard
from tests.support.missing import needs
from tests.support.openai_server import answer
from tests.support.runs import RIGHT, WRONG
from tests.support.training import train
from training import recipes
from training.jobs import directory
from training.trainers.run_directory import RunDirectory

needs("trl")


SMALL = ("repetitions=2", "batch=2", "worker=local/worker", "checkpoints.every=2", "alerts.disk_free=0")
Weights = Mapping[str, Any]  # nested lists of numbers


def problem(name: str, prompt: str) -> Problem:
    return Problem(name, prompt, "f", "code", Tests(val=("assert f(2) == 4", "assert f(5) == 10")))


def problems(folder: Path) -> Path:
    from datasets import Dataset

    prompts = ("Write f(x) that doubles x.", "f(x) is twice x.", "Return x + x.", "HARD: times two.")
    found = [problem(f"p{n}", prompt).to_json() for n, prompt in enumerate(prompts)]
    rows = [{"problem": json.dumps(p), "id": p["id"], "benchmark": None} for p in found]
    Dataset.from_list(rows).save_to_disk(str(folder))
    return folder


def linear(weight: Any, bias: Any, vector: Sequence[float]) -> list[float]:
    return [
        sum(w * x for w, x in zip(row, vector, strict=True)) + b for row, b in zip(weight, bias, strict=True)
    ]


def unit(vector: Sequence[float]) -> list[float]:
    length = math.sqrt(sum(x * x for x in vector))
    return [x / length for x in vector]


def plain_log_prob(weights: Weights, query: Sequence[float], one: Architecture) -> float:
    """Of an architecture: per layer the log-softmax over cosines, summed over what was chosen."""
    names = list(choices("code"))
    vectors = [hash_encode(f"{name}: {text}") for name, text in choices("code").items()]
    total, previous = 0.0, None
    for layer, chosen in enumerate(one.layers):
        behind = [] if previous is None else vectors[names.index(previous)]
        q = unit(linear(weights[f"{layer}.query.weight"], weights[f"{layer}.query.bias"], query))
        w, b = weights[f"{layer}.operator.weight"], weights[f"{layer}.operator.bias"]
        keys = [unit(linear(w, b, [*vector, *behind])) for vector in vectors]
        cosines = [sum(x * y for x, y in zip(key, q, strict=True)) for key in keys]
        whole = math.log(sum(math.exp(c) for c in cosines))
        total += sum(cosines[names.index(name)] - whole for name in chosen)
        previous = chosen[0]
    return total - 1.5 if one.penalised else total


def test_an_update_is_that_of_plain_python() -> None:
    """The loss, its gradient by finite differences, and Adam's first step: the rate times its sign."""
    from training.trainers.maas import Tried, learn

    net = Supernet("code", MaASOptions.model_validate({"layers": 2, "hidden": 3}), 7)
    weights: dict[str, Any] = {
        name: w.detach().double().tolist() for name, w in net.controller.weights.items()
    }
    tried = [
        Tried(problem("a", "double x"), Architecture((("GenerateCoT",), ("Test", "SelfRefine")))),
        Tried(problem("b", "sort a list"), Architecture((("Generate",),), penalised=True)),
        Tried(problem("c", "no verdict"), Architecture((("Generate",), ("EarlyStop",)))),
    ]
    tried[0].score, tried[0].cost_usd = 1.0, 0.1
    tried[1].score = 0.5

    def plain_loss() -> float:
        worth = (1.0 - 3.0 * 0.1, 0.5)
        pairs = zip(tried[:2], worth, strict=True)
        return (
            -sum(plain_log_prob(weights, hash_encode(t.problem.prompt), t.architecture) * u for t, u in pairs)
            / 2
        )

    values = learn(net, net.controller.optimizer(0.01), tried, 3.0)
    assert values["loss"] == pytest.approx(plain_loss(), abs=1e-5)
    assert values["reward_mean"] == pytest.approx((0.7 + 0.5) / 2)
    assert values["val_score_mean"] == 0.75 and values["cost_usd_mean"] == pytest.approx(0.1)
    assert values["dropped_rollouts"] == 1 and values["same_workflow_share"] == 0
    for name, place in (
        ("0.query.bias", 0),
        ("0.operator.bias", 2),
        ("1.operator.bias", 1),
        ("1.query.bias", 0),
    ):
        now, step = weights[name], 1e-5
        ends = []
        for sign in (1, -2):
            now[place] += sign * step
            ends.append(plain_loss())
        now[place] += step
        wanted = (ends[0] - ends[1]) / (2 * step)
        weight = net.controller.weights[name]
        assert weight.grad is not None and abs(wanted) > 1e-6
        assert float(weight.grad[place]) == pytest.approx(wanted, rel=1e-3, abs=1e-6), name
        assert weight[place].item() == pytest.approx(now[place] - 0.01 * math.copysign(1, wanted), abs=1e-5)


def test_without_a_verdict_nothing_is_learned() -> None:
    from training.trainers.maas import Tried, learn

    net = Supernet("code", MaASOptions.model_validate({"layers": 1, "hidden": 3}), 7)
    before = net.controller.dump()
    values = learn(
        net, net.controller.optimizer(0.01), [Tried(problem("a", "x"), Architecture((("Generate",),)))], 3.0
    )
    assert (values["loss"], values["reward_mean"], values["dropped_rollouts"]) == (None, None, 1.0)
    assert net.controller.dump() == before


@pytest.mark.usefixtures("light_sandbox")
async def test_a_controller_is_trained_killed_resumed_and_used(
    shell: Shell,
    models: Models,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    guard = Guard(shell.home)
    models.replies["worker"] = lambda request: answer(WRONG if "HARD" in str(request["messages"]) else RIGHT)
    data = str(problems(tmp_path / "problems"))
    changes = [word for change in SMALL for word in ("--set", change)]
    ended = await shell("train", "maas", "--data", data, "--follow", "--name", "c", *changes)
    (whole,) = directory.all_jobs(directory.jobs_folder(shell.store))
    assert ended.code == 0, ended.err + (whole / "log").read_text()[-2000:]
    assert [c.step for c in directory.checkpoints(whole)] == [4, 2]
    lines = support.progress(whole, "rollouts")
    scores = [g["candidates"][0]["score"] for line in lines for g in line["groups"]]
    assert scores == [1.0, 1.0, 1.0, 0.0] * 2
    with Reader(whole / "store.db") as reader:
        stored = reader.runs(job=whole.name, limit=99).rows
    assert {r.id for r in stored} == {g["candidates"][0]["run"] for line in lines for g in line["groups"]}
    assert {r.variant for r in stored} == {"maas"} and all(r.score is None for r in stored)

    for name, value in shell.env.items():  # for the trainers that are started from here
        if name == "HOME" or name.startswith("FLOWREASONER_"):
            monkeypatch.setenv(name, value)
    broken = tmp_path / "broken"
    broken.mkdir()
    recipe = recipes.load("maas", [f"data.path={data}", *SMALL])
    (broken / "recipe.toml").write_text(recipe.to_toml(), "utf-8")
    killed = await asyncio.to_thread(support.killed_after, broken, "step", 3, method="spawn")
    assert killed == -signal.SIGKILL
    (broken / "job.json").write_text(json.dumps({"attempt": 2}))
    program = command("training.trainers", str(broken))
    again = await asyncio.to_thread(subprocess.run, program, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    for name in ("loss", "grad_norm", "reward_mean", "val_score_mean", "same_workflow_share"):
        assert support.values(broken, name) == pytest.approx(support.values(whole, name), abs=1e-6), name
    assert [line["attempt"] for line in support.progress(broken, "step")] == [1, 1, 2, 2]
    one, two = (read_controller(str(f / "checkpoints/step-000004")) for f in (whole, broken))
    assert one == two and one["val_score"] == 0.75

    (tmp_path / "one.json").write_text(json.dumps(problem("one", "Write f(x) that doubles x.").to_json()))
    used = await shell("run", "one.json", "--variant", f"maas,controller=job:{whole.name}", "--repeats", "1")
    assert used.code == 0, used.out + used.err
    assert "never trained" not in used.out + used.err
    listed = await shell("models")
    assert f"job:{whole.name}" not in listed.out
    guard.clean()


def test_what_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    from datasets import Dataset

    for name, said in (("job:none", "there is no job 'none'"), (str(tmp_path), "holds no controller")):
        with pytest.raises(SearchError, match=said):
            read_controller(name)
    (tmp_path / "controller.json").write_text('{"kind": 3}')
    with pytest.raises(SearchError, match="is damaged"):
        read_controller(str(tmp_path))
    for change, said in (
        ("hardware.processes=2", "one process on a CPU"),
        ("lora.rank=3", "has no key 'lora.rank'"),
        ("controller.layers=0", "greater than or equal to 1"),
    ):
        with pytest.raises(recipes.RecipeError, match=said):
            recipes.load("maas", [change])
    mixed = [problem("a", "x").to_json(), Problem("b", "?", kind="qa", answer="4").to_json()]
    rows = [{"problem": json.dumps(p), "id": p["id"], "benchmark": None} for p in mixed]
    Dataset.from_list(rows).save_to_disk(str(tmp_path / "mixed"))
    folder = tmp_path / "run"
    folder.mkdir()
    recipe = recipes.load("maas", [f"data.path={tmp_path / 'mixed'}"])
    (folder / "recipe.toml").write_text(recipe.to_toml(), "utf-8")
    with pytest.raises(UsageError, match="problems of the kinds code, qa"):
        train(RunDirectory.open(folder))
