"""Users' own operator sets: read without importing, run in the sandbox, recorded whole."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.events import RunStarted, StepFinished, StepStarted, WorkflowProposed
from engine.operators.own import OperatorSetError, load_set, read_set, recorded_set
from engine.operators.sets import SETS
from engine.run.context import RunConfig, Services
from sandbox.pool import Pool
from tests.support.runs import RIGHT, completion, end, of, run_events
from tests.support.scripted import ScriptedModel

TOML = """
name = "outliner"
description = "plans first"
include = ["paper.test"]

[[operator]]
attribute = "outline"
returns = { steps = "list[str]" }
bound = ["problem"]

[[operator]]
attribute = "write"
description = "a worker writes code from steps"
returns = "str"
"""
CODE = '''
import dataclasses
from engine.operators.support import ask, extract_code, join

@dataclasses.dataclass
class Step:
    text: str

async def outline(host, *, problem: str, most: int = 3) -> dict:
    """A worker lists the steps.

    More than one line.
    """
    reply = await ask(host, join(problem, f"List at most {most} steps."))
    return {"steps": [dataclasses.asdict(Step(line))["text"] for line in reply.splitlines()]}

async def write(host, steps: list[str]) -> str:
    return extract_code(await ask(host, join(*steps)))
'''
WORKFLOW = completion(
    """
