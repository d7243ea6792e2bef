"""`flowreasoner variants`, and `--variant` where a run is started."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from engine.variants import PRESETS, VARIANTS
from tests.cli.conftest import Models, Shell
from tests.support.openai_server import answer
from tests.support.runs import DOUBLE, WRONG

pytestmark = pytest.mark.usefixtures("light_sandbox")

DOCS = Path(__file__).parents[2] / "docs" / "variants.md"


@pytest.fixture
def problem_file(shell: Shell) -> Path:
    path = shell.home / "double.json"
    path.write_text(json.dumps(DOUBLE.to_json()))
    return path


async def test_all_variants_and_one(shell: Shell) -> None:
    listed = await shell("variants")
    assert listed.code == 0
    assert {line.split()[0] for line in listed.out.splitlines()[1:]} == {*VARIANTS, *PRESETS}
    data = json.loads((await shell("variants", "--json")).out)
    assert [d["name"] for d in data] == [*VARIANTS, *PRESETS]
    one = await shell("variants", "self-refine")
    assert re.search(r"max_refinements +4 .*paper: 4", one.out)
    data = json.loads((await shell("variants", "self-refine", "--json")).out)
    assert {o["name"]: o["default"] for o in data["options"]} == {"max_refinements": 4, "temperature": 0.7}
    assert not data["searches"]
    ended = await shell("variants", "self-refined")
    assert ended.code == 2
    assert ended.err == "flowreasoner: there is no variant 'self-refined'; did you mean self-refine?\n"


async def test_options_reach_the_workflow_and_the_model(
    shell: Shell, models: Models, problem_file: Path
) -> None:
    models.replies["worker"] = answer(WRONG)
    spec = "self-refine,max_refinements=1,temperature=0.25"
    ended = await shell("run", str(problem_file), "--repeats", "1", "--variant", spec, "--json")
    assert ended.code == 1, ended.err
    assert [r["temperature"] for r in models.server.requests] == [0.25] * 3
    events = [json.loads(line) for line in ended.out.splitlines()]
    assert events[0]["variant"] == "self-refine"
    assert events[0]["config"]["options"] == {"max_refinements": 1, "temperature": 0.25}
    (proposed,) = [e for e in events if e["kind"] == "workflow_proposed"]
    assert proposed["prompts"].startswith("MAX_REFINEMENTS = 1\nTEMPERATURE = 0.25\n")


async def test_a_spec_sets_what_bench_lets_it_set(shell: Shell, models: Models, problem_file: Path) -> None:
    models.replies["worker"] = answer(WRONG)
    for options in ([], ["--rounds", "7", "--repeats", "3"]):  # the spec comes first
        spec = "flowreasoner,rounds=2,executions=1"
        ended = await shell("run", str(problem_file), "--variant", spec, "--json", *options)
        assert ended.code == 1, ended.err
        config = json.loads(ended.out.splitlines()[0])["config"]
        assert (config["rounds"], config["repeats"], config["options"]["parent"]) == (2, 1, "best")
    for command in ("run", "bench"):
        ended = await shell(command, str(problem_file), "--variant", "vanilla,rounds=2")
        assert ended.code == 2
        assert "there is no option rounds; there are meta_agent, worker, operators, executions" in ended.err


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("self-refine,max_refinements=many", "option max_refinements: input should be a valid integer"),
        (
            "self-refine,speed=3",
            "there is no option speed; there are meta_agent, worker, operators, executions, ",
        ),
        ("self-refine,fast", "'fast' is not an option; write NAME,KEY=VALUE"),
        ("nowhere.py", "nowhere.py: there is no such file"),
        ("broken.py", "broken.py:2: the variant cannot be imported (ZeroDivisionError: division by zero)"),
    ],
)
async def test_what_cannot_be_is_one_sentence(
    shell: Shell, models: Models, problem_file: Path, spec: str, says: str
) -> None:
    (shell.home / "broken.py").write_text("x = 1\nx / 0\n")
    ended = await shell("run", str(problem_file), "--variant", spec)
    assert ended.code == 2
    assert says in ended.err
    assert ended.err.count("\n") == 1
    assert models.server.requests == []


async def test_a_variant_of_ones_own_from_the_docs(shell: Shell, models: Models, problem_file: Path) -> None:
    (source,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    (shell.home / "my_variant.py").write_text(source)
    models.replies["worker"] = answer(WRONG)
    spec = "./my_variant.py,tries=2"
    ended = await shell("run", str(problem_file), "--repeats", "1", "--variant", spec)
    assert ended.code == 1, ended.err
    assert len(models.server.requests) == 2
    one = await shell("variants", "./my_variant.py")
    assert re.search(r"tries +3 ", one.out)
