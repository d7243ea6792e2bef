"""The mode of a verdict is chosen before a solution is seen, by the reference or by the tests' text."""

from __future__ import annotations

from typing import Any

import pytest

from engine.judging import mode_for, remedy, told
from engine.problems import Problem, Tests
from engine.scores.scoring import score_answer
from sandbox import Pool
from sandbox.types import Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="session")

# Without its reference each looks as if values could be compared.
NODE = "class N:\n    def __init__(self, v):\n        self.v = v\n    def get(self):\n        return self.v\n"
OBJECT = f"{NODE}def f(x):\n    return N(x)"
PRINTS = (
    "import contextlib, io\nb = io.StringIO()\nwith contextlib.redirect_stdout(b):\n    f(1)\n"
    "assert b.getvalue() == '1\\n'"
)


def problem(*tests: str, **metadata: Any) -> Problem:
    return Problem("p", "?", "f", "code", Tests(test=tests), None, metadata)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (problem("assert f(1) == 1", reference="def f(x):\n    return x"), "split"),
        (problem("assert f(1).get() == 1", reference=OBJECT), "objects"),
        (problem("assert f(lambda: 1) == 1", reference="def f(x):\n    return x()"), "split"),
        (problem(PRINTS, reference="def f(x):\n    print(x)"), "in-process"),
        (problem("assert f(1).get() == 1"), "auto"),
        (problem("assert f(1).get() == 1", reference="   "), "auto"),
        (problem("assert f(1) == 1", reference="def f(x):\n    return 2"), "auto"),
        (problem("assert f(1) == 1", reference="def f(x):\n    return x", mode="objects"), "objects"),
        (problem(reference=OBJECT), "auto"),
    ],
)
async def test_the_reference_chooses_the_strongest_mode(sandbox: Pool, given: Problem, expected: str) -> None:
    assert await mode_for(given, given.tests.test, sandbox) == expected


async def test_a_reference_is_run_once_for_the_same_tests(
    sandbox: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = problem("assert f(2).get() == 2", reference=OBJECT)
    assert await mode_for(given, given.tests.test, sandbox) == "objects"
    broken = problem("assert f(2) == 2", reference="def f(x):\n    return 3")
    assert await mode_for(broken, broken.tests.test, sandbox) == "auto"

    async def never(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("it was run again")

    monkeypatch.setattr(sandbox, "check", never)
    assert await mode_for(given, given.tests.test, sandbox) == "objects"
    assert await mode_for(broken, broken.tests.test, sandbox) == "auto"


async def test_tests_that_are_not_the_problems_do_not_run_the_reference(
    sandbox: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = problem("assert f(3) == 3", reference="def f(x):\n    return x")

    async def never(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("it was run")

    monkeypatch.setattr(sandbox, "check", never)
    assert await mode_for(given, ["assert f(1) == 2"], sandbox) == "auto"


async def scored(sandbox: Pool, given: Problem, answer: str) -> tuple[float | None, str, str]:
    async def opened(image: str) -> Sandbox:
        return sandbox

    score = await score_answer(given, answer, "test", opened)
    return score.value, score.details["mode"], score.reason


async def test_a_solution_cannot_get_itself_a_weaker_mode(sandbox: Pool) -> None:
    """It gives what cannot cross, which would leave the comparison to it if it were let beside the tests."""
    given = problem("assert f(f([1, 2])) == [1, 2]", reference="def f(x):\n    return x[::-1]")
    cheats = (
        "class L:\n    def __eq__(self, o):\n        return type(o) is not object\ndef f(x):\n    return L()",
        "def f(x):\n    y = x\n    for _ in range(90):\n        y = [y]\n    return y",
        "def f(x):\n    return lambda *a: [1, 2]",
    )
    for cheat in cheats:
        value, mode, reason = await scored(sandbox, given, cheat)
        assert (value, mode) == (0.0, "split")
        assert reason
    assert await scored(sandbox, given, "def f(x):\n    return x[::-1]") == (1.0, "split", "")


async def test_what_cannot_be_judged_is_said_with_the_remedy(sandbox: Pool) -> None:
    given = problem("assert str(f(1)) == 'N1'")
    answer = f"{NODE}    def __str__(self):\n        return f'N{{self.v}}'\ndef f(x):\n    return N(x)"
    value, mode, reason = await scored(sandbox, given, answer)
    assert (value, mode) == (0.0, "split")
    assert 'a reference solution, or "mode": "objects" or "in-process" in its metadata' in reason
    known = problem("assert str(f(1)) == 'N1'", reference=answer)
    assert await scored(sandbox, known, answer) == (1.0, "objects", "")


async def test_what_a_problem_provides_is_there_for_a_solution(sandbox: Pool) -> None:
    prelude = (
        "from typing import List\ndef twice(x):\n    return 2 * x\ndef f(x: List[int]):\n    'Double it.'\n"
    )
    given = problem("assert f([1]) == [2] and twice(2) == 4", prelude=prelude)
    answer = "def f(x: List[int]) -> List[int]:\n    return [twice(n) for n in x]"
    assert await scored(sandbox, given, answer) == (1.0, "split", "")
    value, _, reason = await scored(sandbox, given, "def g(x):\n    return x")
    assert (value, reason) == (0.0, "the solution does not load")


async def test_a_stored_verdict_may_hold_anything() -> None:
    assert (told(None), told(["split"]), told("other"), remedy({})) == ("", "", "", "")
    assert remedy({"mode": "split", "tests": 7}) == ""
    assert remedy({"mode": "split", "tests": [1, {"reason": ["too-big"]}]}) == ""
    assert "in-process" in remedy({"mode": "objects", "tests": [{"reason": "too-big"}]})
