"""The command line as a user meets it: output, errors in one sentence, exit codes."""

from __future__ import annotations

import importlib
import json
import pkgutil
from pathlib import Path

import pytest
import typer.main

from engine.event_json import from_json
from tests.cli.conftest import Models, Shell
from tests.support.openai_server import answer, failure
from tests.support.runs import DOUBLE, RIGHT, WRONG, completion
from tui import commands
from tui.cli import COMMANDS

WORKFLOW = """
class Workflow:
    async def __call__(self, problem, entry_point):
        solution = await self.custom_code_generate(
            problem=problem, entry_point=entry_point, instruction=prompt_custom.GENERATE
        )
        return solution["response"]
"""
FIGURE = """
async def __call__(self, problem: str, test_cases: list):
    solution = await self.custom_code_generate(problem=problem, instruction="Write code.")
    tested = await self.test(problem=problem, solution=solution['response'], test_cases=test_cases)
    return tested['solution'], self.llm.cost_manager.total_cost
"""

# The first run of this file has what most people have: Docker.
light = pytest.mark.usefixtures("light_sandbox")


@pytest.fixture
def problem_file(shell: Shell) -> Path:
    path = shell.home / "double.json"
    path.write_text(json.dumps(DOUBLE.to_json()))
    return path


async def test_run_prints_the_trace_and_records_it(shell: Shell, models: Models, problem_file: Path) -> None:
    ended = await shell("run", str(problem_file), "--repeats", "1")
    assert ended.code == 0, ended.err
    assert "workflow" in ended.out
    assert "thinking: Think." in ended.out
    assert ended.out.splitlines()[-1].startswith("passed: test 100%")
    shown = await shell("show", "last")
    assert shown.out == ended.out
    listed = await shell("runs", "--json")
    (row,) = [json.loads(line) for line in listed.out.splitlines()]
    assert (row["status"], row["score"], row["problem_id"]) == ("passed", 1.0, "double")


@light
async def test_json_is_one_event_a_line_equals_the_store_and_replays_without_a_model(
    shell: Shell, models: Models, problem_file: Path
) -> None:
    first = await shell("run", str(problem_file), "--repeats", "1", "--json")
    events = [from_json(json.loads(line)) for line in first.out.splitlines()]
    assert [e.seq for e in events] == list(range(len(events)))
    shown = await shell("show", events[0].run_id, "--json")
    assert shown.out == first.out

    asked = len(models.server.requests)
    name = f"replay:{events[0].run_id}"
    again = await shell(
        "run", str(problem_file), "--repeats", "1", "--meta-agent", name, "--worker", name, "--json"
    )
    assert again.code == 0, again.err
    assert len(models.server.requests) == asked
    kinds = [[json.loads(line)["kind"] for line in e.out.splitlines()] for e in (first, again)]
    assert [k for k in kinds[0] if k != "model_delta"] == [k for k in kinds[1] if k != "model_delta"]


@light
async def test_a_failing_run_exits_with_1(shell: Shell, models: Models, problem_file: Path) -> None:
    models.replies["worker"] = answer(WRONG)
    ended = await shell("run", str(problem_file), "--repeats", "1", "--rounds", "1")
    assert ended.code == 1
    failed = await shell("runs", "--failed")
    assert "failed" in failed.out


@light
async def test_a_query_on_standard_input_with_tests(shell: Shell, models: Models) -> None:
    tests = shell.home / "tests.py"
    tests.write_text("assert f(1) == 2\nassert f(2) == 4\nassert f(3) == 6\n")
    ended = await shell(
        "run", "-", "--tests", str(tests), "--entry-point", "f", "--repeats", "1", stdin=b"Double x, in f(x)."
    )
    assert ended.code == 0, ended.err
    assert "visible: assert f(1) == 2" in ended.out


