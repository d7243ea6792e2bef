"""How verdicts come about: who decides a timeout, which mode is taken, what a budget and the kernel say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from sandbox import CallbackError, Limits, Outcome, Pool, SandboxError
from sandbox.gate import Gate
from sandbox.pool import _Ask
from tests.sandbox.helpers import assert_healthy

pytestmark = pytest.mark.asyncio(loop_scope="session")

CAPTURED = (
    "import contextlib, io\nout = io.StringIO()\nwith contextlib.redirect_stdout(out):\n    f()\n"
    "assert out.getvalue() == '1\\n'"
)
UNITTEST = (
    "import unittest\nclass T(unittest.TestCase):\n    def test_a(self):\n        self.assertEqual(f(), 1)"
)


async def test_wall_time_is_generous_unless_given() -> None:
    assert Limits(cpu_s=5).wall_s == 25
    assert Limits(cpu_s=5, wall_s=7).wall_s == 7


async def test_the_gate_lets_many_in_together_or_one_alone() -> None:
    gate = Gate()
    inside: list[str] = []
    seen: dict[str, list[str]] = {}

    async def stay(name: str, *, alone: bool = False) -> bool:
        async with gate(alone=alone) as ticket:
            inside.append(name)
            await asyncio.sleep(0.02)
            seen[name] = sorted(inside)
            inside.remove(name)
            return ticket.accompanied

    accompanied = await asyncio.gather(stay("a"), stay("b"), stay("c", alone=True), stay("d"))
    assert accompanied == [True, True, False, False]
    assert (seen["a"], seen["c"], seen["d"]) == (["a", "b"], ["c"], ["d"])


async def test_leaving_the_gates_queue_lets_the_next_pass() -> None:
    gate = Gate()
    async with gate():
        waiting = asyncio.ensure_future(gate(alone=True).__aenter__())
        behind = asyncio.ensure_future(gate().__aenter__())
        await asyncio.sleep(0)
        assert not behind.done()
        waiting.cancel()
        await asyncio.wait_for(behind, 300)


def _scripted(pool: Pool, *steps: Any) -> Callable[[], Any]:
    """A request of the pool's whose workers answer `steps` in turn, errors raised."""
    left = list(steps)

    async def serve(worker: Any) -> Outcome:
        step = left.pop(0)
        if isinstance(step, Exception):
            raise step
        await asyncio.sleep(0.01)
        return step

    ask = _Ask(serve, lambda message: Outcome("oom", message=message))
    return lambda: pool._run(ask)


async def test_a_timeout_in_company_is_tried_again_alone(sandbox: Pool) -> None:
    passed, late = Outcome("passed", value=1), Outcome("timeout-cpu", message="it used its 1 s of CPU time")
    company = _scripted(sandbox, passed, passed)
    request = _scripted(sandbox, late, passed)
    result, _ = await asyncio.gather(request(), company())
    assert result.status == "passed"
    request = _scripted(sandbox, late, late)
    result, _ = await asyncio.gather(request(), company())
    assert result.status == "timeout-cpu"
    assert result.message.endswith("and did so again when it ran alone")


async def test_a_timeout_that_had_no_company_stands(sandbox: Pool) -> None:
    request = _scripted(sandbox, Outcome("timeout-wall", message="late"))
    assert (await request()).message == "late"


async def test_memory_that_ends_two_containers_is_the_codes_fault(sandbox: Pool) -> None:
    lost = SandboxError("container-lost", "the container ended", out_of_memory=True)
    assert (await _scripted(sandbox, lost, lost)()).status == "oom"
    other = SandboxError("container-lost", "the container ended")
    with pytest.raises(SandboxError):
        await _scripted(sandbox, lost, other)()
    assert (await _scripted(sandbox, other, Outcome("passed"))()).status == "passed"


@pytest.mark.parametrize(
    ("reference", "tests", "expected"),
    [
        ("def f():\n    return 1", ["assert f() == 1"], "split"),
        ("def f():\n    return 1", [UNITTEST], "split"),
        ("def f(g=None):\n    return g and g()", ["assert f(lambda: 2) == 2"], "split"),
        ("class A: x = 1\ndef f():\n    return A()", ["assert f().x == 1"], "objects"),
        ("def f():\n    print(1)", [CAPTURED], "in-process"),
    ],
)
async def test_the_reference_chooses_the_mode(
    sandbox: Pool, reference: str, tests: list[str], expected: str
) -> None:
    assert await sandbox.choose_mode(reference, tests, entry_point="f") == expected


async def test_a_reference_that_passes_in_no_mode_is_refused(sandbox: Pool) -> None:
    with pytest.raises(ValueError, match=r"no mode \(split: failed, f\(\) == 1  # got 2; objects: failed"):
        await sandbox.choose_mode("def f():\n    return 2", ["assert f() == 1"], entry_point="f")


async def test_a_mode_that_was_asked_for_is_kept(sandbox: Pool) -> None:
    good = "def f():\n    return 1"
    verdict = await sandbox.check(good, [CAPTURED], entry_point="f", mode="split")
    assert (verdict.status, verdict.reason, verdict.mode) == ("failed", "no-verdict", "split"), verdict
    assert "cannot be judged from another process: the tests use" in verdict.message
    verdict = await sandbox.check(good, ["assert f() == 1"], entry_point="f", mode="in-process")
    assert (verdict.status, verdict.mode) == ("passed", "in-process"), verdict


async def test_a_refused_budget_is_the_outcome(sandbox: Pool) -> None:
    async def spent(method: str, arguments: dict[str, Any]) -> Any:
        raise CallbackError("budget", "the 10 calls are spent")

    limits = Limits()
    async with sandbox.session() as session:
        outcome = await session.call(
            "steps:ask", {"method": "x", "kwargs": {}}, callback=spent, limits=limits
        )
        assert (outcome.status, outcome.message) == ("budget", "the 10 calls are spent")
        outcome = await session.call("steps:refused", {}, callback=spent, limits=limits)
        assert outcome.status == "passed"  # it coped


async def test_memory_is_named_whoever_set_the_limit(sandbox: Pool) -> None:
    eat = "x = []\nwhile True:\n    x.append(bytearray(b'x' * (1 << 20)))"
    outcome = await sandbox.run_program(eat, limits=Limits(memory_mb=128))
    assert (outcome.status, outcome.message) == ("oom", "MemoryError (a process may have 128 MB)")
    test = "assert f() == 1"
    verdict = await sandbox.check(
        f"def f():\n    {eat.replace(chr(10), chr(10) + '    ')}",
        [test],
        entry_point="f",
        limits=Limits(memory_mb=128),
    )
    assert verdict.status == "oom", verdict
    if sandbox.name == "docker":
        outcome = await sandbox.run_program(eat, limits=Limits(memory_mb=4096))
        assert outcome.status == "oom", outcome
        assert "the container's memory was used up" in outcome.message
    await assert_healthy(sandbox)


async def test_a_signal_is_told_with_what_was_used(sandbox: Pool) -> None:
    outcome = await sandbox.run_program("import ctypes\nctypes.string_at(0)")
    assert (outcome.status, outcome.reason) == ("failed", "signal")
    assert "SIGSEGV" in outcome.message
    assert "of CPU time and" in outcome.message
