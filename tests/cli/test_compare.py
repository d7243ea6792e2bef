"""`compare` as a process: its three outputs, its exit codes, and one sentence for wrong use."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.experiments.selection import select
from tests.cli.conftest import Models, Shell
from tests.support.openai_server import answer
from tests.support.runs import RIGHT, WRONG
from tests.support.trials import FAIL, PASS, Ran, store_experiment, store_run


async def test_two_variants_as_text_markdown_and_json(shell: Shell) -> None:
    trials = {"vanilla": {"p0": [FAIL], "p1": [PASS]}, "flow": {"p0": [PASS], "p1": [PASS]}}
    store_experiment(shell.store, "e", trials)
    plain = await shell("compare", "e")
    assert plain.code == 0, plain.err
    assert "exact McNemar p = 1.0000" in plain.out and "p0" in plain.out and "p1" not in plain.out
    assert "p1" in (await shell("compare", "e", "--all")).out
    markdown = await shell("compare", "e:vanilla", "e:flow", "--markdown")
    assert "| pass rate | 50.0 % | 100.0 % | +50.0" in markdown.out
    data = json.loads((await shell("compare", "e", "--json")).out)
    assert (data["kind"], data["schema"], data["pairs"][0]["gained"]) == ("comparison", 1, 1)
    assert data["pairs"][0]["flips"] == ["p0"]


@pytest.mark.usefixtures("light_sandbox")
async def test_an_experiment_that_was_run_is_compared(shell: Shell, models: Models, tmp_path: Path) -> None:
    problems = tmp_path / "problems.jsonl"
    lines = [
        {
            "id": f"q/{n}",
            "prompt": f"Problem {n}: double x.",
            "entry_point": "f",
            "tests": {"test": ["assert f(5) == 10"]},
        }
        for n in range(3)
    ]
    problems.write_text("\n".join(map(json.dumps, lines)))
    models.replies["worker"] = lambda r: answer(
        WRONG if "Problem 1" in r["messages"][-1]["content"] else RIGHT
    )
    done = await shell(
        "bench", str(problems), "--name", "real", "--executions", "1",
        "--variant", "vanilla", "--variant", "flowreasoner,rounds=1",
    )  # fmt: skip
    assert done.code == 0, done.err
    data = json.loads((await shell("compare", "real", "--json")).out)
    first, second = data["sides"]
    assert (first["counts"]["done"], first["counts"]["passed"]) == (3, 2)
    assert first["means"]["meta_tokens"]["value"] == 0 < second["means"]["meta_tokens"]["value"]
    assert second["means"]["meta_latency_ms"]["value"] > 0
    assert data["pairs"][0]["ties"] == 3
    runs = next(one for one in data["pairs"][0]["problems"] if one["problem_id"] == "q/1")["runs"]
    traces = await shell("compare", *runs)
    assert traces.code == 0, traces.err
    assert "Workflow, A and B" in traces.out and "on q/1: failed → failed" in traces.out


@pytest.mark.parametrize(
    ("args", "code", "told"),
    [
        (("e:a",), 2, "name two to four"),
        (("e:a", "e:z"), 2, "e has no variant 'z'"),
        (("e:a", "nothing"), 3, "neither an experiment 'nothing' nor a run"),
        (("no:a", "e:a"), 3, "There is no experiment 'no'"),
        (("e:a", "\x1b[31mx"), 3, "neither an experiment"),
        (("e:a", "01"), 3, "Several runs begin with '01'"),
    ],
)
async def test_wrong_use_is_one_sentence(shell: Shell, args: tuple[str, ...], code: int, told: str) -> None:
    store_experiment(shell.store, "e", {"a": {"p0": [PASS]}, "b": {"p0": [FAIL]}})
    for name in ("01A", "01B"):
        store_run(shell.store, name, Ran())
    result = await shell("compare", *args)
    assert (result.code, len(result.err.splitlines())) == (code, 1)
    assert told in result.err and "\x1b" not in result.err


async def test_ways_of_working_and_what_a_paper_takes(shell: Shell, tmp_path: Path) -> None:
    trials = {"vanilla": {"p0": [FAIL], "p1": [PASS]}, "flow": {"p0": [PASS], "p1": [PASS]}}
    store_experiment(shell.store, "e", trials)
    ways = await shell("compare", "e", "--workflows")
    assert "B against A, 1 flip: 1 same answer and tests, other verdict" in ways.out, ways.err
    data = json.loads((await shell("compare", "e", "--workflows", "--json")).out)
    assert data["ways"]["pairs"][0]["flips"][0]["problem_id"] == "p0" and data["ways"]["trials"] == [2, 2]
    assert r"\begin{tabular}" in (await shell("compare", "e", "--table", "latex")).out
    assert (await shell("compare", "e", "--table", "word")).code == 2
    written = await shell("compare", "e", "--charts", str(tmp_path / "charts"))
    names = sorted(path.name for path in (tmp_path / "charts").iterdir())
    assert names == ["accuracy-cost.svg", "operators.svg", "scores.svg"]
    assert sorted(line.rpartition("/")[2] for line in written.out.split()) == names


async def test_flips_are_planned_again_with_seeds_of_their_own(shell: Shell, tmp_path: Path) -> None:
    problems = tmp_path / "problems.jsonl"
    rows = [{"id": f"p{n}", "prompt": "x", "tests": {"test": ["assert f() == 1"]}} for n in range(3)]
    problems.write_text("\n".join(map(json.dumps, rows)))
    digest = select(str(problems), None, None, None).digest
    trials = {"vanilla": {f"p{n}": [FAIL] for n in range(3)}, "self-refine": {"p0": [FAIL], "p1": [PASS]}}
    plan = {"benchmark": str(problems), "digest": digest, "seed": 4}
    store_experiment(shell.store, "e", trials, **plan)
    asked = ("bench", "--flips-of", "e", "--repeats", "3", "--dry-run", "--json")
    first = json.loads((await shell(*asked)).out)
    assert (first["name"], sum(row["runs"] for row in first["variants"])) == ("e-flips", 6)
    store_experiment(
        shell.store, "e-flips", {}, again="e", seed=5, repeats=3, **{k: plan[k] for k in ("benchmark",)}
    )
    assert json.loads((await shell(*asked)).out)["name"] == "e-flips-2"
    for args, told in (
        (("--flips-of", "e", "--seed", "3"), "leave seed out"),
        (("--flips-of", "e", "--variant", "nothing"), "has no variant 'nothing'"),
        (("--flips-of", "none"), "no experiment 'none'"),
    ):
        wrong = await shell("bench", *args, "--dry-run")
        assert wrong.code in (2, 3) and told in wrong.err and len(wrong.err.splitlines()) == 1
