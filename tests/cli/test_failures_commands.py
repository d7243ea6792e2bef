"""`failures`, `annotate` and `rerun`: real runs in a real sandbox, recorded by the real command."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.problems import Problem
from store.reader import Reader
from tests.cli.conftest import Models, Shell
from tests.support.openai_server import answer
from tests.support.runs import DOUBLE, WRONG, completion

pytestmark = pytest.mark.usefixtures("light_sandbox")

BROKEN = completion("return nowhere")


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def write_problem(shell: Shell, problem: Problem = DOUBLE) -> None:
    (shell.home / "problem.json").write_text(json.dumps(problem.to_json()))


async def run(shell: Shell, *args: str) -> int:
    return (await shell("run", "problem.json", "--rounds", "1", "--repeats", "1", *args)).code


async def test_failed_runs_are_clustered_explained_and_done_again(shell: Shell, models: Models) -> None:
    write_problem(shell)
    models.replies["meta"] = answer(BROKEN)
    assert await run(shell, "--seed", "7") == 1
    assert await run(shell) == 1
    ended = await shell("failures")
    assert ended.code == 0, ended.err
    (cluster,) = lines((await shell("failures", "--json")).out)
    assert (cluster["runs"], cluster["share"]) == (2, 1.0)
    assert cluster["cluster"] in ended.out
    assert "2 failed runs" in ended.out

    (problem,) = lines((await shell("failures", "--by", "problem", "--json")).out)
    assert (problem["key"], problem["runs"]) == (DOUBLE.id, 2)
    labels = lines((await shell("failures", "--by", "label", "--json")).out)
    assert [(c["key"], c["runs"]) for c in labels] == [("undefined-name", 2)]
    listed = lines((await shell("failures", cluster["cluster"], "--json")).out)
    assert [r["labels"] for r in listed] == [["undefined-name"], ["undefined-name"]]
    why = await shell("failures", listed[1]["id"])
    assert "undefined-name: " in why.out
    assert "| return nowhere" in why.out
    assert "runs with the same failure" in why.out
    assert lines((await shell("runs", "--search", "label:undefined-name", "--json")).out) != []

    models.replies["meta"] = answer(completion('return "def f(x): return x * 2"'))
    old = listed[1]["id"]
    again = await shell("rerun", old, "--json")
    assert again.code == 0, again.err
    start = lines(again.out)[0]
    assert start["origin"] == {"parent": old}
    assert (start["seed"], start["worker"], start["problem"]) == (7, "local/worker", DOUBLE.to_json())
    assert start["config"]["rounds"] == 1
    assert lines(again.out)[-1]["status"] == "passed"

    refused = await shell("rerun", "--cluster", "undefined-name")
    assert refused.code == 1  # nobody was there to say yes
    several = await shell("rerun", "--cluster", "undefined-name", "--yes")
    assert several.code == 0, several.err
    assert "2 of 2 runs passed" in several.out
    with Reader(shell.store) as reader:
        assert len(reader.runs(status="passed").rows) == 3


async def test_a_given_workflow_is_done_again(shell: Shell, models: Models) -> None:
    write_problem(shell)
    (shell.home / "graph.py").write_text(
        "class Workflow:\n    async def __call__(self, problem, entry_point):\n"
        "        made = await self.custom_code_generate(problem=problem, entry_point=entry_point)\n"
        "        return made['response']\n"
    )
    models.replies["worker"] = answer(WRONG)
    first = await shell("run-workflow", "graph.py", "--problem", "problem.json", "--repeats", "1", "--json")
    assert first.code == 1, first.err
    (shell.home / "graph.py").unlink()
    again = await shell("rerun", "last", "--json")
    assert again.code == 1, again.err
    assert lines(again.out)[-1]["workflow_id"] == lines(first.out)[-1]["workflow_id"]


async def test_what_people_say_of_runs(shell: Shell, models: Models) -> None:
    write_problem(shell)
    assert await run(shell) == 0
    said = await shell(
        "annotate",
        "last",
        "--label",
        "lucky",
        "--note",
        "\x1b[31mred",
        "--bookmark",
        "--training-set",
        "good",
    )
    assert said.code == 0, said.err
    assert "label: lucky" in said.out
    assert "\x1b" not in said.out
    for search in ("label:lucky", "bookmark:yes", "training-set:good", "label:lucky bookmark:yes"):
        assert len(lines((await shell("runs", "--search", search, "--json")).out)) == 1
    assert lines((await shell("runs", "--search", "label:other", "--json")).out) == []
    gone = await shell("annotate", "last", "--label", "lucky", "--remove", "--json")
    kinds = [a["kind"] for a in lines(gone.out)[0]["annotations"]]
    assert kinds == ["bookmark", "note", "training-set"]


async def test_wrong_usage_is_one_sentence(shell: Shell, models: Models) -> None:
    write_problem(shell)
    assert await run(shell) == 0
    for args, words in (
        (("failures", "nothing-like-it"), "no cluster or run"),
        (("failures", "--since", "soon"), "is not a time"),
        (("failures", "--experiment", "none"), "no experiment"),
        (("annotate", "last", "--label", "two words"), "without spaces"),
        (("annotate", "zzz", "--bookmark"), "No run begins"),
        (("rerun",), "name runs"),
        (("rerun", "zzz"), "No run begins"),
    ):
        ended = await shell(*args)
        assert ended.code != 0, args
        assert words in ended.err, (args, ended.err)
        assert "Traceback" not in ended.err
    assert (await shell("failures")).out == "no failed runs\n"
    assert (await shell("failures", "--json")).out == ""
