"""Files of other projects at the command line: run, imported, exported."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.exchange.imported import events_of
from engine.formats.workspace import read_workspaces
from store.db import open_writer
from store.db import write as writing
from store.recorder import Recorder
from tests.cli.conftest import Models, Shell
from tests.support.openai_server import answer
from tests.support.runs import DOUBLE
from tests.workflows import format_samples as samples
from tests.workflows.test_formats_workspace import a_round, write

pytestmark = pytest.mark.usefixtures("light_sandbox")


@pytest.fixture
def problem_file(shell: Shell) -> Path:
    path = shell.home / "double.json"
    path.write_text(json.dumps(DOUBLE.to_json()))
    return path


async def test_run_workflow_says_what_it_read_and_with_which_operators(
    shell: Shell, models: Models, problem_file: Path
) -> None:
    (shell.home / "graph.py").write_text(samples.SCOREFLOW)
    ended = await shell("run-workflow", "graph.py", "--problem", str(problem_file), "--repeats", "1")
    assert ended.code == 0, ended.err
    assert "read as ScoreFlow, with the operators scoreflow" in ended.out
    assert "step 3 test: ok" in ended.out


async def test_maas_prompts_are_found_in_the_template_folder(
    shell: Shell, models: Models, problem_file: Path
) -> None:
    (shell.home / "graph.py").write_text(samples.MAAS)
    write(shell.home / "template" / "prompt.py", samples.MAAS_PROMPTS)
    write(shell.home / "template" / "operator.py", "raise SystemExit")  # never imported
    ended = await shell("run-workflow", "graph.py", "--problem", str(problem_file), "--repeats", "1")
    assert ended.code == 0, ended.err
    assert "warning: line 28: the graph asks its controller" in ended.out
    assert "warning: operator.py beside it: not used" in ended.out
    assert "complexity 14: operators chosen as it runs → test → custom_code_generate" in ended.out


async def test_the_operator_set_can_be_chosen(shell: Shell, models: Models, problem_file: Path) -> None:
    (shell.home / "graph.py").write_text(samples.AFLOW)
    write(shell.home / "prompt.py", samples.AFLOW_PROMPTS)
    args = ("run-workflow", "graph.py", "--problem", str(problem_file), "--repeats", "1")
    ended = await shell(*args, "--operators", "aflow-code")
    assert ended.code == 0, ended.err
    assert "read as AFlow, with the operators aflow-code" in ended.out
    wrong = await shell(*args, "--operators", "scoreflow")
    assert wrong.code == 2
    assert wrong.err.startswith("flowreasoner: graph.py:")
    assert "(read as AFlow)" in wrong.err
    assert wrong.err.count("\n") == 1


async def test_a_completion_with_a_prompt_file_beside_it(
    shell: Shell, models: Models, problem_file: Path
) -> None:
    text = "<graph>\nclass Workflow:\n    async def __call__(self, problem, entry_point):\n"
    text += "        made = await self.custom(input=problem, instruction=prompt_custom.WRITE)\n"
    text += "        return made['response']\n</graph>"
    (shell.home / "reply.txt").write_text(text)
    write(shell.home / "prompt.py", samples.AFLOW_PROMPTS)
    ended = await shell("run-workflow", "reply.txt", "--problem", str(problem_file), "--repeats", "1")
    assert ended.code == 0, ended.err


async def test_an_imported_workspace_is_a_run_like_any(shell: Shell) -> None:
    workflows = shell.home / "workspace" / "HumanEval" / "workflows"
    a_round(workflows, 1)
    a_round(workflows, 2, experience__json={"father node": 1, "modification": "Vote.", "after": 0.75})
    write(workflows / "results.json", "[1]")
    first = await shell("import", "aflow", "workspace", "--json")
    assert first.code == 0, first.err
    told = json.loads(first.out)
    assert (told["rounds"], told["best_round"], told["val_score"], told["imported"]) == (2, 2, 0.75, True)
    again = await shell("import", "aflow", "workspace/HumanEval")
    assert again.out == f"HumanEval: already imported as run {told['run_id']}\n"
    listed = [json.loads(line) for line in (await shell("runs", "--json")).out.splitlines()]
    assert [(r["id"], r["variant"], r["benchmark"], r["val_score"]) for r in listed] == [
        (told["run_id"], "aflow-imported", "humaneval", 0.75)
    ]
    shown = (await shell("show", told["run_id"])).out
    assert "modification: Vote." in shown
    assert "Entry 1 of results.json" in shown
    assert "round 2: val 75%" in shown


async def test_an_import_that_was_cut_off_is_done_again(shell: Shell) -> None:
    workflows = shell.home / "workspace" / "MBPP" / "workflows"
    a_round(workflows, 1)
    (found,) = read_workspaces(shell.home / "workspace")
    async with Recorder(shell.store) as recorder:
        for event in events_of(found)[:3]:
            await recorder.record(event)
    db = open_writer(shell.store)
    with writing(db):  # as if the process that recorded it were gone
        db.execute("UPDATE runs SET owner_pid = 0, owner_start = 0")
    db.close()
    ended = await shell("import", "aflow", "workspace", "--json")
    assert json.loads(ended.out)["imported"] is True, ended.err
    (row,) = [json.loads(line) for line in (await shell("runs", "--json")).out.splitlines()]
    assert row["status"] == "answered"


async def test_an_exported_run_is_read_back_as_aflow(
    shell: Shell, models: Models, problem_file: Path
) -> None:
    ran = await shell("run", str(problem_file), "--repeats", "1", "--json")
    assert ran.code == 0, ran.err
    ended = await shell("export-workflow", "last", "--out", "made", "--dataset", "MBPP")
    assert ended.code == 0, ended.err
    assert "workspace/MBPP/workflows/" in ended.out
    assert "warning: line 3: AFlow's CustomCodeGenerate needs instruction" in ended.out
    graph = shell.home / "made" / "round_1" / "graph.py"
    again = await shell("run-workflow", str(graph), "--problem", str(problem_file), "--repeats", "1")
    assert again.code == 0, again.err
    assert "read as AFlow" in again.out
    twice = await shell("export-workflow", "last", "--out", "made")
    assert (twice.code, "exists already" in twice.err) == (2, True)
    workflow_id = json.loads(ran.out.splitlines()[-1])["workflow_id"]
    by_id = await shell("export-workflow", workflow_id[:10], "--out", "other", "--json")
    assert json.loads(by_id.out)["workflow_id"] == workflow_id


@pytest.mark.parametrize(
    ("args", "told", "code"),
    [
        (("import", "aflow", "nowhere"), "nowhere: No such file or directory", 2),
        (("import", "aflow", "."), "no round_N folder", 2),
        (("export-workflow", "zzzz", "--out", "x"), "Neither a run nor one workflow begins with 'zzzz'", 3),
        (("export-workflow", "last", "--out", "x"), "holds no run", 3),
    ],
)
async def test_mistakes_are_told_in_one_sentence(
    shell: Shell, args: tuple[str, ...], told: str, code: int
) -> None:
    ended = await shell(*args)
    assert (ended.code, told in ended.err) == (code, True), ended.err
    assert ended.err.count("\n") == 1


FIGURE = """212
async def __call__(self, problem: str, test_cases: list):
    tries =
    made = await self.custom(input=problem)
    return made["response"], self.llm.cost_manager.total_cost
