"""Scores of answers: mathematics compared in the sandbox, F1, and what a hostile answer can do (nothing)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from engine.benchmarks.verify import verify
from engine.events import EvaluationFinished
from engine.guest_modules import guest_modules
from engine.problems import Problem, Tests
from engine.run.context import Services
from engine.scores.math_answers import MAX_CHARS, Open, compare
from engine.scores.scoring import score_answer
from sandbox.pool import Pool
from sandbox.sandboxes import Sandboxes
from sandbox.types import Limits, Sandbox, SandboxError
from tests.support.missing import skip_where_missing
from tests.support.runs import completion, end, of, run_events
from tests.support.scripted import ScriptedModel

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def images() -> AsyncIterator[Open]:
    async with Sandboxes("docker", guest_modules(), size=2) as sandboxes:
        try:
            await sandboxes.open("math")
        except SandboxError as error:
            skip_where_missing(error)
        yield sandboxes.open


EQUAL = [
    (r"It is \boxed{\frac{1}{2}}.", r"\frac12"),
    (r"\boxed{0.5}", r"\frac{1}{2}"),
    (r"\boxed{1/2}", r"\frac{1}{2}"),
    (r"\boxed{\dfrac{2}{4}}", r"\frac{1}{2}"),
    (r"\boxed{1\frac{1}{2}}", "1.5"),
    (r"\boxed{50\%}", "0.5"),
    (r"\boxed{50}", r"50\%"),
    (r"\boxed{\{2, 1\}}", r"\{1,2\}"),
    (r"\boxed{[0, 1)}", "[0,1)"),
    (r"\boxed{(-\infty, 3)}", r"(-\infty,3)"),
    (r"\boxed{\frac{\sqrt{2}}{4}}", r"\frac{\sqrt{\frac{1}{2}}}{2}"),
    (r"\boxed{\sqrt{12}}", r"2\sqrt{3}"),
    (r"\boxed{1+x}", "x+1"),
    (r"\boxed{5}", r"5\text{ cm}"),
    (r"\boxed{10}", r"10^\circ"),
    (r"\boxed{1000}", "1{,}000"),
    (r"\boxed{5}", r"\$5"),
    (r"\boxed{\text{Friday}}", "Friday"),
    (r"\boxed{x = 4}", "4"),
    ("First 7.\nThe answer is 3.", "3"),
    ("7", r"\boxed{7}"),
    (r"\boxed{3 1/2}", "7/2"),
    (r"\boxed{0.6666667}", r"\frac{2}{3}"),
    (r"\boxed{７}", "7"),
    (r"\boxed{7.}", "7"),
    (r"\boxed{7\,000}", "7000"),
    (r"\boxed{1,000}", "1000"),
]
DIFFERENT = [
    (r"\boxed{0.51}", r"\frac{1}{2}"),
    (r"\boxed{(0, 1)}", "[0,1)"),
    (r"\boxed{(2,1)}", "(1,2)"),
    (r"\boxed{\{1\}}", r"\{1,2\}"),
    (r"\boxed{x+2}", "x+1"),
    (r"\boxed{Monday}", "Friday"),
    (r"\boxed{4} no, \boxed{5}", "4"),
    ("", "4"),
    (r"\boxed{}", "4"),
    (r"\boxed{3 1/2}", "31/2"),
    (r"\boxed{3 4}", "34"),
    (r"\boxed{3,4}", "34"),
    (r"\boxed{75}", "7.5"),
    (r"\boxed{7:30}", "730"),
    (r"\boxed{}", ""),
    (r"\boxed{$}", r"\boxed{}"),
]


@pytest.mark.parametrize(("answer", "reference"), EQUAL)
async def test_equal_mathematics(images: Open, answer: str, reference: str) -> None:
    found = await compare(answer, reference, images)
    assert found.equal, found.reason


@pytest.mark.parametrize(("answer", "reference"), DIFFERENT)
async def test_different_mathematics(images: Open, answer: str, reference: str) -> None:
    found = await compare(answer, reference, images)
    assert not found.equal
    assert found.reason


HOSTILE = [
    r"\boxed{__import__('os').system('touch /tmp/x')}",
    "__import__('os').system('id')",
    r"\boxed{9**9**9}",
    "9**9**9",
    r"\boxed{9^{9^{9}}}",
    r"\boxed{(10^{9})!}",
    "\\boxed{" + "(" * 400 + "4" + ")" * 400 + "}",
    "\\boxed{" + r"\frac{1}{" * 100 + "4" + "}" * 100 + "}",
    "\\boxed{" * 10_000,
    r"\boxed{" + "9" * (MAX_CHARS + 1) + "}",
    "\x00\ud800",
    r"\boxed{\input{/etc/passwd}}",
]


async def test_hostile_answers_are_wrong_and_end(images: Open) -> None:
    with pytest.MonkeyPatch.context() as patch:
        # Those that would compute for ever are tried twice each.
        patch.setattr("engine.scores.math_answers.LIMITS", Limits(cpu_s=1.5))
        found = await asyncio.gather(*(compare(a, "5", images) for a in HOSTILE))
    assert [f.equal for f in found] == [False] * len(HOSTILE)
    after = await compare(r"\boxed{\frac{10}{2}}", "5", images)
    assert after.equal


async def test_ten_megabytes_are_read_from_the_end(images: Open) -> None:
    problem = Problem("m", "?", kind="math", answer="5")
    score = await score_answer(problem, "9 " * 5_000_000 + r"\boxed{5}", "test", images)
    assert score.value == 1.0
    wrong = await score_answer(problem, "9" * 10_000_000, "test", images)
    assert wrong.value == 0.0


async def no_sandbox(image: str) -> Sandbox:
    raise SandboxError("image-missing", f"the {image} image is not built")


async def test_the_same_text_needs_no_sandbox() -> None:
    assert (await compare(r"so \boxed{1,000}", "1,000", no_sandbox)).equal
    assert (await compare("so\n\n $x+1$ ", r"\boxed{x+1}", no_sandbox)).equal


@pytest.mark.parametrize(
    ("answer", "reference"), [(r"\boxed{3 4}", "34"), (r"\boxed{41}", "42"), (r"\boxed{x + 1}", "x+1")]
)
async def test_any_other_text_is_for_the_judge(answer: str, reference: str) -> None:
    with pytest.raises(SandboxError):
        await compare(answer, reference, no_sandbox)


async def test_a_missing_math_image_is_no_verdict() -> None:
    with pytest.raises(SandboxError, match="the math image is not built"):
        await compare(r"\boxed{x+1}", "1+x", no_sandbox)


async def test_a_sandbox_without_math_verify_is_no_verdict(sandbox: Pool) -> None:
    async def core(image: str) -> Sandbox:
        return sandbox

    with pytest.raises(SandboxError, match="no math-verify: use Docker, and run"):
        await compare(r"\boxed{x+1}", "1+x", core)


async def test_f1_is_the_score_and_exact_match_stands_beside_it() -> None:
    problem = Problem("q", "?", kind="qa", answer="the Danube|Donau", metadata={"metric": "f1"})
    half = await score_answer(problem, "river Danube", "test", no_sandbox)
    assert half.value == pytest.approx(2 / 3)
    assert (half.passed, half.total) == (0, 1)  # a part of F1 is no pass
    assert half.details == {"metric": "f1", "f1": half.value, "exact_match": False}
    whole = await score_answer(problem, "Donau.", "test", no_sandbox)
    assert (whole.value, whole.passed, whole.details["exact_match"]) == (1.0, 1, True)


async def test_drop_aligns_the_spans_of_one_answer_and_takes_the_best_of_several() -> None:
    problem = Problem("d", "?", kind="qa", answer="Smith\nJones|nobody", metadata={"metric": "drop-f1"})
    for answer, f1, exact in (
        ("Jones and Smith", 1.0, True),
        ("- Smith\n- Jones", 1.0, True),
        ("nobody", 1.0, True),
        ("Jones", 0.5, False),
        ("Smith, Jones, Lee, Ames", 0.5, False),
        ("Smith Jones", 1 / 3, False),
        ("", 0.0, False),
    ):
        score = await score_answer(problem, answer, "test", no_sandbox)
        assert score.value == pytest.approx(f1), answer
        assert score.details == {"metric": "drop-f1", "f1": score.value, "exact_match": exact}


async def test_last_number_and_exact_match_are_labelled() -> None:
    number = Problem("n", "?", kind="math", answer="1,003", metadata={"metric": "last-number"})
    score = await score_answer(number, "3 and 1000 make 1003", "test", no_sandbox)
    assert (score.value, score.details) == (1.0, {"metric": "last-number"})
    text = Problem("t", "?", kind="qa", answer="42")
    score = await score_answer(text, "The 42", "test", no_sandbox)
    assert (score.value, score.details) == (1.0, {"metric": "exact-match"})


async def test_verify_says_which_reference_fails_and_how(images: Open) -> None:
    class_test = (
        "import unittest\nclass TestCases(unittest.TestCase):\n"
        "    def test_a(self):\n        self.assertEqual(f({0}), {1})\n"
    )
    double = {"reference": "def f(x):\n    return 2 * x"}
    problems = [
        Problem(
            "good", "?", "f", "code", Tests(("assert f(1) == 2",), (), ("assert f(2) == 4",)), None, double
        ),
        Problem(
            "wrong", "?", "f", "code", Tests(test=("assert f(1) == 2", "assert f(2) == 5")), None, double
        ),
        Problem("empty", "?", "f", "code", Tests(), None, double),
        Problem("bare", "?", "f", "code", Tests(test=("assert f(1) == 2",))),
        # Two classes of one name: each is a test of its own.
        Problem(
            "methods",
            "?",
            "f",
            "code",
            Tests((), (class_test.format(1, 2),), (class_test.format(2, 4),)),
            None,
            {**double, "mode": "in-process"},
        ),
        Problem(
            "second",
            "?",
            "f",
            "code",
            Tests((), (class_test.format(1, 2),), (class_test.format(2, 5),)),
            None,
            double,
        ),
        Problem("maths", "?", kind="math", answer=r"\frac{1}{2}", metadata={"reference": r"\boxed{0.5}"}),
        Problem("far", "?", "f", "code", Tests(test=("assert 1",)), None, {**double, "image": "sciense"}),
    ]
    seen: list[str] = []
    report = await verify(problems, images, lambda check: seen.append(check.id))
    found = {check.id: check for check in report.checks}
    assert list(found) == [problem.id for problem in problems]
    assert sorted(seen) == sorted(found)
    assert {i: c.status for i, c in found.items()} == {
        "good": "passed",
        "wrong": "failed",
        "empty": "failed",
        "bare": "unchecked",
        "methods": "passed",
        "second": "failed",
        "maths": "passed",
        "far": "infra",
    }
    assert (found["good"].mode, found["methods"].mode) == ("split", "in-process")
    assert found["wrong"].message.startswith("1 of 2 tests pass; failed: ")
    assert "no sandbox image 'sciense'" in found["far"].message
    assert not report.sound
    assert report.to_json()["failed"] == 3


ASK = completion("return (await self.custom(input=problem, instruction=''))['response']")
HALF = Problem("half", "What is half of 1?", kind="math", answer=r"\frac{1}{2}")


async def test_a_run_on_a_math_problem_opens_the_math_image_by_itself(sandbox: Pool, images: Open) -> None:
    for answer, status in ((r"It is \boxed{0.5}.", "passed"), (r"It is \boxed{x}.", "failed")):
        models = ScriptedModel("meta", ASK), ScriptedModel("worker", answer)
        services = Services(*models, sandbox, open_image=images)
        events = await run_events(sandbox, problem=HALF, services=services)
        assert end(events).status == status, end(events).error
        assert of(events, EvaluationFinished)[-1].verdict == {"metric": "math"}


async def test_a_run_without_the_math_image_is_infra_and_not_wrong(sandbox: Pool) -> None:
    models = ScriptedModel("meta", ASK), ScriptedModel("worker", r"\boxed{0.5\cdot x}")
    events = await run_events(
        sandbox, problem=HALF, services=Services(*models, sandbox, open_image=no_sandbox)
    )
    assert (end(events).status, end(events).score) == ("infra", None)
    assert end(events).error == "the math image is not built"
    assert of(events, EvaluationFinished)[-1].score is None
