"""What every backend promises: calls, programs, checks, limits, and clean ends."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sandbox import CallbackError, Limits, Pool, SandboxError
from tests.sandbox.helpers import assert_healthy, refuse, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

LIMITS = Limits()


async def _double(method: str, arguments: dict[str, Any]) -> Any:
    if method == "budget":
        raise CallbackError("budget", "no money left")
    await asyncio.sleep(0.02)
    return arguments["n"] * 2


async def test_call_returns_plain_data(sandbox: Pool) -> None:
    value = {"a": [1, (2, {3}), b"x", float("inf")], 5: None}
    async with sandbox.session() as session:
        outcome = await session.call("steps:echo", {"v": value}, callback=refuse, limits=LIMITS)
    assert (outcome.status, outcome.value) == ("passed", {"v": value})
    assert outcome.usage.wall_ms > 0
    assert outcome.usage.max_rss_kb > 1000


async def test_callbacks_run_concurrently(sandbox: Pool) -> None:
    """None is answered before all of them have come."""
    arrived, all_here = 0, asyncio.Event()

    async def together(method: str, arguments: dict[str, Any]) -> Any:
        nonlocal arrived
        arrived += 1
        if arrived == 40:
            all_here.set()
        await all_here.wait()
        return arguments["n"] * 2

    async with sandbox.session() as session:
        outcome = await session.call("steps:gather", {"n": 40}, callback=together, limits=Limits(wall_s=120))
    assert outcome.value == [n * 2 for n in range(40)]


async def test_more_callbacks_than_may_wait_at_once(sandbox: Pool) -> None:
    async with sandbox.session() as session:
        outcome = await session.call("steps:gather", {"n": 600}, callback=_double, limits=LIMITS)
    assert outcome.value == [n * 2 for n in range(600)]


async def test_calls_run_concurrently_in_one_session(sandbox: Pool) -> None:
    async with sandbox.session() as session:
        calls = [session.call("steps:gather", {"n": n}, callback=_double, limits=LIMITS) for n in range(8)]
        outcomes = await asyncio.gather(*calls)
    assert [len(outcome.value) for outcome in outcomes] == list(range(8))


async def test_a_refusal_reaches_the_guest_as_its_error(sandbox: Pool) -> None:
    async with sandbox.session() as session:
        outcome = await session.call("steps:refused", {}, callback=_double, limits=LIMITS)
    assert outcome.value == ["budget", "no money left"]


async def test_a_bug_in_the_callback_is_the_callers(sandbox: Pool) -> None:
    async def broken(method: str, arguments: dict[str, Any]) -> Any:
        raise ZeroDivisionError("ours")

    async with sandbox.session() as session:
        with pytest.raises(ZeroDivisionError, match="ours"):
            await session.call("steps:ask", {"method": "x", "kwargs": {}}, callback=broken, limits=LIMITS)
    await assert_healthy(sandbox)


async def test_an_exception_in_a_call(sandbox: Pool) -> None:
    async with sandbox.session() as session:
        outcome = await session.call("steps:raises", {}, callback=refuse, limits=LIMITS)
    assert (outcome.status, outcome.reason) == ("failed", "exception")
    assert outcome.message == "KeyError: 'missing'"
    assert outcome.stdout == "before\n"
    assert "raise KeyError" in outcome.stderr
    assert "guest" not in outcome.stderr


async def test_guest_packages_and_unknown_entries(sandbox: Pool) -> None:
    async with sandbox.session() as session:
        outcome = await session.call("package.inner:name", {}, callback=refuse, limits=LIMITS)
        assert outcome.value == "package.inner"
        outcome = await session.call("nothing:here", {}, callback=refuse, limits=LIMITS)
        assert (outcome.status, outcome.reason) == ("failed", "exception")


async def test_cancelling_kills_the_process(sandbox: Pool) -> None:
    started = asyncio.Event()

    async def callback(method: str, arguments: dict[str, Any]) -> None:
        started.set()

    async with sandbox.session() as session:
        task = asyncio.ensure_future(
            session.call("steps:forever", {}, callback=callback, limits=Limits(wall_s=60, cpu_s=60))
        )
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        async def clean() -> bool:
            return await session.probe() is None

        await until(clean)


async def test_callbacks_end_with_their_call(sandbox: Pool) -> None:
    cancelled = asyncio.Event()

    async def never(method: str, arguments: dict[str, Any]) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async with sandbox.session() as session:
        limits = Limits(wall_s=2.0)
        outcome = await session.call("steps:wait_for_host", {}, callback=never, limits=limits)
    assert outcome.status == "timeout-wall"
    await asyncio.wait_for(cancelled.wait(), 300)


async def test_program_output_and_value(sandbox: Pool) -> None:
    code = "import sys\nprint('out')\nprint('err', file=sys.stderr)\ndef f():\n    return {1: (2,)}"
    outcome = await sandbox.run_program(code, entry="f")
    assert (outcome.status, outcome.value) == ("passed", {1: (2,)})
    assert (outcome.stdout, outcome.stderr) == ("out\n", "err\n")


@pytest.mark.parametrize(
    ("code", "entry", "expected"),
    [
        ("print(__name__)", None, ("passed", None)),
        ("import sys; sys.exit(0)", None, ("passed", None)),
        ("import sys; sys.exit(3)", None, ("failed", "exception")),
        ("import sys; sys.exit(0)", "f", ("failed", "load")),
        ("import os; os._exit(0)", None, ("failed", "no-verdict")),
        ("def f(:", None, ("failed", "load")),
        ("a\0b", None, ("failed", "load")),
        ("x = '\ud800'\nprint(x)", None, ("failed", "load")),
        ("", None, ("passed", None)),
        ("", "f", ("failed", "load")),
        ("f = 3", "f", ("failed", "load")),
        ("1/0", None, ("failed", "exception")),
        ("def f(): return object()", "f", ("failed", "not-plain-data")),
        ("def f(): return 'x' * (200 << 20)", "f", ("failed", "too-big")),
        ("def f():\n    l = []\n    l.append(l)\n    return l", "f", ("failed", "not-plain-data")),
        ("from __future__ import annotations\ndef f() -> nope: return 10**5000", "f", ("passed", None)),
    ],
)
async def test_program_endings(
    sandbox: Pool, code: str, entry: str | None, expected: tuple[str, str | None]
) -> None:
    outcome = await sandbox.run_program(code, entry=entry, limits=Limits(memory_mb=512))
    assert (outcome.status, outcome.reason) == expected, outcome


async def test_no_tests_never_pass(sandbox: Pool) -> None:
    verdict = await sandbox.check("def f(): pass", [], entry_point="f")
    assert (verdict.status, verdict.reason) == ("failed", "no-verdict")
    assert verdict.message == "there are no tests to run"


@pytest.mark.parametrize("test", ["", "# nothing", "x = 1", "def helper(): pass", "'doc'", "def f(:", "a\0b"])
async def test_a_test_that_checks_nothing_fails(sandbox: Pool, test: str) -> None:
    verdict = await sandbox.check("def f(): return 1", ["assert f() == 1", test], entry_point="f")
    assert [result.status for result in verdict.tests] == ["passed", "failed"]
    assert verdict.tests[1].reason == "no-verdict"


async def test_results_come_in_order_with_what_was_got(sandbox: Pool) -> None:
    tests = [
        "assert f(1) == 2",
        "assert f(3) == 6",
        "assert 6 == f(3)",
        "assert f(3) > 10, 'too small'",
        "assert not f(3)",
        "assert f('x') == 1",
        "def check(candidate):\n    for n in range(3):\n        assert candidate(n) == n + 1",
        "def test_it():\n    assert f(1) == 3",
        "raise SystemExit(0)",
    ]
    verdict = await sandbox.check("def f(x):\n    return x + 1", tests, entry_point="f")
    assert verdict.mode == "split"
    assert [result.index for result in verdict.tests] == list(range(len(tests)))
    assert [(result.status, result.message) for result in verdict.tests] == [
        ("passed", ""),
        ("failed", "f(3) == 6  # got 4"),
        ("failed", "6 == f(3)  # got 4"),
        ("failed", "f(3) > 10  # got 4 (too small)"),
        ("failed", "not f(3)  # got False"),
        ("failed", 'TypeError: can only concatenate str (not "int") to str'),
        ("passed", ""),
        ("failed", "f(1) == 3  # got 2"),
        ("failed", "SystemExit: 0"),
    ]
    assert (verdict.status, verdict.reason, verdict.passed) == ("failed", "assert", 2)


@pytest.mark.parametrize(
    ("solution", "test"),
    [
        ("def f(xs):\n    xs.sort()", "xs = [3, 1, 2]\nf(xs)\nassert xs == [1, 2, 3]"),
        ("def f(d):\n    d['k'].append(1)", "inner = []\nd = {'k': inner}\nf(d)\nassert inner == [1]"),
        ("def f(s):\n    s.add(4)", "s = {1}\nf(s)\nassert s == {1, 4}"),
        ("def f(n):\n    yield from range(n)", "assert list(f(3)) == [0, 1, 2] and next(f(1)) == 0"),
        ("n = 0\ndef f():\n    global n\n    n += 1\n    return n", "assert f() == 1\nassert f() == 2"),
        ("class E(ValueError): pass\ndef f():\n    raise E('m')", "try:\n    f()\n    assert False\n"
         "except ValueError as e:\n    assert str(e) == 'm'"),
        ("def f(a, *, b=1):\n    return a + b", "assert f(1, b=2) == 3"),
        ("def f():\n    return 10**5000, float('nan'), -0.0", "n, nan, zero = f()\n"
         "assert n == 10**5000 and nan != nan and str(zero) == '-0.0'"),
        ("print('x' * 20_000_000)\ndef f():\n    return 1", "assert f() == 1"),
    ],
)  # fmt: skip
async def test_what_crosses_between_the_halves(sandbox: Pool, solution: str, test: str) -> None:
    verdict = await sandbox.check(solution, [test], entry_point="f")
    assert (verdict.status, verdict.mode) == ("passed", "split"), verdict


async def test_the_prelude_serves_the_checker(sandbox: Pool) -> None:
    prelude = "import math\ndef helper(x):\n    return f(x) * 2\ndef f(x):\n    ''' the prompt '''\n"
    verdict = await sandbox.check(
        "def f(x):\n    return x", ["assert helper(2) == math.floor(4.5)"], entry_point="f", prelude=prelude
    )
    assert (verdict.status, verdict.mode) == ("passed", "split"), verdict


async def test_a_prelude_that_does_not_parse_is_ignored(sandbox: Pool) -> None:
    verdict = await sandbox.check(
        "def f(): return 1", ["assert f() == 1"], entry_point="f", prelude="def f():"
    )
    assert verdict.status == "passed", verdict


@pytest.mark.parametrize(
    ("solution", "entry_point", "test", "expected", "mode"),
    [
        ("def f(g):\n    return g(2)", "f", "assert f(lambda x: x + 1) == 3", "passed", "split"),
        ("class Stack:\n    size = 0", "Stack", "assert Stack().size == 0", "passed", "objects"),
        ("def g():\n    return 1", None, "assert g() == 1", "passed", "split"),
        ("def g():\n    return 1", None, "assert g() == 2", "failed", "split"),
        ("def f():\n    return 1\nKEY = 5", "f", "assert f() + KEY == 6", "passed", "split"),
        ("def f():\n    return 1", "f", "import unittest\nclass T(unittest.TestCase):\n"
         "    def test_a(self):\n        self.assertEqual(f(), 1)", "passed", "split"),
        ("def f():\n    return 2", "f", "import unittest\nclass T(unittest.TestCase):\n"
         "    def test_a(self):\n        self.assertEqual(f(), 1)", "failed", "split"),
        ("def f():\n    return 1", "f", "import unittest\nclass T(unittest.TestCase):\n    pass",
         "failed", "split"),
        ("1/0", "f", "assert f() + KEY == 6", "failed", "split"),
    ],
)  # fmt: skip
async def test_tests_that_ask_for_more_than_a_function(
    sandbox: Pool, solution: str, entry_point: str | None, test: str, expected: str, mode: str
) -> None:
    verdict = await sandbox.check(solution, [test], entry_point=entry_point)
    assert (verdict.status, verdict.mode) == (expected, mode), verdict


async def test_a_solution_that_does_not_load(sandbox: Pool) -> None:
    for code in ("def f(:", "1/0", "raise SystemExit(0)", "", "f = 1", "\0"):
        verdict = await sandbox.check(code, ["assert f() == 1", "assert f() == 2"], entry_point="f")
        assert (verdict.status, verdict.reason) == ("failed", "load"), (code, verdict)
        assert len(verdict.tests) == 2


async def test_a_solution_that_dies_in_its_second_test(sandbox: Pool) -> None:
    code = "import ctypes\ndef f(x):\n    return ctypes.string_at(0) if x == 2 else x"
    verdict = await sandbox.check(code, [f"assert f({n}) == {n}" for n in (1, 2, 3)], entry_point="f")
    assert [result.status for result in verdict.tests] == ["passed", "failed", "failed"]
    assert (verdict.reason, verdict.tests[1].reason) == ("signal", "signal")
    assert "SIGSEGV" in verdict.message


async def test_an_oversized_request_is_refused_cleanly(sandbox: Pool) -> None:
    with pytest.raises(SandboxError, match="too big"):
        await sandbox.run_program("#" * (9 << 20))
    await assert_healthy(sandbox)