@light
async def test_a_query_without_tests_saves_its_artefacts(shell: Shell, models: Models) -> None:
    ended = await shell("run", "-", "--entry-point", "f", "--out", "made", stdin=b"Double x, in f(x).")
    assert ended.code == 0, ended.err
    assert ended.out.splitlines()[-1].startswith("answered")
    assert (shell.home / "made" / "stdin.py").read_text() == "def f(x):\n    return x * 2\n"
    assert "class Workflow" in (shell.home / "made" / "stdin.workflow.py").read_text()


@light
async def test_a_problem_with_a_very_long_id_saves_its_artefacts(shell: Shell, models: Models) -> None:
    path = shell.home / "long.json"
    path.write_text(json.dumps({**DOUBLE.to_json(), "id": "long/" * 1000}))
    ended = await shell("run", str(path), "--repeats", "1", "--out", "made")
    assert ended.code == 0, ended.err
    names = [made.name for made in (shell.home / "made").iterdir()]
    assert len(names) == 2 and all(name.startswith("long_long_") and len(name) < 200 for name in names)


PLOT = """```python
def solve():
    with open("table.csv", "w") as file:
        file.write("x,y\\n1,2\\n")
    return "written"
```"""


@light
async def test_files_that_programs_leave_are_saved(shell: Shell, models: Models) -> None:
    models.replies["meta"] = answer(completion('return (await self.programmer(problem=problem))["output"]'))
    models.replies["worker"] = answer(PLOT)
    ended = await shell("run", "-", "--out", "made", stdin=b"Write a table.")
    assert ended.code == 0, ended.err
    assert (shell.home / "made" / "files" / "table.csv").read_text() == "x,y\n1,2\n"
    assert (shell.home / "made" / "stdin.txt").read_text() == "written\n"


@light
async def test_made_tests_are_marked_in_every_listing(shell: Shell, models: Models) -> None:
    def worker(request: dict) -> object:  # type: ignore[type-arg]
        asks_tests = "assert statements" in request["messages"][-1]["content"]
        return answer("```python\nassert f(1) == 2\n```" if asks_tests else RIGHT)

    models.replies["worker"] = worker  # type: ignore[assignment]
    ended = await shell(
        "run", "-", "--entry-point", "f", "--make-tests", "--repeats", "1", stdin=b"Double x."
    )
    assert ended.code == 0, ended.err
    assert "visible (model-written): assert f(1) == 2" in ended.out
    assert "model-written tests" in (await shell("runs")).out


@light
@pytest.mark.parametrize("source", [WORKFLOW, FIGURE], ids=["native", "figure"])
async def test_run_workflow(shell: Shell, models: Models, problem_file: Path, source: str) -> None:
    file = shell.home / "graph.py"
    file.write_text(source)
    (shell.home / "prompt.py").write_text('GENERATE = """Think first."""\n')
    ended = await shell("run-workflow", str(file), "--problem", str(problem_file), "--repeats", "1")
    assert ended.code == 0, ended.err + ended.out
    if source == WORKFLOW:
        assert models.server.requests[0]["messages"][-1]["content"].startswith("Think first.")


