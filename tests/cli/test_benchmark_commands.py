"""`benchmarks` and `verify` as a user meets them."""

from __future__ import annotations

import json

import pytest

from engine.benchmarks import CATALOGUE
from tests.cli.conftest import Shell

DOUBLE = {
    "id": "double",
    "prompt": "Write `f(x)` that doubles x.",
    "entry_point": "f",
    "tests": {"visible": ["assert f(1) == 2"], "test": ["assert f(3) == 6"]},
    "metadata": {"reference": "def f(x):\n    return 2 * x"},
}


async def test_benchmarks_are_listed_with_what_they_need(shell: Shell) -> None:
    ended = await shell("benchmarks")
    assert ended.code == 0, ended.err
    for name in (*CATALOGUE, "aflow-1:4", "flowreasoner", "openai/gsm8k", "science"):
        assert name in ended.out
    (shell.home / "HumanEval.jsonl").write_text("{}")
    ended = await shell("benchmarks", "--data", str(shell.home), "--json")
    found = {row["name"]: row for row in json.loads(ended.out)}
    assert found["humaneval"]["found"] is True
    assert found["drop"]["found"] is False
    assert (found["mbpp"]["size"], found["mbpp"]["metric"]) == (974, "tests")


@pytest.mark.usefixtures("light_sandbox")
async def test_verify_passes_and_fails_by_its_exit_code(shell: Shell) -> None:
    path = shell.home / "mine.jsonl"
    path.write_text(json.dumps(DOUBLE))
    ended = await shell("verify", str(path))
    if ended.code == 3:
        pytest.skip(f"no sandbox: {ended.err}")
    assert ended.code == 0, ended.err
    assert "1 passed, 0 failed" in ended.out
    wrong = {**DOUBLE, "id": "wrong", "metadata": {"reference": "def f(x):\n    return x"}}
    path.write_text(f"{json.dumps(DOUBLE)}\n{json.dumps(wrong)}\n")
    ended = await shell("verify", str(path), "--json")
    assert ended.code == 1
    report = json.loads(ended.out)
    assert (report["passed"], report["failed"], report["sound"]) == (1, 1, False)
    assert [check["status"] for check in report["checks"]] == ["passed", "failed"]
    assert (await shell("verify", str(path), "--limit", "1")).code == 0


async def test_a_benchmark_that_is_not_here_is_one_sentence(shell: Shell) -> None:
    shell.env["HF_HUB_OFFLINE"] = "1"
    shell.env["HF_ENDPOINT"] = "https://hub.invalid"
    for name, told in (("gsm8k", "download openai/gsm8k"), ("gsm9k", "did you mean gsm8k?")):
        ended = await shell("verify", name)
        assert (ended.code, ended.out) == (2, "")
        assert told in ended.err
        assert ended.err.count("\n") == 1
