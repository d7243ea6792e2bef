"""`flowreasoner operators`, and `--operators` where a run is started."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from engine.operators.own import read_set
from engine.operators.sets import SETS
from engine.workflows import Workflow, build_workflow
from tests.cli.conftest import Models, Shell
from tests.support.openai_server import answer
from tests.support.runs import DOUBLE, RIGHT, completion

pytestmark = pytest.mark.usefixtures("light_sandbox")

DOCS = Path(__file__).parents[2] / "docs" / "operators.md"
TEXTS = completion('return await self.code_generate(instruction="Think.")')
CRITICISED = completion(
    """
code = (await self.custom_code_generate(problem=problem, entry_point=entry_point))["response"]
points = (await self.criticise(solution=code))["points"]
short = await self.shorten(text=points[0])
return code
"""
)


@pytest.fixture
def problem_file(shell: Shell) -> Path:
    path = shell.home / "double.json"
    path.write_text(json.dumps(DOUBLE.to_json()))
    return path


def documented(folder: Path) -> Path:
    """The set of one's own that the docs show, saved as the docs say."""
    for kind, name, text in re.findall(r"```(toml|python)\n# (\S+)\n(.*?)```", DOCS.read_text(), re.DOTALL):
        assert name.endswith({"toml": ".toml", "python": ".py"}[kind])
        (folder / name).write_text(text)
    return folder / "reviewers.toml"


async def test_all_sets_are_listed(shell: Shell) -> None:
    ended = await shell("operators")
    assert ended.code == 0, ended.err
    assert all(f"\n{name}: " in f"\n{ended.out}" for name in SETS)
    listed = json.loads((await shell("operators", "--json")).out)
    assert [s["name"] for s in listed] == list(SETS)
    parts = {s["name"]: s.get("part") for s in listed}
    assert (parts["metaflow"], parts["metaflow-both"], parts["paper"]) == ("train", "held-out", None)
    assert "\nmetaflow-both: MetaFlow: the four, Decompose and Programmer (held-out)\n" in ended.out


async def test_a_set_is_listed_with_its_signatures(shell: Shell) -> None:
    ended = await shell("operators", "scoreflow")
    assert "  test(solution: str, test_loop: int = 10) -> str\n" in ended.out
    assert "provided by the run: problem, entry_point" in ended.out
    shown = json.loads((await shell("operators", "scoreflow", "--json")).out)
    assert shown == SETS["scoreflow"].to_json()


async def test_text_from_a_file_is_shown_without_its_control_codes(shell: Shell) -> None:
    (shell.home / "own.py").write_text("async def f(host): 0")
    text = '[[operator]]\nattribute = "f"\nreturns = "str"\ndescription = "a\\u001b[31m\\nb"\n'
    (shell.home / "own.toml").write_text(text)
    ended = await shell("operators", "own.toml")
    assert ended.code == 0, ended.err
    assert "\x1b" not in ended.out


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("papr", "there is no operator set 'papr'; did you mean paper?"),
        ("none.toml", "none.toml: there is no such file"),
    ],
)
async def test_a_set_that_is_not_there_is_one_sentence(
    shell: Shell, problem_file: Path, models: Models, name: str, says: str
) -> None:
    for command in (["operators", name], ["run", str(problem_file), "--operators", name]):
        ended = await shell(*command)
        assert (ended.code, ended.out) == (2, "")
        assert ended.err == f"flowreasoner: {says}\n"
    assert models.server.requests == []


async def test_a_run_is_told_and_given_the_set_it_names(
    shell: Shell, models: Models, problem_file: Path
) -> None:
    models.replies["meta"] = answer(TEXTS)
    ended = await shell("run", str(problem_file), "--repeats", "1", "--operators", "scoreflow", "--json")
    assert ended.code == 0, ended.err
    told = models.server.requests[0]["messages"][0]["content"]
    assert SETS["scoreflow"].describe() in told
    events = [json.loads(line) for line in ended.out.splitlines()]
    assert events[0]["config"]["operators"] == "scoreflow"
    assert {e["operator"] for e in events if e["kind"] == "step_started"} == {"code_generate"}


async def test_the_documented_set_of_ones_own_runs(shell: Shell, models: Models, problem_file: Path) -> None:
    file = documented(shell.home)
    assert isinstance(build_workflow(CRITICISED, "", read_set(file)), Workflow)
    models.replies["meta"] = answer(CRITICISED)
    models.replies["worker"] = lambda request: answer(
        "- It is slow.\n- It is long." if "faults" in request["messages"][-1]["content"] else RIGHT
    )
    ended = await shell("run", str(problem_file), "--repeats", "1", "--operators", str(file), "--json")
    assert ended.code == 0, ended.err
    events = [json.loads(line) for line in ended.out.splitlines()]
    outputs = [e["output"] for e in events if e["kind"] == "step_finished"]
    assert {"points": ["It is slow.", "It is long."]} in outputs


async def test_a_workflow_file_runs_over_the_set_it_is_given(
    shell: Shell, models: Models, problem_file: Path
) -> None:
    (shell.home / "flow.py").write_text(
        "class Workflow:\n    async def __call__(self, problem):\n"
        "        return await self.code_generate(instruction='Think.')\n"
    )
    command = ["run-workflow", "flow.py", "--problem", str(problem_file), "--repeats", "1"]
    refused = await shell(*command, "--operators", "maas")
    assert refused.code == 2
    assert "flow.py:3: there is no operator self.code_generate" in refused.err
    ended = await shell(*command, "--operators", "scoreflow")
    assert ended.code == 0, ended.err