@pytest.mark.parametrize(
    ("args", "says", "code"),
    [
        (("run", "nope.json"), "nope.json: No such file", 2),
        (("run", "humanevil:1"), "did you mean humaneval", 2),
        (("run", "humaneval:HumanEval/0"), "--data", 2),
        (("run", "DOUBLE", "--variant", "vanila"), "did you mean vanilla", 2),
        *(
            (("run", "DOUBLE", "--variant", v), f"{v} first searches over the problems of a task; run it", 2)
            for v in ("adas", "aflow", "w4s", "top-k")
        ),
        (
            ("run", "DOUBLE", "--variant", "flowsteer", "--meta-agent", "pocket-meta"),
            "flowsteer asks for what pocket-meta was not trained to write",
            2,
        ),
        (
            ("run", "DOUBLE", "--variant", "maas,encoder=/none"),
            "the sentence encoder '/none' is not there",
            2,
        ),
        (("run", "DOUBLE", "--worker", "pocket-wrker"), "did you mean pocket-worker", 2),
        (("run", "DOUBLE", "--worker", "openai/gpt-4o-mini"), "OPENAI_API_KEY", 3),
        (("run", "DOUBLE", "--entry-point", "f()"), "not a Python name", 2),
        (("run", "DOUBLE#other"), "no problem has the id 'other'", 2),
        (("run", "-"), "standard input is empty", 2),
        (("run-workflow", "none.py", "--problem", "DOUBLE"), "none.py: No such file", 2),
        (("run-workflow", "DOUBLE", "--problem", "DOUBLE"), "", 2),
        (("show", "last"), "holds no run yet", 3),
        (("prune",), "--older-than", 2),
        (("frobnicate",), "frobnicate", 2),
    ],
)
async def test_mistakes_get_one_sentence(
    shell: Shell, models: Models, problem_file: Path, args: tuple[str, ...], says: str, code: int
) -> None:
    ended = await shell(*[a.replace("DOUBLE", str(problem_file)) for a in args])
    assert ended.code == code
    assert says in ended.err.replace("\n", " ")
    assert "Traceback" not in ended.err
    assert ended.out == ""


async def test_wrong_configuration_names_the_place(shell: Shell) -> None:
    shell.env["FLOWREASONER_SANDBOX"] = "chroot"
    ended = await shell("models")
    assert ended.code == 2
    assert "FLOWREASONER_SANDBOX" in ended.err
    assert len(ended.err.splitlines()) == 1


@light
async def test_an_endpoint_that_refuses_the_key(shell: Shell, models: Models, problem_file: Path) -> None:
    models.replies["worker"] = failure(401, "Incorrect API key provided: sk-secret-123456")
    shell.env["FLOWREASONER_ENDPOINTS__LOCAL__API_KEY_ENV"] = "LOCAL_KEY"
    shell.env["LOCAL_KEY"] = "sk-secret-123456"
    ended = await shell("run", str(problem_file), "--repeats", "1", "--json")
    assert ended.code == 3
    last = json.loads(ended.out.splitlines()[-1])
    assert last["status"] == "infra"
    assert "LOCAL_KEY" in last["error"]
    assert "sk-secret-123456" not in ended.out + ended.err
    assert b"sk-secret-123456" not in b"".join(p.read_bytes() for p in shell.home.glob("store.db*"))


@light
async def test_an_endpoint_that_is_down(shell: Shell, models: Models, problem_file: Path) -> None:
    shell.env["FLOWREASONER_ENDPOINTS__LOCAL__BASE_URL"] = "http://127.0.0.1:9/v1"
    shell.env["FLOWREASONER_ENDPOINTS__LOCAL__MAX_RETRIES"] = "0"
    ended = await shell("run", str(problem_file), "--repeats", "1")
    assert ended.code == 3
    assert "127.0.0.1:9" in ended.out


def test_every_command_is_where_the_command_line_looks_for_it() -> None:
    modules = {m.name for m in pkgutil.iter_modules(commands.__path__)} - {"options"}
    assert modules == set(COMMANDS)
    for module, names in COMMANDS.items():
        app = importlib.import_module(f"tui.commands.{module}").app
        assert list(typer.main.get_group(app).commands) == list(names)


async def test_help_of_every_command(shell: Shell) -> None:
    for command in (
        "",
        "run",
        "run-workflow",
        "runs",
        "show",
        "prune",
        "doctor",
        "models",
        "sandbox",
        "config",
    ):
        ended = await shell(*command.split(), "--help")
        assert ended.code == 0
        assert "Usage: flowreasoner" in ended.out


async def test_reading_commands_have_json(shell: Shell) -> None:
    for args in (("runs",), ("models",), ("config", "show"), ("config", "path"), ("sandbox", "status")):
        ended = await shell(*args, "--json")
        assert ended.code in (0, 3), ended.err  # 3: no Docker daemon here
        for line in ended.out.splitlines():
            json.loads(line)