steps = (await self.outline(most=2))["steps"]
code = await self.write(steps=steps)
return (await self.test(problem=problem, solution=code, test_loop=0))["solution"]
"""
)


def save(folder: Path, toml: str = TOML, code: str = CODE) -> Path:
    (folder / "own.py").write_text(code)
    path = folder / "own.toml"
    path.write_text(toml)
    return path


def test_a_set_is_described_by_its_files(tmp_path: Path) -> None:
    own = read_set(save(tmp_path))
    assert (own.name, own.own, own.description) == ("outliner", True, "plans first")
    test, outline, write = own.operators
    assert test == SETS["paper"].get("test")
    assert outline.signature == "outline(most: int = 3) -> {'steps': list[str]}"
    assert (outline.name, outline.description) == ("Outline", "A worker lists the steps.")
    assert write.signature == "write(steps: list[str]) -> str"
    assert "Operators that do not take problem know it already." in own.describe()


@pytest.mark.asyncio(loop_scope="session")
async def test_an_own_set_runs_in_the_pool_that_is_there(sandbox: Pool, tmp_path: Path) -> None:
    own = read_set(save(tmp_path))
    meta = ScriptedModel("meta", WORKFLOW)
    worker = ScriptedModel("worker", RIGHT)
    events = await run_events(
        sandbox,
        config=RunConfig(rounds=1, repeats=1, operators=own),
        services=Services(meta, worker, sandbox),
    )
    assert end(events).status == "passed"
    assert own.describe() in meta.calls[0][0]["content"]
    (proposed,) = of(events, WorkflowProposed)
    assert [n["attribute"] for n in proposed.graph["nodes"]] == ["outline", "write", "test"]
    assert proposed.strict_ok
    assert [s.operator for s in of(events, StepStarted)][:3] == ["outline", "write", "test"]
    assert "List at most 2 steps." in worker.calls[0][0]["content"]


@pytest.mark.asyncio(loop_scope="session")
async def test_steps_and_workflows_are_named_by_the_code_too(sandbox: Pool, tmp_path: Path) -> None:
    keys, ids = [], []
    for code in (CODE, CODE, CODE + "\n# another\n"):
        own = read_set(save(tmp_path, code=code))
        events = await run_events(
            sandbox, meta=WORKFLOW, config=RunConfig(rounds=1, repeats=1, operators=own)
        )
        keys.append([s.key for s in of(events, StepStarted)][:3])
        ids.append(end(events).workflow_id)
    assert keys[0] == keys[1]
    assert ids[0] == ids[1] != ids[2]
    assert keys[0][0] != keys[2][0]
    assert keys[0][2] == keys[2][2]  # the paper's test is the paper's test


@pytest.mark.asyncio(loop_scope="session")
async def test_a_record_holds_the_set_without_its_files(sandbox: Pool, tmp_path: Path) -> None:
    own = read_set(save(tmp_path))
    events = await run_events(sandbox, meta=WORKFLOW, config=RunConfig(rounds=1, repeats=1, operators=own))
    shutil.rmtree(tmp_path)
    config = json.loads(json.dumps(of(events, RunStarted)[0].config))
    assert recorded_set(config) == own
    assert recorded_set(RunConfig(operators=SETS["maas"]).to_json()) is SETS["maas"]
    assert "operator_set" not in RunConfig().to_json()


@pytest.mark.asyncio(loop_scope="session")
async def test_own_code_runs_in_the_sandbox_only(sandbox: Pool, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    top = f"\nimport os, pathlib\npathlib.Path({str(mark)!r}).parent.exists() and open({str(mark)!r}, 'w')\n"
    told = "\nasync def write(host, steps: list) -> str:\n    return f'{os.getpid()} {os.getcwd()}'\n"
    own = read_set(save(tmp_path, code=CODE + top + told))
    source = completion("return await self.write(steps=[])")
    events = await run_events(sandbox, meta=source, config=RunConfig(rounds=1, repeats=1, operators=own))
    assert not mark.exists()
    (text, *_) = [s.output for s in of(events, StepFinished)]
    assert str(os.getcwd()) not in text


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("return 1", "write() returned a int, where its set says a str"),
        ("return {}", "write() returned a dict, where its set says a str"),
        ("raise KeyError('boom')", "KeyError: 'boom'"),
        ("import no_such_module", "No module named 'no_such_module'"),
    ],
)
@pytest.mark.asyncio(loop_scope="session")
async def test_own_code_that_fails_is_a_failed_step(
    sandbox: Pool, tmp_path: Path, body: str, says: str
) -> None:
    own = read_set(save(tmp_path, code=CODE + f"\nasync def write(host, steps: list) -> str:\n    {body}\n"))
    source = completion("return await self.write(steps=[])")
    events = await run_events(sandbox, meta=source, config=RunConfig(rounds=1, repeats=1, operators=own))
    assert end(events).status == "failed"
    step = of(events, StepFinished)[0]
    assert step.status == "error"
    assert says in (step.error or "")


@pytest.mark.asyncio(loop_scope="session")
async def test_a_missing_key_is_said(sandbox: Pool, tmp_path: Path) -> None:
    own = read_set(save(tmp_path, code=CODE.replace('{"steps":', '{"step":')))
    source = completion('return (await self.outline())["steps"][0]')
    events = await run_events(sandbox, meta=source, config=RunConfig(rounds=1, repeats=1, operators=own))
    assert "outline() returned no 'steps'" in (of(events, StepFinished)[0].error or "")


OPERATOR = '[[operator]]\nattribute = "write"\ndescription = "d"\nreturns = "str"\n'
BAD_FILES = {
    "no TOML": ("name = ", CODE, "own.toml: not valid TOML"),
    "unknown key": ('nmae = "x"\n' + OPERATOR, CODE, "own.toml: nmae: there is no such key; there are name"),
    "unknown operator key": (
        OPERATOR + "retruns = 1",
        CODE,
        "operator 1, retruns: there is no such key; there are attribute",
    ),
    "missing returns": ('[[operator]]\nattribute = "write"', CODE, "operator 1, returns: field required"),
    "wrong returns": (OPERATOR.replace('"str"', '"int"'), CODE, 'returns must be "str" or a table'),
    "empty": ("", CODE, "the set is empty"),
    "built-in name": ('name = "paper"\n' + OPERATOR, CODE, "'paper' is a built-in set's"),
    "bad name": ('name = "a b"\n' + OPERATOR, CODE, "must be letters"),
    "no function": (OPERATOR.replace("write", "wrote"), CODE, "own.py: no `async def wrote` for"),
    "not async": (OPERATOR, CODE.replace("async def write", "def write"), "no `async def write`"),
    "taken name": (OPERATOR.replace("write", "llm"), "async def llm(host): pass", "cannot be called 'llm'"),
    "keyword": (
        OPERATOR + 'name = "class"',
        CODE,
        "an operator cannot be called 'class'",
    ),
    "twice": (OPERATOR * 2, CODE, "two operators are called 'Write'"),
    "clash": (
        'include = ["paper"]\n' + OPERATOR.replace("write", "test"),
        "async def test(h): 0",
        "called 'Test'",
    ),
    "bound unknown": (OPERATOR + 'bound = ["tests"]', CODE, "bound names 'tests'; a run does not give that"),
    "bound not taken": (
        OPERATOR + 'bound = ["problem"]',
        CODE,
        "bound names 'problem'; its function does not",
    ),
    "include unknown": ('include = ["papr"]', CODE, "include: no set 'papr'"),
    "include no operator": ('include = ["paper.tset"]', CODE, "include: paper has no operator 'tset'"),
    "elsewhere": ('module = "../x.py"\n' + OPERATOR, CODE, "name a file in the same folder"),
    "absolute": ('module = "/etc/passwd"\n' + OPERATOR, CODE, "name a file in the same folder"),
    "no module": ('module = "other.py"\n' + OPERATOR, CODE, "other.py: there is no such file"),
    "syntax": (OPERATOR, "def (:", "own.py:1: the module is not valid Python"),
    "NUL": (OPERATOR, "x = 1\n\0", "own.py:2: the module holds a NUL byte"),
    "no host": (OPERATOR, "async def write(): pass", "own.py:1: write `async def write(host, *, …)`"),
    "stars": (
        OPERATOR,
        "async def write(host, **kw): pass",
        "own.py:1: write takes * or ** arguments",
    ),
    "default": (OPERATOR, "async def write(host, x=print): 0", "the default of 'x' is not a plain value"),
    "infinite": (OPERATOR, "async def write(host, x=1e999): 0", "the default of 'x' is not a plain value"),
    "undescribed": (OPERATOR.replace('description = "d"', ""), CODE, "write has no description"),
}


@pytest.mark.parametrize(("toml", "code", "says"), BAD_FILES.values(), ids=BAD_FILES.keys())
def test_what_is_wrong_with_the_files_is_one_sentence(
    tmp_path: Path, toml: str, code: str, says: str
) -> None:
    with pytest.raises(OperatorSetError) as caught:
        load_set(str(save(tmp_path, toml, code)))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(OperatorSetError, match="there is no such file"):
        load_set(str(tmp_path / "own.toml"))
    with pytest.raises(OperatorSetError, match="there is no such file"):
        load_set("nul\0.toml")
    big = tmp_path / "big.toml"
    big.write_text("#" * 300_000)
    with pytest.raises(OperatorSetError, match="larger than 256 KiB"):
        load_set(str(big))
    (tmp_path / "latin.toml").write_bytes(b"name = '\xe9'")
    with pytest.raises(OperatorSetError, match="not UTF-8 at byte 8"):
        load_set(str(tmp_path / "latin.toml"))
    os.mkfifo(tmp_path / "pipe.toml")
    with pytest.raises(OperatorSetError, match="there is no such file"):
        load_set(str(tmp_path / "pipe.toml"))


@pytest.mark.parametrize(("name", "says"), [("papr", "did you mean paper?"), ("x", "give a FILE.toml")])
def test_unknown_sets(name: str, says: str) -> None:
    with pytest.raises(OperatorSetError, match=f"no operator set '{name}'") as caught:
        load_set(name)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "data", [None, {}, [], {"sources": {}, "operators": [{}], "name": "", "description": ""}, "paper"]
)
def test_a_damaged_record_is_said(data: Any) -> None:
    with pytest.raises(OperatorSetError, match="damaged"):
        recorded_set({"operators": "x", "operator_set": data})


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(toml=st.text(), code=st.text())
def test_any_text_is_a_set_or_an_error(tmp_path: Path, toml: str, code: str) -> None:
    for first, second in ((toml, CODE), (TOML, code)):
        (tmp_path / "own.py").write_text(second, encoding="utf-8", errors="surrogatepass")
        (tmp_path / "own.toml").write_text(first, encoding="utf-8", errors="surrogatepass")
        try:
            read_set(tmp_path / "own.toml")
        except OperatorSetError as error:
            assert str(error)
