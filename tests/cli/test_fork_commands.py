"""`fork` and `replay` as a user meets them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.event_json import from_json
from engine.events import Event, StepFinished, StepStarted
from store.reader import Reader
from tests.cli.conftest import Models, Shell
from tests.support.openai_server import answer
from tests.support.runs import DOUBLE, GENERATE, RIGHT, TEST_AND_REVISE, WRONG, end, of

pytestmark = pytest.mark.usefixtures("light_sandbox")

WORKFLOW = """
class Workflow:
    async def __call__(self, problem, entry_point):
        solution = await self.custom_code_generate(problem=problem, entry_point=entry_point)
        outcome = await self.test(problem=problem, solution=solution["response"], entry_point=entry_point)
        return solution["response"]
"""


def events_of(out: str) -> list[Event]:
    return [from_json(json.loads(line)) for line in out.splitlines()]


async def failed(shell: Shell, models: Models, *options: str) -> str:
    """A run whose answer fails; its id."""
    models.replies["worker"] = answer(WRONG)
    models.replies["meta"] = answer(TEST_AND_REVISE)
    (shell.home / "double.json").write_text(json.dumps(DOUBLE.to_json()))
    ended = await shell("run", "double.json", "--repeats", "1", "--rounds", "1", "--json", *options)
    assert ended.code == 1, ended.err
    return events_of(ended.out)[0].run_id


async def test_a_failed_run_passes_after_a_changed_step(shell: Shell, models: Models) -> None:
    run_id = await failed(shell, models)
    models.replies["worker"] = answer(RIGHT)
    asked = len(models.server.requests)
    ended = await shell(
        "fork", run_id[:15], "--at", "test 1 · step 0", "--set", "inputs.instruction=Double it.", "--json"
    )
    assert ended.code == 0, ended.err
    events = events_of(ended.out)
    assert len(models.server.requests) == asked + 1
    assert "Double it." in json.dumps(models.server.requests[-1])
    assert [e.reused for e in of(events, StepFinished)].count(
        False
    ) == 2  # the step, and the test of its answer
    listed = [json.loads(line) for line in (await shell("runs", "--json")).out.splitlines()]
    assert (listed[0]["parent"], listed[1]["parent"]) == (run_id, None)
    shown = await shell("show", "last")
    assert "(from the record)" in shown.out
    assert f"from run {run_id}" in shown.out


async def test_nothing_changed_needs_no_model_and_ends_the_same(shell: Shell, models: Models) -> None:
    run_id = await failed(shell, models)
    asked = len(models.server.requests)
    for name in [n for n in shell.env if n.startswith("FLOWREASONER_ENDPOINTS")]:
        del shell.env[name]
    ended = await shell("fork", run_id, "--at", "test1:0", "--json")
    assert ended.code == 1, ended.err
    events = events_of(ended.out)
    assert all(e.reused for e in of(events, StepFinished))
    assert end(events).model_calls == 0
    assert len(models.server.requests) == asked


async def test_a_prompt_a_worker_and_a_workflow_from_files(shell: Shell, models: Models) -> None:
    run_id = await failed(shell, models)
    models.replies["worker"] = answer(RIGHT)
    models.replies["other"] = answer(RIGHT)
    (shell.home / "prompt.txt").write_text("Write f that doubles.")
    ended = await shell("fork", run_id, "--at", "test1:0", "--prompt", "prompt.txt", "--json")
    assert ended.code == 0, ended.err
    assert models.server.requests[-1]["messages"] == [{"role": "user", "content": "Write f that doubles."}]
    ended = await shell("fork", run_id, "--at", "test1:0", "--worker", "local/other", "--json")
    assert ended.code == 0, ended.err
    assert models.server.requests[-1]["model"] == "other"
    (shell.home / "flow.py").write_text(WORKFLOW)
    ended = await shell("fork", run_id, "--workflow", "flow.py", "--json")
    assert ended.code == 1, ended.err
    events = events_of(ended.out)
    operators = {s.step_id: s.operator for s in of(events, StepStarted)}
    assert next((operators[e.step_id], e.reused) for e in of(events, StepFinished)) == (
        "custom_code_generate",
        True,
    )


async def test_what_cannot_be_forked_is_said_in_a_sentence(shell: Shell, models: Models) -> None:
    run_id = await failed(shell, models)
    for args, words in [
        (["--at", "nowhere"], "has no step 'nowhere'"),
        (["--at", "77"], "has no step '77'"),
        (["--at", "0"], "means several steps"),
        ([], "say where to fork with --at"),
        (["--set", "a=1"], "say with --at which step"),
        (["--at", "test1:0", "--set", "nothing=1"], "'nothing' is not in inputs: there is "),
        (["--at", "test1:0", "--set", "problem.deep=1"], "holds nothing"),
        (["--at", "test1:0", "--set", "problem"], "write PATH=VALUE"),
        (["--at", "test1:1", "--prompt", "double.json"], "called no model"),
        (["--at", "test1:0", "--prompt", "missing.txt"], "give a readable file"),
        (["--at", "test1:0", "--worker", "nowhere/model"], "unknown model 'nowhere/model'"),
        (["--workflow", "double.json"], "the workflow cannot run"),
        (["--workflow", "missing.py"], "give a readable file for the workflow"),
        (["--at", "test1:0", "--set", "problem=x", "--workflow", "double.json"], "are two forks"),
        (["--at", "test1:0", "--everywhere"], "--everywhere needs"),
    ]:
        ended = await shell("fork", run_id, *args)
        assert ended.code in (2, 3), args
        assert words in ended.err
        assert ended.err.count("\n") == 1
        assert "Traceback" not in ended.err


async def test_one_edit_forks_a_cluster_and_before_and_now_is_found_again(
    shell: Shell, models: Models
) -> None:
    first, second = await failed(shell, models, "--seed", "1"), await failed(shell, models)
    models.replies["meta"] = answer(GENERATE)
    assert (await shell("run", "double.json", "--repeats", "1", "--rounds", "1")).code == 1
    (cluster,) = [json.loads(line) for line in (await shell("failures", "--json")).out.splitlines()]
    assert cluster["runs"] == 3
    key = ["--cluster", cluster["cluster"]]
    with Reader(shell.store) as reader:
        (code,) = (e.code for e in reader.events(second, kinds=("workflow_proposed",)))  # type: ignore[attr-defined]
        third = reader.runs(limit=1).rows[0].id
    changed = code.replace("custom_code_generate(problem=problem", "custom_code_generate(problem=problem * 2")
    (shell.home / "edited.py").write_text(f"{changed}\n")
    refused = await shell("fork", second, *key, "--workflow", "edited.py", "--at", "test1:0")
    assert refused.code == 2
    assert "leave them out with --cluster" in refused.err
    unasked = await shell("fork", second, *key, "--workflow", "edited.py")
    assert unasked.code == 1
    assert "Fork 2 runs?" in unasked.err

    models.replies["worker"] = answer(RIGHT)
    ended = await shell("fork", second, *key, "--workflow", "edited.py", "--yes")
    assert ended.code == 0, ended.err
    assert "2 of 2 runs passed" in ended.out
    assert f"{third} is not forked: its workflow has line" in ended.err
    for asked in (cluster["cluster"], first, "last"):  # the cluster, a run in it, a fork of one
        told = await shell("failures", asked, "--forks")
        assert "2 of 2 forks pass now" in told.out
        assert told.out.count("  failed 0") == 2
    pairs = [
        json.loads(line) for line in (await shell("failures", first, "--forks", "--json")).out.splitlines()
    ]
    assert {pair["run"]["id"] for pair in pairs} == {first, second}
    assert {pair["fork"]["parent"] for pair in pairs} == {first, second}


async def test_replay_prints_what_show_does_without_model_docker_or_torch(
    shell: Shell, models: Models, tmp_path: Path
) -> None:
    run_id = await failed(shell, models)
    shown = await shell("show", run_id)
    bare: dict[str, Any] = {k: v for k, v in shell.env.items() if "ENDPOINTS" not in k}
    bare["DOCKER_HOST"] = f"unix://{tmp_path}/no-docker.sock"
    trap = tmp_path / "trap"
    for module in ("torch", "transformers", "docker", "openai"):
        (trap / module).mkdir(parents=True)
        (trap / module / "__init__.py").write_text(f"raise SystemExit('{module} was imported')")
    shell.env.clear()
    shell.env.update(bare | {"PYTHONPATH": str(trap)})
    replayed = await shell("replay", run_id, "--speed", "50")
    assert replayed.code == 1, replayed.err
    assert replayed.out == shown.out
    as_json = await shell("replay", run_id, "--speed", "50", "--json")
    assert as_json.out == (await shell("show", run_id, "--json")).out


async def test_replay_refuses_what_it_cannot_do(shell: Shell) -> None:
    ended = await shell("replay", "nothing")
    assert ended.code == 3
    assert "No run begins with 'nothing'" in ended.err
    assert (await shell("replay", "nothing", "--speed", "0.5")).code == 2