"""
REPLY = f"A thought.\n\n```python\n{samples.METAFLOW.replace('contexts_list=drafts', 'texts=drafts')}```\n"
CALLS = "class Workflow:\n    async def __call__(self, problem):\n        return prompt_custom.A\n"


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"graph.py": FIGURE}, "graph.py:3: the value of tries is lost"),
        ({"graph.py": REPLY}, "graph.py:18: ensemble needs 'contexts'"),
        ({"graph.py": CALLS, "prompt.py": "B = 1\n\nA = (\n"}, "prompt.py:3: the prompt is not valid Python"),
        ({"graph.py": f"\n\n{CALLS}", "prompt.py": "B = 1\n"}, "graph.py:5: prompt_custom.A is not among"),
    ],
    ids=["figure", "reply", "prompts", "missing prompt"],
)
async def test_a_mistake_is_told_with_its_line_in_the_file(
    shell: Shell, problem_file: Path, files: dict[str, str], told: str
) -> None:
    for name, text in files.items():
        (shell.home / name).write_text(text)
    ended = await shell("run-workflow", "graph.py", "--problem", str(problem_file))
    assert (ended.code, told in ended.err) == (2, True), ended.err


async def test_a_model_answers_an_adas_function(shell: Shell, models: Models) -> None:
    models.replies["worker"] = answer('{"thinking": "t", "answer": "4"}')
    (shell.home / "agent.py").write_text(samples.ADAS)
    (shell.home / "two.json").write_text(json.dumps({"id": "two", "prompt": "2 + 2?", "answer": "4"}))
    ended = await shell("run-workflow", "agent.py", "--problem", "two.json", "--repeats", "1")
    assert ended.code == 0, ended.err
    assert "read as ADAS" in ended.out
