"""The playground at the command line: templates, grids, variants, forks of an edit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Models, Shell
from tests.support.openai_server import Reply, answer, failure
from tests.support.runs import DOUBLE, RIGHT, WRONG, completion

pytestmark = pytest.mark.usefixtures("light_sandbox")

WORKFLOW = completion(
    "made = await self.custom_code_generate(\n"
    "    problem=problem, entry_point=entry_point, instruction=prompt_custom.GENERATE)\n"
    'return made["response"]',
    'GENERATE = """Think of nothing."""',
)


def thoughtful(request: dict[str, Any]) -> Reply:
    return answer(RIGHT if "Think of the sign." in request["messages"][-1]["content"] else WRONG)


@pytest.fixture
async def failed(shell: Shell, models: Models) -> Path:
    """A run in the store that fails, as its worker was told to think of nothing; the problem's file."""
    models.replies |= {"worker": thoughtful, "other": answer(RIGHT), "down": failure(400, "no such luck")}
    problem = shell.home / "double.json"
    problem.write_text(json.dumps(DOUBLE.to_json()))
    (shell.home / "graph.txt").write_text(WORKFLOW)
    ended = await shell("run-workflow", "graph.txt", "--problem", str(problem), "--repeats", "1")
    assert ended.code == 1, ended.err
    return problem


async def test_from_a_failed_run_to_a_variant_and_a_fork_that_pass(shell: Shell, failed: Path) -> None:
    template = await shell("playground", "last", "--step", "0", "--show", "template")
    assert template.code == 0, template.err
    assert template.out.startswith("Think of nothing.\n\n{{problem}}\n")
    assert f"{{{{problem}}}} is input problem, {len(DOUBLE.prompt)} characters" in template.err
    edit = shell.home / "sign.txt"
    edit.write_text(template.out.replace("nothing", "the sign"))
    parent = json.loads((await shell("runs", "--json")).out)["id"]

    args = ("--model", "local/worker", "--model", "local/other", "--prompt", "sign.txt", "--test")
    grid = await shell("playground", parent, "--step", "test1:0", *args, "--json")
    assert grid.code == 0, grid.err
    told = json.loads(grid.out)
    tests = {(c["prompt"], c["model"]): c["tests"]["passed"] for c in told["cells"]}
    assert tests == {
        ("recorded", "local/worker"): 1,
        ("recorded", "local/other"): 2,
        ("sign.txt", "local/worker"): 2,
        ("sign.txt", "local/other"): 2,
    }
    assert all(c["tokens_out"] > 0 and c["latency_ms"] > 0 for c in told["cells"])

    # It is a run of the store, found by what was asked and shown as it was.
    found = await shell("runs", "--search", "variant:playground sign", "--json")
    assert json.loads(found.out)["id"] == told["run"]
    replayed = await shell("show", told["run"])
    assert "Think of the sign." in (await shell("show", told["run"], "--json")).out
    assert replayed.code == 0
    refused = await shell("fork", told["run"], "--worker", "local/other")
    assert (refused.code, len(refused.err.splitlines())) == (2, 1)
    assert f"is a playground and has no workflow to run on; fork the run whose step it asks, {parent}" in (
        refused.err
    )

    saved = await shell(
        "playground", parent, "--step", "0", "--prompt", "sign.txt", "--save", "better", "--json"
    )
    assert saved.code == 0, saved.err
    variant = json.loads(saved.out)["variant"]
    assert (await shell("run", str(failed), "--variant", variant, "--repeats", "1")).code == 0
    assert (await shell("run-workflow", "better/graph.py", "--problem", str(failed))).code == 0

    message = await shell("playground", parent, "--step", "0", "--prompt", "sign.txt", "--show", "message")
    (shell.home / "message.txt").write_text(message.out)
    forked = await shell("fork", parent, "--at", "test1:0", "--prompt", "message.txt")
    assert forked.code == 0, forked.err


async def test_the_grid_as_a_table_with_a_cell_that_failed(shell: Shell, failed: Path) -> None:
    ended = await shell(
        *("playground", "last", "--step", "0", "--model", "local/down", "--model", "local/worker"),
        *("--repeats", "2", "--test"),
    )
    assert ended.code == 0, ended.err
    head, row = ended.out.splitlines()[:2]
    assert head.split() == ["prompt", "local/down", "local/worker"]
    assert row.startswith("recorded  ✗ error | ✗ error")
    assert row.count("1/2 tests") == 2
    assert "no such luck" in ended.out


async def test_a_budget_spent_midway_is_said_and_what_was_bought_is_kept(shell: Shell, failed: Path) -> None:
    shell.env["FLOWREASONER_BUDGET__MODEL_CALLS"] = "2"
    ended = await shell("playground", "last", "--step", "0", "--repeats", "5", "--json")
    assert ended.code == 3
    told = json.loads(ended.out)
    assert told["status"] == "budget"
    assert [c["status"] for c in told["cells"]].count("ok") == 2
    assert "model calls is used up" in told["error"]


async def test_what_cannot_be_asked_is_a_sentence(shell: Shell, failed: Path) -> None:
    (shell.home / "typo.txt").write_text("{{problm}}")
    (shell.home / "bytes.txt").write_bytes(b"a\xff")
    (shell.home / "empty.txt").write_text("\n")
    (shell.home / "other.txt").write_text("Something else.")
    for args, said in [
        (("--step", "7"), "has no step '7'"),
        (("--step", "0", "--model", "pocket-wroker"), "did you mean pocket-worker"),
        (("--step", "0", "--prompt", "typo.txt"), "there is no variable {{problm}}"),
        (("--step", "0", "--prompt", "missing.txt"), "missing.txt: No such file"),
        (("--step", "0", "--prompt", "bytes.txt"), "not UTF-8 at byte 1"),
        (("--step", "0", "--prompt", "empty.txt"), "is empty"),
        (("--step", "0", "--save", "x"), "exactly one --prompt"),
        (("--step", "0", "--prompt", "other.txt", "--save", "x"), "outside of GENERATE"),
        (("--step", "0", "--model", "local/worker", "--model", "local/worker"), "given twice"),
    ]:
        ended = await shell("playground", "last", *args)
        assert (ended.code, ended.out) == (2, ""), args
        assert said in ended.err
        assert ended.err.count("\n") == 1


async def test_an_unknown_run_is_a_sentence(shell: Shell, models: Models) -> None:
    ended = await shell("playground", "zzz", "--step", "0")
    assert ended.code == 3
    assert "zzz" in ended.err and ended.err.count("\n") == 1
